package policy

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// grace is how long the answer of a transaction that nobody waited for any more is kept for the user's next try.
const grace = 30 * time.Second

// ringLife is how long a phone rings on when nobody hears of its answer (https://duo.com/docs/authapi: 60 seconds).
const ringLife = time.Minute

// maxTransactions bounds what abandoned logins leave behind for the rest of a minute.
const maxTransactions = 1 << 15

var errTooMany = fmt.Errorf("%w: too many transactions are live", ErrUnavailable)

// joinKey is what a login must share with a live transaction to be answered by it: a retry with a new Identifier or
// from a new port, or another try after the client gave up. Never another password, another address, another client.
type joinKey struct {
	client string
	at     string // the Duo application
	user   string
	duo    Identity
	ip     netip.Addr
	digest [sha256.Size]byte // of State, method and the whole password field, keyed
}

// seat is a login's place at a transaction, so that its client's next copy finds it.
type seat struct {
	*transaction
	account Account // what its first factor said, where the copy can't ask again: its State is used
}

// bell is what a transaction rings at a Duo user's: the phone, or the arrival of codes by SMS.
type bell struct {
	user Identity
	sms  bool
}

// transaction is one call of SecondFactor.Auth and all the logins that wait for its answer.
type transaction struct {
	user   Identity
	at     string // the Duo application
	name   string // the user's canonical name
	factor Factor
	code   string        // of a Verified Push, for the phone
	done   chan struct{} // closed when result and err are final

	// Guarded by Memory.mu:
	keys   []joinKey // under which it is live
	txid   string
	began  bool // at Duo
	result AuthResult
	err    error
	start  time.Time
	ended  time.Time
	quiet  time.Time // when the phone is silent for sure; zero: it was when the transaction ended
	taken  bool      // somebody was given the answer

	waiting map[*login]func() // to be called when it is over
}

func (t *transaction) bell() bell { return bell{t.user, t.factor == SMS} }

func (t *transaction) over() bool {
	select {
	case <-t.done:
		return true
	default:
		return false
	}
}

// join returns the transaction that answers a login of key that began at since, if there is one, and whether another
// one rings duo's phone.
func (m *Memory) join(key *joinKey, duo Identity, since time.Time) (t *transaction, account Account, ringing bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.claim(key, since); s.transaction != nil {
		m.joins++
		return s.transaction, s.account, false
	}
	return nil, Account{}, m.rings(bell{user: duo}, since)
}

// claim is called with mu held. A transaction that is over answers those logins that began before its end: they are one
// login and its retries, however long each waited for preauth. Of those that began later it answers one, if nobody else
// was given its answer.
func (m *Memory) claim(key *joinKey, since time.Time) seat {
	t := m.live[*key]
	if t.transaction == nil || !t.over() || since.Before(t.ended) {
		return t
	}
	if t.taken || t.err != nil || t.result.Status == "timeout" {
		return seat{}
	}
	t.taken = true
	return t
}

// rings reports, with mu held, whether b rings for all that we know, or rang when the login that asks had begun already.
func (m *Memory) rings(b bell, since time.Time) bool {
	t := m.ringing[b]
	return t != nil && (!t.over() || since.Before(t.ended) || time.Now().Before(t.quiet))
}

// begin starts a transaction, unless one for the same key or the same phone began since join looked. Without an
// address in key nobody can join it. After Close it returns one that is over.
func (m *Memory) begin(key *joinKey, second SecondFactor, r *AuthRequest, limit PushGuard, account Account, since time.Time) (t *transaction, ringing bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t = m.claim(key, since).transaction; t != nil {
		m.joins++
		return t, false
	}
	b := bell{r.User, r.Factor == SMS}
	if r.Factor.bothers() && m.rings(b, since) {
		return nil, true
	}
	t = &transaction{user: r.User, at: key.at, name: r.Name, factor: r.Factor, code: r.code, txid: r.Txid, done: make(chan struct{}), start: time.Now()}
	if t.err = m.ctx.Err(); t.err == nil && m.running >= maxTransactions {
		t.err = errTooMany
	}
	if t.err != nil {
		close(t.done)
		return t, false
	}
	m.running++
	m.enlist(*key, seat{t, account})
	if r.Factor.bothers() {
		m.ringing[b] = t
	}
	r.Started = func(txid string) {
		m.mu.Lock()
		defer m.mu.Unlock()
		t.txid, t.began = txid, true
		m.changes.Add(1)
	}
	ctx := m.enterSpan(t.start)
	// It outlives the request that began it: the phone rings on when a client gives up, and its next try is answered by
	// the same push.
	m.crew.Go(func() {
		result, err := auth(ctx, second, r)
		m.end(t, limit, &result, err)
		m.leaveSpan(ctx)
	})
	return t, false
}

