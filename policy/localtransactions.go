package policy

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// lateAnswer is how long the answer of a transaction that nobody waited for any more is kept for the user's next try.
	lateAnswer = 30 * time.Second

	// ringingTime is how long a phone rings on when nobody hears of its answer (https://duo.com/docs/authapi: 60 seconds).
	ringingTime = time.Minute

	// maxTransactions bounds what abandoned logins leave behind for the rest of a minute.
	maxTransactions = 1 << 15
)

var (
	errTooMany         = fmt.Errorf("%w: too many transactions are live", ErrUnavailable)
	errTransactionGone = errors.New("policy: nothing is known of this transaction any more")
)

// localTransactions is Transactions inside this process.
type localTransactions struct {
	changes *atomic.Uint64
	repeats time.Duration // how long an answer is given again; tests set 0

	mu      sync.Mutex // guards all below, and what is in the transactions
	byID    map[TransactionID]*localTransaction
	byKey   map[JoinKey]joinable
	ringing map[ringKey]*localTransaction // at most one of each at a time
	live    int                           // transactions that are not over
	joins   uint64
}

// localTransaction is a Transaction and what else this process knows of it.
type localTransaction struct {
	Transaction
	keys     []JoinKey     // under which it can be joined
	failure  error         // instead of Result
	given    time.Time     // when the first was given the answer; zero: nobody was
	repeated bool          // another was given the same allow again
	done     chan struct{} // closed when Result and failure are final
}

// joinable is a transaction as the logins of one key join it.
type joinable struct {
	*localTransaction
	account Account // what the first factor of the login with this key said
}

// ringKey is one key of a phone, and whether it rings or receives codes by SMS.
type ringKey struct {
	phone string
	sms   bool
}

func ringKeys(p Phone, sms bool) (keys [2]ringKey) {
	for i, key := range p.Keys() {
		keys[i] = ringKey{key, sms}
	}
	return keys
}

func (t *localTransaction) ringKeys() [2]ringKey { return ringKeys(t.Phone, t.Factor == FactorSMS) }

func newLocalTransactions(changes *atomic.Uint64) *localTransactions {
	return &localTransactions{
		changes: changes,
		repeats: lateAnswer,
		byID:    make(map[TransactionID]*localTransaction),
		byKey:   make(map[JoinKey]joinable),
		ringing: make(map[ringKey]*localTransaction),
	}
}

// Find implements Transactions.
func (ts *localTransactions) Find(_ context.Context, key JoinKey, began time.Time) (Join, bool, error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	found, repeated, ok := ts.find(key, began)
	if !ok {
		return Join{}, false, nil
	}
	return Join{found.Transaction, found.account, repeated}, true, nil
}

// find is called with mu held. repeated says that the answer was given to another login before. An allow is given once
// more, because the reply to the first may be lost; the user's no answers all who ask soon.
func (ts *localTransactions) find(key JoinKey, began time.Time) (found joinable, repeated, ok bool) {
	t, ok := ts.byKey[key]
	now := time.Now()
	switch {
	case !ok:
		return joinable{}, false, false
	case !t.over() || began.Before(t.Ended): // a login and its retries, however long each waited for preauth
	case t.failure != nil:
		return joinable{}, false, false
	case t.given.IsZero() && now.Sub(t.Ended) < lateAnswer && t.Result.Status != "timeout":
		t.given = now
	case !ts.repeatable(t.localTransaction, now):
		return joinable{}, false, false
	default:
		repeated, t.repeated = true, true
	}
	ts.joins++
	return t, repeated, true
}

// repeatable reports, with mu held, whether the answer may be given again.
func (ts *localTransactions) repeatable(t *localTransaction, now time.Time) bool {
	if t.given.IsZero() || now.Sub(t.given) >= ts.repeats || !t.Factor.rings() || !t.Fresh {
		return false
	}
	switch t.Result.Status {
	case "allow":
		return t.Result.Allowed && !t.repeated
	case "deny", "fraud":
		return !t.Result.Allowed
	}
	return false
}

