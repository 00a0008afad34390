package policy

import (
	"context"
	"fmt"
	"net/netip"
	"time"
)

type savedTransaction struct {
	User         Identity
	Application  string
	Name         string // for the report of fraud
	Factor       Factor
	Code, Txid   string
	Began        bool
	Rings        bool // nothing else rings this phone
	Keys         []savedKey
	Start, Ended time.Time // Ended is zero while it is live
	Quiet        time.Time
	Result       AuthResult
	Failed       bool // its answer is an error
}

type savedKey struct {
	Client, User string
	Application  string
	Duo          Identity
	IP           netip.Addr
	Digest       [32]byte
	Account      Account
}

// askedLate is how long after its start a transaction is still asked for its answer: a user may have reported it as
// fraud while nobody listened. lateLimit is how long Duo may take to tell.
const (
	askedLate = time.Hour
	lateLimit = 10 * time.Second
)

var errRestarted = fmt.Errorf("%w: the daemon was restarted before Duo named the transaction", ErrUnavailable)

// saveTransactions saves each transaction that a login of the next run could join or that keeps a phone ringing, and
// returns their places.
func (m *Memory) saveTransactions(s *snapshot) map[*transaction]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.Transactions = make([]savedTransaction, 0, m.running+len(m.ringing))
	places := make(map[*transaction]int, cap(s.Transactions))
	now := time.Now()
	add := func(t *transaction) {
		if over := t.over() && (t.taken || t.err != nil) && !now.Before(t.quiet); !over && places[t] == 0 {
			s.Transactions = append(s.Transactions, m.saveTransaction(t))
			places[t] = len(s.Transactions)
		}
	}
	for _, s := range m.live {
		add(s.transaction)
	}
	for _, t := range m.ringing {
		add(t)
	}
	return places
}

func (m *Memory) saveTransaction(t *transaction) savedTransaction {
	saved := savedTransaction{User: t.user, Application: t.at, Name: t.name, Factor: t.factor, Code: t.code, Txid: t.txid,
		Began: t.began, Rings: m.ringing[t.bell()] == t, Start: t.start, Ended: t.ended, Quiet: t.quiet,
		Result: t.result, Failed: t.err != nil}
	for _, key := range t.keys {
		if s := m.live[key]; s.transaction == t { // no later one has it
			k := key.save()
			k.Account = s.account
			saved.Keys = append(saved.Keys, k)
		}
	}
	return saved
}

func (k joinKey) save() savedKey {
	return savedKey{Client: k.client, Application: k.at, User: k.user, Duo: k.duo, IP: k.ip, Digest: k.digest}
}

func (k savedKey) restore() joinKey {
	return joinKey{client: k.Client, at: k.Application, user: k.User, duo: k.Duo, ip: k.IP, digest: k.Digest}
}

func (m *Memory) restoreTransactions(saved []savedTransaction, second func(string) SecondFactor, limit PushGuard, now time.Time) (list []*transaction) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range saved {
		t := &transaction{user: s.User, at: s.Application, name: s.Name, factor: s.Factor, code: s.Code, txid: s.Txid,
			began: s.Began, start: earlier(s.Start, now), ended: earlier(s.Ended, now), quiet: earlier(s.Quiet, now.Add(ringLife)),
			result: s.Result, done: make(chan struct{})}
		list = append(list, t)
		if t.ended.IsZero() && t.age(now) < ringLife || !t.ended.IsZero() && now.Before(t.kept()) {
			m.reseat(t, s) // an answer older than grace is no login's any more
		}
		ask := second(t.at)
		if !t.ended.IsZero() || !t.began || ask == nil || t.age(now) >= askedLate {
			m.settle(t, s.Failed, now)
			continue
		}
		within := transactionLimit
		if t.age(now) >= ringLife {
			within = lateLimit
		}
		m.running++
		r := &AuthRequest{User: t.user, Name: t.name, Factor: t.factor, Began: t.txid}
		m.wg.Go(func() {
			ctx, cancel := context.WithTimeout(m.ctx, within)
			defer cancel()
			result, err := auth(ctx, ask, r)
			m.end(t, limit, &result, err)
		})
	}
	return list
}

// reseat lets logins join t again, with mu held, and its phone ring.
func (m *Memory) reseat(t *transaction, s savedTransaction) {
	for _, key := range s.Keys {
		m.enlist(key.restore(), seat{t, key.Account})
	}
	if s.Rings && t.factor.bothers() {
		m.ringing[t.bell()] = t
	}
}

// settle ends, with mu held, a transaction whose answer is known already, or never will be.
func (m *Memory) settle(t *transaction, failed bool, now time.Time) {
	if t.ended.IsZero() {
		t.ended, failed = now, true
		if t.factor.rings() {
			t.quiet = t.start.Add(ringLife)
		}
	}
	if failed {
		t.err = errRestarted
	}
	close(t.done)
	m.forgetLater(t, t.kept().Sub(now))
}

func (t *transaction) age(now time.Time) time.Duration { return now.Sub(t.start) }

// kept returns, with Memory.mu held, until when something must be known of a transaction that is over.
func (t *transaction) kept() time.Time {
	if until := t.ended.Add(grace); !until.Before(t.quiet) {
		return until
	}
	return t.quiet
}
