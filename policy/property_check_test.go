package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/factor"
)

// These are the checks that TestOneLoginOnePush makes in a round.

// note checks that an accept has its reasons, and records the Verdict.
func (s *storm) note(a Attempt, v Verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.verdicts = append(s.verdicts, fmt.Sprintf("%012d: %s: %s", time.Since(s.start), joinKeyOf(a), line(v)))
	if v.Reason == ReasonFraud {
		s.frauds[v.User] = append(s.frauds[v.User], time.Now())
	}
	if v.Outcome != OutcomeAccept {
		return
	}
	if a.State == "" && !strings.HasPrefix(a.Password, "pw") {
		s.Errorf("a wrong password: %s", line(v))
	}
	approval := approvalKeyOf(a)
	switch {
	case v.Reason == ReasonRemembered && a.Authentic && a.UserIP.IsValid() && a.Client.Remember > 0:
		s.reused[approval] = append(s.reused[approval], time.Now())
		return
	case v.Reason == ReasonApproved && v.Factor == factor.Passcode && strings.HasSuffix(a.Password, rightCode):
	case v.Reason == ReasonApproved && v.Factor.Rings() && s.allowed(a, v.Txid):
	case v.Reason == ReasonRepeated && v.Factor == factor.Passcode && a.Authenticator != [16]byte{} && strings.HasSuffix(a.Password, rightCode):
		return // the Verdict of the same octets
	case v.Reason == ReasonRepeated && v.Factor.Rings() && s.allowed(a, v.Txid) && s.repeated[v.Txid] == 0:
		s.repeated[v.Txid]++
		return
	default:
		s.Errorf("accepted without a reason: %s, %+v", line(v), a)
	}
	s.accepts[approval] = append(s.accepts[approval], time.Now())
}

// allowed reports whether the user has allowed the push txid, which was that of a. mu is held.
func (s *storm) allowed(a Attempt, txid string) bool {
	return slices.ContainsFunc(s.pushes, func(p *push) bool {
		return p.txid == txid && p.key == joinKeyOf(a) && p.reply.Allowed && p.reply.err == nil && !p.till.After(time.Now())
	})
}

// joinKeyOf returns the join key of a's login, as the fake Duo can know it. For a challenge's answer it is that of the
// first request.
func joinKeyOf(a Attempt) string {
	return fmt.Sprintf("%s at %s (%v) from %v", a.User, a.Client.Name, a.ClientAddr, a.UserIP)
}

func approvalKeyOf(a Attempt) string {
	return fmt.Sprintf("%s at %s from %v", a.User, a.Client.Service, a.UserIP)
}

// check makes the checks that are possible only when all is over.
func (s *storm) check() {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := map[string]*push{}
	for _, p := range s.pushes {
		if q := last[p.key]; q != nil {
			s.checkSecond(p, q)
		}
		last[p.key] = p
	}
	for key, list := range s.reused {
		user, _, _ := strings.Cut(key, " ")
		for _, at := range list {
			earned := slices.ContainsFunc(s.accepts[key], func(from time.Time) bool {
				fraud := slices.ContainsFunc(s.frauds[user], func(f time.Time) bool { return f.After(from) && f.Before(at) })
				return !from.After(at) && at.Sub(from) < s.client.Remember && !fraud
			})
			if !earned {
				s.Errorf("%s: remembered at %v without an approval that counts", key, at.Sub(s.start))
			}
		}
	}
}

// checkSecond checks that p is not the second push of q's login: a user who asks again within lateAnswer gets q's answer.
// It can't check that of a client with challenges, where a second session may choose a push of its own, or without a known
// address.
func (s *storm) checkSecond(p, q *push) {
	if strings.Contains(p.key, " gateway ") || strings.HasSuffix(p.key, " invalid IP") || q.lost || p.from.Sub(q.till) >= lateAnswer {
		return
	}
	between := func(at time.Time) bool { return !at.Before(q.till) && !at.After(p.from) }
	if !slices.ContainsFunc(s.begun[p.key], between) {
		s.Errorf("%s: push %s went out %v after %s was answered, for a login that was older", p.key, p.txid, p.from.Sub(q.till), q.txid)
	}
	if q.reply.err != nil || q.reply.Status == "timeout" || s.sent[q.txid] > 1 || slices.ContainsFunc(s.unsigned[p.key], between) {
		return
	}
	if at := s.heard[q.txid]; at.IsZero() || at.After(p.from) {
		s.Errorf("%s: push %s went out %v after %s was answered, which nobody had heard", p.key, p.txid, p.from.Sub(q.till), q.txid)
	}
}
