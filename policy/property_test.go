package policy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestOneLoginOnePush throws at a policy what clients, users and Duo can do, in any order: repetitions, retries, clients
// that give up and start again, other addresses, wrong passwords, codes, challenges answered twice or late, reloads,
// answers that come early, late or never. Whatever the order,
//
//   - no phone rings twice at once (fakeDuo says so);
//   - no push goes out while the answer to an earlier one of the same login waits to be heard, nor for a login that had
//     begun before that answer came, nor within a minute of one whose answer was lost;
//   - nobody is accepted whom Duo did not allow, for this user, client and address, or whose password was wrong;
//   - every Decide is back in time (decide says so) and nothing is left behind (end says so).
func TestOneLoginOnePush(t *testing.T) {
	rounds := uint64(400)
	if testing.Short() {
		rounds = 40
	}
	synctest.Test(t, func(t *testing.T) {
		for seed := range rounds {
			w := newWorld(t)
			newStorm(w, seed).run()
			w.end()
			if t.Failed() {
				t.Fatalf("with seed %d", seed)
			}
		}
	})
}

const rightCode, wrongCode = "111111", "222222"

// storm is one round.
type storm struct {
	*world
	wg sync.WaitGroup

	mu     sync.Mutex // guards all below; taken after fakeDuo's
	rand   *rand.Rand
	pushes []*push
	heard  map[string]time.Time   // by txid: when its answer reached a client
	begun  map[string][]time.Time // by who: when logins began
	states []Attempt              // challenges to answer
	giveUp []func()
}

// push is one that the fake sent out.
type push struct {
	who        string // user, client and address
	txid       string
	from, till time.Time
	reply      reply
}

func newStorm(w *world, seed uint64) *storm {
	s := &storm{world: w, rand: rand.New(rand.NewPCG(seed, 2)), heard: map[string]time.Time{}, begun: map[string][]time.Time{}}
	w.duo.scripts = s.answer
	w.client.Remember = time.Duration(s.rand.IntN(2)) * time.Minute
	w.client.PushTimeout = time.Duration(s.rand.IntN(2)) * 20 * time.Second
	w.client.Failmode = []Failmode{FailmodeSecure, FailmodeSilent}[s.rand.IntN(2)]
	w.settings.Guard = PushLimits{Pushes: 3, Window: 5 * time.Minute, Cooldown: time.Duration(s.rand.IntN(2)) * time.Minute}
	w.load()
	return s
}

func (s *storm) run() {
	for range 20 + s.n(30) {
		s.chance(0.5, func() { time.Sleep(time.Duration(s.n(1000)) * time.Millisecond) })
		s.chance(0.2, func() { time.Sleep(time.Duration(s.n(40)) * time.Second) })
		s.chance(0.1, synctest.Wait)
		s.event()
	}
	s.wg.Wait()
	time.Sleep(transactionLimit)
	s.check()
}

func (s *storm) event() {
	what, which := s.n(100), s.n(1<<20)
	s.mu.Lock()
	states, giveUp := s.states, s.giveUp
	s.mu.Unlock()
	switch {
	case what < 5:
		s.load()
		return
	case what < 15 && len(giveUp) > 0: // the client forgets a login of any age
		giveUp[which%len(giveUp)]()
		return
	}
	s.weather()
	a := s.fresh()
	if what < 45 && len(states) > 0 {
		a = states[which%len(states)]
		a.Password = []string{"", "1", "2", "9", "push", "sms", rightCode, wrongCode, "nonsense"}[s.n(9)]
	}
	s.begin(a)
	s.chance(0.3, func() { s.begin(a) }) // a repetition, or the next Identifier
}

// weather is how preauth goes from now on.
func (s *storm) weather() {
	err, code, wait := error(nil), []string{"", "376"}[s.n(2)], time.Duration(s.n(2000))*time.Millisecond
	s.chance(0.1, func() { err = []error{errDown, errNo, errOdd}[s.n(3)] })
	s.duo.mu.Lock()
	defer s.duo.mu.Unlock()
	s.duo.preErr, s.duo.pre.Code, s.duo.preWait = err, code, wait
}

// fresh is an Access-Request without State. Who asks from the café always names a phone, so that user, client and
// address say which login it is.
func (s *storm) fresh() Attempt {
	a := s.attempt("pw", as([]string{"alice", "bob"}[s.n(2)]))
	if s.n(3) == 0 {
		a.UserIP, a.Password = cafe, "pw,push2"
	}
	if s.n(3) == 0 {
		c := s.at("gateway", "gateway")
		c.Mode = ModeChallenge
		a.Client = &c
	}
	switch s.n(12) {
	case 0:
		a.UserIP = netip.Addr{}
	case 1:
		a.Password = "wrong"
	case 2:
		a.Password = "pw," + rightCode
	case 3:
		a.Password = "pw," + wrongCode
	case 4:
		a.Authentic = false
	}
	return a
}

