package policy

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// snapshot is what of a Memory survives a restart. It holds what a login is half-way with, a typed passcode perhaps, and
// the key of the digests: whoever keeps it must encrypt it.
type snapshot struct {
	Written      time.Time
	DigestKey    [32]byte
	Approvals    []savedApproval // the least recently used first, as in all lists of an LRU
	Transactions []savedTransaction
	Challenges   []savedChallenge
	Pushes       []savedPushes
	Users        []savedSpent[string]
	Addresses    []savedSpent[netip.Prefix]
}

type savedApproval struct {
	User, Service, Client string
	Duo                   Identity
	IP                    netip.Addr
	At, Used              time.Time
	Lifetime              time.Duration
	Uses                  int
}

type savedTransaction struct {
	User         Identity
	Name         string // for the report of fraud
	Factor       Factor
	Code, Txid   string
	Keys         []savedKey
	Start, Ended time.Time // Ended is zero while it is live
	Quiet        time.Time
	Taken        bool
	Result       AuthResult
	Failed       bool // its answer is an error
}

type savedKey struct {
	Client, User string
	Duo          Identity
	IP           netip.Addr
	Digest       [32]byte
	Account      Account
}

type savedChallenge struct {
	State, Client, User string
	Duo                 Identity
	UserIP              netip.Addr
	Authentic           bool
	Account             Account
	First               *savedRound
	Origin              savedKey
	Options             []savedOption
	Wrong, Rounds       int
	Pushed              int // the transaction's place in Transactions, from 1; 0: none
	Ends                time.Time
}

type savedRound struct {
	Method Method
	State  string
	Asked  savedTyped
	Rounds int
}

type savedTyped struct {
	Factor   Factor
	Device   int
	DeviceID string
	Code     string
}

type savedOption struct {
	Factor Factor
	Device Device
}

type savedPushes struct {
	User   Identity
	Failed []time.Time
	Until  time.Time
}

type savedSpent[K comparable] struct {
	Key     K
	Settled time.Time
}

// maxSnapshot bounds what Restore reads: a hundred thousand approvals take some ten megabytes.
const maxSnapshot = 1 << 28

// Save writes what survives a restart: approvals, challenges, what the guard counted, and the transactions that a user's
// next try may join. It holds secrets: w must encrypt.
func (m *Memory) Save(w io.Writer) error {
	s := snapshot{Written: time.Now(), DigestKey: m.digestKey, Approvals: m.Approvals.save()}
	places := m.saveTransactions(&s)
	s.Challenges = m.challenges.save(places)
	m.guard.save(&s)
	if err := gob.NewEncoder(w).Encode(s); err != nil {
		return fmt.Errorf("policy: encode what is remembered: %w", err)
	}
	return nil
}

// Restore puts what Save wrote into m, which nobody uses yet. A transaction that was live is asked for its answer by
// the SecondFactor of its client; nil for one that is no more. What lies in the future was written by a clock that was
// wrong, and does not count.
func (m *Memory) Restore(r io.Reader, second func(client string) SecondFactor, limit PushGuard) error {
	var s snapshot
	if err := gob.NewDecoder(io.LimitReader(r, maxSnapshot)).Decode(&s); err != nil {
		return fmt.Errorf("policy: decode what was remembered: %w", err)
	}
	now := time.Now()
	if s.Written.After(now.Add(clockSlack)) {
		return errors.New("policy: what was remembered is of a later time than now")
	}
	m.digestKey = s.DigestKey
	m.Approvals.restore(s.Approvals, now)
	list := m.restoreTransactions(s.Transactions, second, limit, now)
	m.challenges.restore(s.Challenges, list, now)
	m.guard.restore(&s)
	return nil
}

// clockSlack is how far a clock may be set back between two runs.
const clockSlack = time.Minute

func (a *Approvals) save() (list []savedApproval) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	for _, key := range a.lru.Keys() {
		got, ok := a.lru.Peek(key)
		if !ok || passed(got.at, now, got.lifetime) {
			continue
		}
		list = append(list, savedApproval{User: key.user, Service: key.service, Client: key.client, Duo: key.duo, IP: key.ip,
			At: got.at, Used: got.used, Lifetime: got.lifetime, Uses: got.uses})
	}
	return list
}

func (a *Approvals) restore(list []savedApproval, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range list {
		if s.At.After(now.Add(clockSlack)) || passed(s.At, now, s.Lifetime) {
			continue
		}
		key := approvalKey{user: s.User, duo: s.Duo, service: s.Service, client: s.Client, ip: s.IP}
		a.lru.Add(key, &approval{at: s.At, lifetime: s.Lifetime, used: s.Used, uses: s.Uses})
	}
}

// saveTransactions saves each transaction that a login could still join or that keeps a phone ringing, and returns
// their places.
func (m *Memory) saveTransactions(s *snapshot) map[*transaction]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	places := make(map[*transaction]int)
	add := func(t *transaction) {
		if places[t] != 0 {
			return
		}
		saved := savedTransaction{User: t.user, Name: t.name, Factor: t.factor, Code: t.code, Txid: t.txid,
			Start: t.start, Ended: t.ended, Quiet: t.quiet, Taken: t.taken, Result: t.result, Failed: t.err != nil}
		for _, key := range t.keys {
			k := key.save()
			k.Account = m.live[key].account
			saved.Keys = append(saved.Keys, k)
		}
		s.Transactions = append(s.Transactions, saved)
		places[t] = len(s.Transactions)
	}
	for _, s := range m.live {
		add(s.transaction)
	}
	for _, t := range m.ringing {
		add(t)
	}
	return places
}