// end says what became of a transaction, to all who wait for it. Inlined, it would be on each waiting push's stack.
//
//go:noinline
func (m *Memory) end(t *transaction, limit PushGuard, result *AuthResult, err error) {
	m.count(t, *result, err, limit)
	if result.Status == "fraud" && m.OnFraud != nil {
		m.OnFraud(t.name, result.Txid)
	}
	for _, f := range m.over(t, *result, err) {
		f()
	}
}

// over ends t and returns what is to be called now.
func (m *Memory) over(t *transaction, result AuthResult, err error) (waiting map[*login]func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.changes.Add(1)
	t.result, t.err = result, err
	if result.Txid != "" {
		t.txid = result.Txid
	}
	t.ended = time.Now()
	if err != nil && t.factor.rings() && !t.neverBegan() {
		t.quiet = t.start.Add(ringLife)
	}
	close(t.done)
	m.running--
	m.forgetLater(t, max(grace, time.Until(t.quiet)))
	waiting, t.waiting = t.waiting, nil
	return waiting
}

// count draws from an answer what holds for the user's other logins. It is done when the transaction is over, and when
// OnFraud is called: what is saved then must know of it.
func (m *Memory) count(t *transaction, result AuthResult, err error, limit PushGuard) {
	m.mu.Lock()
	defer m.mu.Unlock()
	// What Duo never began rang no phone: an outage is nobody's push bombing.
	if t.factor.bothers() && m.ctx.Err() == nil && (err == nil || t.began) {
		m.guard.rung(t.user, result.Status, limit, time.Now())
	}
	if result.Status == "fraud" || result.Status == "locked_out" {
		m.Approvals.forget(t.user)
	}
}

func (m *Memory) forgetLater(t *transaction, after time.Duration) {
	time.AfterFunc(after, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.forget(t)
	})
}

// neverBegan reports whether Duo said so itself; when its answer is lost the phone may ring all the same.
func (t *transaction) neverBegan() bool {
	return !t.began && (errors.Is(t.err, ErrRefused) || errors.Is(t.err, ErrMisconfigured))
}

// enlist lets key join a transaction. It is called with mu held.
func (m *Memory) enlist(key joinKey, s seat) {
	if key.ip.IsValid() {
		m.live[key] = s
		s.keys = append(s.keys, key)
	}
}

// txid returns what is known of the transaction's ID so far.
func (m *Memory) txid(t *transaction) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return t.txid
}

// alsoFor lets key join t as well, while it is not over.
func (m *Memory) alsoFor(key joinKey, t *transaction, account Account) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !t.over() {
		m.enlist(key, seat{t, account})
	}
}

// forget is called with mu held.
func (m *Memory) forget(t *transaction) {
	for _, key := range t.keys {
		if m.live[key].transaction == t {
			delete(m.live, key)
		}
	}
	if b := t.bell(); m.ringing[b] == t {
		delete(m.ringing, b)
	}
}

// whenOver has f called once t is over: now, or by who ends it.
func (m *Memory) whenOver(t *transaction, l *login, f func()) {
	m.mu.Lock()
	over := t.over()
	if !over {
		if t.waiting == nil {
			t.waiting = make(map[*login]func(), 1)
		}
		t.waiting[l] = f
	}
	m.mu.Unlock()
	if over {
		f()
	}
}

// notWaiting forgets a login that t's end need not be told to: a push rings on for a minute, whoever gave up.
func (m *Memory) notWaiting(t *transaction, l *login) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(t.waiting, l)
}

// answer returns t's answer, or ctx's error when the login must be answered first. The answer of a transaction is given
// to everybody who waited for it, else to the first who comes within grace.
func (m *Memory) answer(ctx context.Context, t *transaction) (AuthResult, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !t.over() {
		return AuthResult{Txid: t.txid}, context.Cause(ctx)
	}
	if context.Cause(ctx) == ErrAbandoned {
		return AuthResult{Txid: t.txid}, ErrAbandoned // nobody hears this login's answer: leave it for the next
	}
	t.taken = true
	return t.result, t.err
}

// auth makes a SecondFactor's panic an error: it runs outside the request that would otherwise recover it.
func auth(ctx context.Context, second SecondFactor, r *AuthRequest) (result AuthResult, err error) {
	defer func() {
		if p := recover(); p != nil {
			result, err = AuthResult{}, panicError{p}
		}
	}()
	return second.Auth(ctx, r)
}