func (s *storm) begin(a Attempt) {
	ctx, cancel := context.WithCancelCause(s.Context())
	s.mu.Lock()
	s.giveUp = append(s.giveUp, func() { cancel(ErrAbandoned) })
	who := who(a.User, a.Client.Name, a.UserIP)
	s.begun[who] = append(s.begun[who], time.Now())
	s.mu.Unlock()
	policy := s.policy
	s.wg.Go(func() {
		v := (&world{T: s.T, policy: policy}).decide(ctx, a)
		if s.judge(a, v); context.Cause(ctx) == nil {
			s.hear(a, v)
		}
		cancel(nil)
	})
}

// hear is the client that gets its reply.
func (s *storm) hear(a Attempt, v Verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v.Txid != "" && v.Outcome != OutcomeChallenge && v.Reason != ReasonNoAnswer && s.heard[v.Txid].IsZero() {
		s.heard[v.Txid] = time.Now()
	}
	if v.Outcome == OutcomeChallenge {
		a.State = v.State
		s.states = append(s.states, a)
	}
}

// judge holds that an accept has its reasons.
func (s *storm) judge(a Attempt, v Verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v.Outcome != OutcomeAccept {
		return
	}
	if a.State == "" && !strings.HasPrefix(a.Password, "pw") {
		s.Errorf("a wrong password: %s", line(v))
	}
	switch {
	case v.Reason == ReasonRemembered && a.Authentic && a.UserIP.IsValid() && a.Client.Remember > 0:
	case v.Reason == ReasonApproved && v.Factor == FactorPasscode && strings.HasSuffix(a.Password, rightCode):
	case v.Reason == ReasonApproved && v.Factor.rings():
		for _, p := range s.pushes {
			if p.txid == v.Txid && p.who == who(v.User, a.Client.Name, a.UserIP) && p.reply.Allowed && !p.till.After(time.Now()) {
				return
			}
		}
		s.Errorf("accepted without an allow: %s, %+v", line(v), a)
	default:
		s.Errorf("accepted without a reason: %s, %+v", line(v), a)
	}
}

func who(user, client string, ip netip.Addr) string { return fmt.Sprintf("%s %s %v", user, client, ip) }

// answer is Duo's and the user's part. It is called with fakeDuo's lock held.
func (s *storm) answer(r AuthRequest) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !r.Factor.rings() {
		switch {
		case r.Factor == FactorSMS:
			return sent
		case r.Passcode == rightCode:
			return allows(time.Second)
		}
		return wrong
	}
	after := time.Duration(s.rand.IntN(60_000)) * time.Millisecond
	a := []reply{allows(after), allows(after), allows(after), denies("deny", "", after), denies("fraud", "", after), timedOut,
		{err: errDown, after: after}, {err: errNo}}[s.rand.IntN(8)]
	client, _, _ := strings.Cut(r.Info[1][1], " ")
	txid := r.Txid
	if txid == "" {
		txid = fmt.Sprintf("T%d", s.duo.txids)
	}
	for _, p := range s.pushes {
		if strings.HasPrefix(p.who, r.Name+" ") && p.reply.err == errDown && time.Since(p.from) < ringingTime {
			s.Errorf("%s: push %s went out %v after %s, whose answer was lost", p.who, txid, time.Since(p.from), p.txid)
		}
	}
	s.pushes = append(s.pushes, &push{who(r.Name, client, r.IP), txid, time.Now(), time.Now().Add(a.after), a})
	return a
}

// check holds that no answer is lost: who asks again within lateAnswer gets it instead of another push. Of a client that
// challenges that can't be said, where a second session may choose a push of its own.
func (s *storm) check() {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := map[string]*push{}
	for _, p := range s.pushes {
		if strings.Contains(p.who, " gateway ") || strings.HasSuffix(p.who, " invalid IP") {
			continue
		}
		q := last[p.who]
		last[p.who] = p
		if q == nil || p.from.Sub(q.till) >= lateAnswer {
			continue
		}
		if !slices.ContainsFunc(s.begun[p.who], func(at time.Time) bool { return !at.Before(q.till) && !at.After(p.from) }) {
			s.Errorf("%s: push %s went out %v after %s was answered, for a login that was older", p.who, p.txid, p.from.Sub(q.till), q.txid)
		}
		if q.reply.err != nil || q.reply.Status == "timeout" {
			continue
		}
		if at := s.heard[q.txid]; at.IsZero() || at.After(p.from) {
			s.Errorf("%s: push %s went out %v after %s was answered, which nobody had heard", p.who, p.txid, p.from.Sub(q.till), q.txid)
		}
	}
}

func (s *storm) n(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rand.IntN(n)
}

func (s *storm) chance(p float64, f func()) {
	s.mu.Lock()
	hit := s.rand.Float64() < p
	s.mu.Unlock()
	if hit {
		f()
	}
}