func (k joinKey) save() savedKey {
	return savedKey{Client: k.client, User: k.user, Duo: k.duo, IP: k.ip, Digest: k.digest}
}

func (k savedKey) restore() joinKey { return joinKey{k.Client, k.User, k.Duo, k.IP, k.Digest} }

var errRestarted = fmt.Errorf("%w: the daemon was restarted before Duo named the transaction", ErrUnavailable)

func (m *Memory) restoreTransactions(saved []savedTransaction, second func(string) SecondFactor, limit PushGuard, now time.Time) (list []*transaction) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range saved {
		t := &transaction{user: s.User, name: s.Name, factor: s.Factor, code: s.Code, txid: s.Txid,
			began: s.Txid != "", start: s.Start, ended: s.Ended, quiet: s.Quiet, taken: s.Taken, result: s.Result,
			done: make(chan struct{})}
		for _, key := range s.Keys {
			m.enlist(key.restore(), seat{t, key.Account})
		}
		if t.factor.bothers() {
			m.ringing[bell{t.user, t.factor == SMS}] = t
		}
		list = append(list, t)
		var ask SecondFactor
		if len(s.Keys) > 0 {
			ask = second(s.Keys[0].Client)
		}
		if t.ended.IsZero() && t.began && ask != nil && now.Before(t.start.Add(ringLife)) {
			m.running++
			r := AuthRequest{User: t.user, Name: t.name, Factor: t.factor, Began: t.txid}
			m.wg.Go(func() { m.run(t, ask, r, limit) })
			continue
		}
		m.settle(t, s.Failed, now)
	}
	return list
}

// settle ends, with mu held, a transaction whose answer is known already, or never will be.
func (m *Memory) settle(t *transaction, failed bool, now time.Time) {
	if t.ended.IsZero() {
		t.ended, failed = now, true
		t.quiet = t.start.Add(ringLife)
	}
	if failed {
		t.err = errRestarted
	}
	close(t.done)
	m.forgetLater(t, max(t.ended.Add(grace).Sub(now), t.quiet.Sub(now)))
}

func (cs *challenges) save(places map[*transaction]int) (list []savedChallenge) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for _, state := range cs.lru.Keys() {
		c, ok := cs.lru.Peek(state)
		if !ok {
			continue
		}
		saved := savedChallenge{State: state, Client: c.client, User: c.user, Duo: c.duo, UserIP: c.userIP, Authentic: c.authentic,
			Account: c.account, Origin: c.origin.save(), Wrong: c.wrong, Rounds: c.rounds, Pushed: places[c.pushed], Ends: c.ends}
		if f := c.first; f != nil {
			saved.First = &savedRound{Method: f.method, State: f.state, Rounds: f.rounds,
				Asked: savedTyped{f.asked.factor, f.asked.device, f.asked.deviceID, f.asked.code}}
		}
		for _, o := range c.options {
			saved.Options = append(saved.Options, savedOption{o.factor, o.device})
		}
		list = append(list, saved)
	}
	return list
}

func (cs *challenges) restore(list []savedChallenge, transactions []*transaction, now time.Time) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for _, s := range list {
		if !now.Before(s.Ends) || s.Ends.After(now.Add(challengeLife+clockSlack)) {
			continue
		}
		c := &challenge{client: s.Client, user: s.User, duo: s.Duo, userIP: s.UserIP, authentic: s.Authentic,
			account: s.Account, origin: s.Origin.restore(), wrong: s.Wrong, rounds: s.Rounds, ends: s.Ends}
		if s.Pushed > 0 && s.Pushed <= len(transactions) {
			c.pushed = transactions[s.Pushed-1]
		}
		if f := s.First; f != nil {
			c.first = &firstRound{method: f.Method, state: f.State, rounds: f.Rounds,
				asked: typed{factor: f.Asked.Factor, device: f.Asked.Device, deviceID: f.Asked.DeviceID, code: f.Asked.Code}}
		}
		for _, o := range s.Options {
			c.options = append(c.options, option{o.Factor, o.Device})
		}
		cs.lru.Add(s.State, c)
	}
}

func (g *guard) save(s *snapshot) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, user := range g.pushes.Keys() {
		if r, ok := g.pushes.Peek(user); ok {
			s.Pushes = append(s.Pushes, savedPushes{user, append([]time.Time(nil), r.failed...), r.until})
		}
	}
	s.Users, s.Addresses = saveSpent(g.users), saveSpent(g.addresses)
}

func saveSpent[K comparable](lru *simplelru.LRU[K, time.Time]) (list []savedSpent[K]) {
	for _, key := range lru.Keys() {
		if at, ok := lru.Peek(key); ok && time.Now().Before(at) {
			list = append(list, savedSpent[K]{key, at})
		}
	}
	return list
}

func (g *guard) restore(s *snapshot) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range s.Pushes {
		g.pushes.Add(p.User, &pushRecord{p.Failed, p.Until})
	}
	for _, u := range s.Users {
		g.users.Add(u.Key, u.Settled)
	}
	for _, a := range s.Addresses {
		g.addresses.Add(a.Key, a.Settled)
	}
}
