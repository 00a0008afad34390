package policy

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// snapshot is what of a Memory survives a restart. It holds what a login is half-way with, a typed passcode perhaps, and
// the key of the digests: whoever keeps it must encrypt it. In all lists of an LRU the least recently used comes first.
type snapshot struct {
	Written      time.Time
	DigestKey    [32]byte
	Transactions []savedTransaction
	Challenges   []savedChallenge
	Pushes       []savedPushes
	Guesses      savedGuesses
	Replays      []savedReplay

	approvals [][]savedApproval // they follow, some at a time, up to none
}

type savedApproval struct {
	ApprovalKey
	Factor   Factor
	At, Used int64 // Unix time, in nanoseconds
	Lifetime time.Duration
	Uses     int
}

type savedChallenge struct {
	State string
	OpenChallenge
}

type savedReplay struct {
	Request RequestDigest
	replayMark
}

const (
	maxSnapshot = 1 << 28         // octets that Restore reads
	maxSaved    = maxSnapshot / 4 // octets of approvals that Save writes, more or less: those of half a million logins
)

// clockSlack is how far a clock may be set back between two runs.
const clockSlack = time.Minute

// Save writes what survives a restart: approvals, challenges, what the guard counted, and the transactions that a user's
// next try may join. It holds secrets: w must encrypt.
//
// Transactions come first: one that ends meanwhile is asked again after a restart, and no approval is saved that a report
// of fraud has taken away.
func (m *Memory) Save(w io.Writer) error {
	s := snapshot{Written: time.Now(), DigestKey: m.digest.key}
	s.Transactions = m.transactions.save()
	s.Challenges = m.challenges.save()
	s.Replays = m.replays.save()
	m.guard.save(&s)
	out := gob.NewEncoder(w)
	write := func(list []savedApproval) error { return out.Encode(list) }
	err := out.Encode(s)
	if err == nil {
		err = m.approvals.save(write)
	}
	if err == nil {
		err = write(nil)
	}
	if err != nil {
		return fmt.Errorf("policy: encode what is remembered: %w", err)
	}
	return nil
}

// Restore puts what Save wrote into m, which nobody uses yet. A transaction that was live is asked for its answer by
// the SecondFactor of its Duo application; nil for one that is no more. After an error nobody is remembered. What lies
// in the future was written by a clock that was wrong: it counts against a user, but for none.
func (m *Memory) Restore(r io.Reader, second func(application string) SecondFactor, limit PushLimits) error {
	s, err := decode(r)
	if err != nil {
		return fmt.Errorf("policy: decode what was remembered: %w", err)
	}
	now := time.Now()
	m.guard.restore(s, limit, now)
	if s.Written.After(now.Add(clockSlack)) {
		return errors.New("policy: what was remembered is of a later time than now")
	}
	if !m.shared {
		m.digest.key = s.DigestKey
	}
	for _, list := range s.approvals {
		m.approvals.restore(list, now)
	}
	m.restoreTransactions(s.Transactions, second, limit, now)
	m.challenges.restore(s.Challenges, now)
	m.replays.restore(s.Replays, now)
	return nil
}

// decode takes a panic for a wrong form: encoding/gob promises nothing for what another wrote.
func decode(r io.Reader) (s *snapshot, err error) {
	defer func() {
		if p := recover(); p != nil {
			s, err = nil, panicError{p}
		}
	}()
	in := gob.NewDecoder(io.LimitReader(r, maxSnapshot))
	s = new(snapshot)
	if err := in.Decode(s); err != nil {
		return nil, err
	}
	for {
		var list []savedApproval
		if err := in.Decode(&list); err != nil {
			return nil, err
		}
		if len(list) == 0 {
			return s, nil
		}
		s.approvals = append(s.approvals, list)
	}
}

// earlier returns t, or limit where t is later than that.
func earlier(t, limit time.Time) time.Time {
	if t.After(limit) {
		return limit
	}
	return t
}

// save hands the approvals to write, some at a time, the least recently used first; of too many it leaves those out. It
// holds up no login for long.
func (a *localApprovals) save(write func([]savedApproval) error) error {
	a.mu.Lock()
	keys := a.lru.Keys()
	a.mu.Unlock()
	now, from := time.Now(), len(keys)
	for room := maxSaved; from > 0; from-- {
		if room -= keys[from-1].size(); room < 0 {
			break
		}
	}
	list := make([]savedApproval, 0, listedAtOnce)
	for some := range slices.Chunk(keys[from:], listedAtOnce) {
		if list = a.appendSaved(list[:0], some, now); len(list) == 0 {
			continue
		}
		if err := write(list); err != nil {
			return err
		}
	}
	return nil
}

// size is what an approval takes in a snapshot, more or less.
func (k ApprovalKey) size() int {
	return 80 + len(k.User) + len(k.Duo.UserID) + len(k.Duo.Username) + len(k.Application) + len(k.Service) + len(k.Client)
}

func (a *localApprovals) appendSaved(list []savedApproval, keys []ApprovalKey, now time.Time) []savedApproval {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, key := range keys {
		got, ok := a.lru.Peek(key)
		if !ok || passed(got.at, now, got.lifetime) {
			continue
		}
		list = append(list, savedApproval{key, got.factor, got.at.UnixNano(), got.used.UnixNano(), got.lifetime, got.uses})
	}
	return list
}

func (a *localApprovals) restore(list []savedApproval, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range list {
		at, used := time.Unix(0, s.At), time.Unix(0, s.Used)
		if s.Factor == "" || at.After(now.Add(clockSlack)) || passed(at, now, s.Lifetime) {
			continue // an older version did not say by which factor it was earned
		}
		// From now on they age by the monotonic clock too, which nobody sets.
		at, used = now.Add(-max(now.Sub(at), 0)), now.Add(-max(now.Sub(used), 0))
		a.lru.Add(s.ApprovalKey, &approval{person: Fold(s.User), factor: s.Factor, at: at, lifetime: s.Lifetime, used: used, uses: s.Uses})
	}
}

func (cs *localChallenges) save() (list []savedChallenge) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.all(func(state string, c *OpenChallenge) { list = append(list, savedChallenge{state, *c}) })
	return list
}

func (cs *localChallenges) restore(list []savedChallenge, now time.Time) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for _, s := range list {
		if now.Before(s.Ends) && !s.Ends.After(now.Add(challengeLife+clockSlack)) {
			cs.add(s.State, &s.OpenChallenge)
		}
	}
}

func (r *localReplays) save() (list []savedReplay) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, request := range r.marks.Keys() {
		if m, ok := r.marks.Peek(request); ok {
			list = append(list, savedReplay{request, m})
		}
	}
	return list
}

func (r *localReplays) restore(list []savedReplay, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range list {
		s.At = earlier(s.At, now)
		r.marks.Add(s.Request, s.replayMark)
	}
}