// endRepeats takes care that no allow of these phones is given to another login: their approvals are forgotten.
func (ts *localTransactions) endRepeats(which func(Phone) bool) {
	if ts == nil {
		return
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for _, t := range ts.byID {
		if t.over() && t.Result.Allowed && which(t.Phone) {
			if t.given.IsZero() {
				t.given = t.Ended
			}
			t.repeated = true
		}
	}
	ts.changes.Add(1)
}

// Rings implements Transactions.
func (ts *localTransactions) Rings(_ context.Context, p Phone, began time.Time) (bool, error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return ts.rings(ringKeys(p, false), began), nil
}

// rings is called with mu held.
func (ts *localTransactions) rings(keys [2]ringKey, began time.Time) bool {
	for _, key := range keys {
		t := ts.ringing[key]
		if t != nil && (!t.over() || began.Before(t.Ended) || time.Now().Before(t.Quiet)) {
			return true
		}
	}
	return false
}

// Claim implements Transactions.
func (ts *localTransactions) Claim(_ context.Context, n NewTransaction) (Transaction, Claim, error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t, repeated, ok := ts.find(n.Key, n.LoginBegan); ok && !repeated {
		return t.Transaction, ClaimJoined, nil
	}
	t := &localTransaction{Transaction: n.Transaction, done: make(chan struct{})}
	if t.Factor.reachesPhone() && ts.rings(t.ringKeys(), n.LoginBegan) {
		return Transaction{}, ClaimPhoneRings, nil
	}
	if ts.live >= maxTransactions {
		return Transaction{}, 0, errTooMany
	}
	if t.ID == "" {
		t.ID, t.Start = TransactionID(rand.Text()), time.Now()
	}
	ts.live++
	ts.byID[t.ID] = t
	ts.addKey(t, n.Key, n.Account)
	if t.Factor.reachesPhone() {
		ts.rung(t)
	}
	ts.changes.Add(1)
	return t.Transaction, ClaimOwned, nil
}

// Own implements Transactions: nobody else can take over what is in this process.
func (ts *localTransactions) Own(ctx context.Context, _ TransactionID) context.Context { return ctx }

// rung is called with mu held.
func (ts *localTransactions) rung(t *localTransaction) {
	for _, key := range t.ringKeys() {
		ts.ringing[key] = t
	}
}

// AddKey implements Transactions.
func (ts *localTransactions) AddKey(_ context.Context, id TransactionID, key JoinKey, account Account) error {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t := ts.byID[id]; t != nil && !t.over() {
		ts.addKey(t, key, account)
		ts.changes.Add(1)
	}
	return nil
}

// addKey is called with mu held. Without the user's address nobody can join.
func (ts *localTransactions) addKey(t *localTransaction, key JoinKey, account Account) {
	if key.IP.IsValid() {
		ts.byKey[key] = joinable{t, account}
		t.keys = append(t.keys, key)
	}
}

// Started implements Transactions.
func (ts *localTransactions) Started(_ context.Context, id TransactionID, txid string) error {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t := ts.byID[id]; t != nil {
		t.Txid, t.Began = txid, true
		ts.changes.Add(1)
	}
	return nil
}

// Finish implements Transactions.
func (ts *localTransactions) Finish(_ context.Context, id TransactionID, result AuthResult, failure error) error {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t := ts.byID[id]
	if t == nil || t.over() {
		return nil
	}
	t.Result, t.failure, t.Ended = result, failure, time.Now()
	if result.Txid != "" {
		t.Txid = result.Txid
	}
	if failure != nil && t.Factor.rings() && !t.neverBegan() {
		t.Quiet = t.Start.Add(ringingTime)
	}
	close(t.done)
	ts.live--
	ts.forgetAfter(t, ts.keptUntil(t).Sub(t.Ended))
	ts.changes.Add(1)
	return nil
}

// Wait implements Transactions. The answer is given to everybody who waits for it, else to the first who comes soon.
func (ts *localTransactions) Wait(ctx context.Context, id TransactionID, givenUp func() bool) (AuthResult, error) {
	ts.mu.Lock()
	t := ts.byID[id]
	ts.mu.Unlock()
	if t == nil {
		return AuthResult{}, errTransactionGone
	}
	select {
	case <-t.done:
	case <-ctx.Done():
	}
	heard := givenUp == nil || !givenUp()
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if !t.over() {
		return AuthResult{Txid: t.Txid}, context.Cause(ctx)
	}
	if context.Cause(ctx) == ErrAbandoned { // nobody hears this login's answer: it is left for the next
		return AuthResult{Txid: t.Txid}, ErrAbandoned
	}
	if t.given.IsZero() && heard {
		t.given = time.Now()
		ts.changes.Add(1)
	}
	return t.Result, t.failure
}

// Get implements Transactions.
func (ts *localTransactions) Get(_ context.Context, id TransactionID) (Transaction, bool, error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t := ts.byID[id]
	if t == nil {
		return Transaction{}, false, nil
	}
	return t.Transaction, true, nil
}

func (t *localTransaction) over() bool {
	select {
	case <-t.done:
		return true
	default:
		return false
	}
}

// neverBegan reports whether Duo said so itself; when its answer is lost the phone may ring all the same.
func (t *localTransaction) neverBegan() bool {
	return !t.Began && (errors.Is(t.failure, ErrRefused) || errors.Is(t.failure, ErrMisconfigured))
}

func (ts *localTransactions) forgetAfter(t *localTransaction, after time.Duration) {
	time.AfterFunc(after, func() {
		ts.mu.Lock()
		defer ts.mu.Unlock()
		ts.forget(t)
	})
}

// forget is called with mu held.
func (ts *localTransactions) forget(t *localTransaction) {
	delete(ts.byID, t.ID)
	for _, key := range t.keys {
		if ts.byKey[key].localTransaction == t {
			delete(ts.byKey, key)
		}
	}
	for _, key := range t.ringKeys() {
		if ts.ringing[key] == t {
			delete(ts.ringing, key)
		}
	}
}

func (ts *localTransactions) counts() Counts {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return Counts{Transactions: ts.live, Joins: ts.joins}
}
