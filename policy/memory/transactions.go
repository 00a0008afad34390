package memory

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/factor"
)

const (
	// lateAnswer is how long the answer of a transaction is kept for the user's next try, if no login waits for it any more.
	lateAnswer = 30 * time.Second

	// maxTransactions bounds the transactions that abandoned logins leave behind for up to a minute.
	maxTransactions = 1 << 15
)

var (
	errTooMany         = fmt.Errorf("%w: too many transactions are live", policy.ErrUnavailable)
	errTransactionGone = errors.New("nothing is known of this transaction any more")
)

// transactions implements policy.Transactions inside this process.
type transactions struct {
	changes *atomic.Uint64
	repeats time.Duration // how long an answer may be given again; tests set 0

	mu      sync.Mutex // guards the fields below and the transactions themselves
	byID    map[policy.TransactionID]*transaction
	byKey   map[policy.JoinKey]joinable
	ringing map[ringKey]*transaction // each key has at most one transaction
	live    int                      // transactions that are not over
	joins   uint64
}

// transaction is a policy.Transaction with the further data that this process has about it.
type transaction struct {
	policy.Transaction
	phone    [2]ringKey       // the keys of its phone
	keys     []policy.JoinKey // the keys under which logins can join it
	failure  error            // takes the place of Result
	given    time.Time        // when the first login was given the answer; zero means none was
	repeated bool             // another login was given the same allow again
	done     chan struct{}    // closed when Result and failure are final
}

// joinable is a transaction for the logins of one join key.
type joinable struct {
	*transaction
	account policy.Account // what the first factor of the login with this key said
}

// ringKey is one of the keys of a phone, and says whether the phone rings or receives codes by SMS.
type ringKey struct {
	phone string
	sms   bool
}

func ringKeys(p policy.Phone, sms bool) (keys [2]ringKey) {
	for i, key := range p.Keys() {
		keys[i] = ringKey{key, sms}
	}
	return keys
}

func newTransaction(t policy.Transaction) *transaction {
	return &transaction{Transaction: t, phone: ringKeys(t.Phone, t.Factor == factor.SMS), done: make(chan struct{})}
}

func newTransactions(changes *atomic.Uint64) *transactions {
	return &transactions{
		changes: changes,
		repeats: lateAnswer,
		byID:    make(map[policy.TransactionID]*transaction),
		byKey:   make(map[policy.JoinKey]joinable),
		ringing: make(map[ringKey]*transaction),
	}
}

// Find implements Transactions.
func (ts *transactions) Find(_ context.Context, key policy.JoinKey, began time.Time) (policy.Join, bool, error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	found, repeated, ok := ts.find(key, began)
	if !ok {
		return policy.Join{}, false, nil
	}
	return policy.Join{Transaction: found.Transaction, Account: found.account, Repeated: repeated}, true, nil
}

// find finds the transaction that a login joins. repeated says that another login was given the answer before. An allow is
// given once more, because the reply to the first login may be lost. A user's denial is given to everybody who asks soon.
// The caller holds mu.
func (ts *transactions) find(key policy.JoinKey, began time.Time) (found joinable, repeated, ok bool) {
	t, ok := ts.byKey[key]
	now := time.Now()
	switch {
	case !ok:
		return joinable{}, false, false
	case !t.over() || began.Before(t.Ended): // also covers a login and its retries, however long each waited for preauth
	case t.failure != nil:
		return joinable{}, false, false
	case t.given.IsZero() && now.Sub(t.Ended) < lateAnswer && t.Result.Status != "timeout":
		t.given = now
	case !ts.repeatable(t.transaction, now):
		return joinable{}, false, false
	default:
		repeated, t.repeated = true, true
	}
	ts.joins++
	return t, repeated, true
}

// repeatable reports whether the answer may be given again. The caller holds mu.
func (ts *transactions) repeatable(t *transaction, now time.Time) bool {
	if t.given.IsZero() || now.Sub(t.given) >= ts.repeats || !t.Factor.Rings() || !t.Fresh {
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

// endRepeats prevents that an allow of the phones is given to another login, because their approvals have been revoked.
func (ts *transactions) endRepeats(which func(policy.Phone) bool) {
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
			t.repeated, t.Forgotten = true, true
		}
	}
	ts.changes.Add(1)
}

// Rings implements Transactions.
func (ts *transactions) Rings(_ context.Context, p policy.Phone, began time.Time) (bool, error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return ts.rings(ringKeys(p, false), began), nil
}

// rings reports whether a transaction keeps the phone for itself. The caller holds mu.
func (ts *transactions) rings(keys [2]ringKey, began time.Time) bool {
	for _, key := range keys {
		t := ts.ringing[key]
		if t != nil && (!t.over() || began.Before(t.Ended) || time.Now().Before(t.Quiet)) {
			return true
		}
	}
	return false
}

// Claim implements Transactions.
func (ts *transactions) Claim(_ context.Context, n policy.NewTransaction) (policy.Transaction, policy.Claim, error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t, repeated, ok := ts.find(n.Key, n.LoginBegan); ok && !repeated {
		return t.Transaction, policy.ClaimJoined, nil
	}
	t := newTransaction(n.Transaction)
	if t.Factor.ReachesPhone() && ts.rings(t.phone, n.LoginBegan) {
		return policy.Transaction{}, policy.ClaimPhoneRings, nil
	}
	if ts.live >= maxTransactions {
		return policy.Transaction{}, 0, errTooMany
	}
	if t.ID == "" {
		t.ID, t.Start = policy.TransactionID(rand.Text()), time.Now()
	}
	ts.live++
	ts.byID[t.ID] = t
	ts.addKey(t, n.Key, n.Account)
	if t.Factor.ReachesPhone() {
		ts.rung(t)
	}
	ts.changes.Add(1)
	return t.Transaction, policy.ClaimOwned, nil
}

// Own implements policy.Transactions. Nobody else can take over a transaction of this process.
func (ts *transactions) Own(ctx context.Context, _ policy.TransactionID) context.Context { return ctx }

// rung marks the phone of t as ringing. The caller holds mu.
func (ts *transactions) rung(t *transaction) {
	for _, key := range t.phone {
		ts.ringing[key] = t
	}
}

// AddKey implements Transactions.
func (ts *transactions) AddKey(_ context.Context, id policy.TransactionID, key policy.JoinKey, account policy.Account) error {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t := ts.byID[id]; t != nil && !t.over() {
		ts.addKey(t, key, account)
		ts.changes.Add(1)
	}
	return nil
}

// addKey lets logins of a join key join t. Nobody can join if the user's address is unknown. The caller holds mu.
func (ts *transactions) addKey(t *transaction, key policy.JoinKey, account policy.Account) {
	if key.IP.IsValid() {
		ts.byKey[key] = joinable{t, account}
		t.keys = append(t.keys, key)
	}
}

// Started implements Transactions.
func (ts *transactions) Started(_ context.Context, id policy.TransactionID, txid string) error {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t := ts.byID[id]; t != nil {
		t.Txid, t.Began = txid, true
		ts.changes.Add(1)
	}
	return nil
}

// Finish implements Transactions.
func (ts *transactions) Finish(_ context.Context, id policy.TransactionID, result policy.AuthResult, failure error) error {
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
	if failure != nil && t.Factor.Rings() && !t.neverBegan() {
		t.Quiet = t.Start.Add(policy.RingingTime)
	}
	close(t.done)
	ts.live--
	ts.forgetAfter(t, ts.keptUntil(t).Sub(t.Ended))
	ts.changes.Add(1)
	return nil
}

// Wait implements policy.Transactions. The answer is given to every login that waits for it; if none waits, to the first one
// that asks soon.
func (ts *transactions) Wait(ctx context.Context, id policy.TransactionID, givenUp func() bool) (policy.AuthResult, error) {
	ts.mu.Lock()
	t := ts.byID[id]
	ts.mu.Unlock()
	if t == nil {
		return policy.AuthResult{}, errTransactionGone
	}
	select {
	case <-t.done:
	case <-ctx.Done():
	}
	heard := givenUp == nil || !givenUp()
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if !t.over() {
		return policy.AuthResult{Txid: t.Txid}, context.Cause(ctx)
	}
	if context.Cause(ctx) == policy.ErrAbandoned { // this login gets no reply, so the answer is kept for the next one
		return policy.AuthResult{Txid: t.Txid}, policy.ErrAbandoned
	}
	if t.given.IsZero() && heard {
		t.given = time.Now()
		ts.changes.Add(1)
	}
	return t.Result, t.failure
}

// Get implements Transactions.
func (ts *transactions) Get(_ context.Context, id policy.TransactionID) (policy.Transaction, bool, error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t := ts.byID[id]
	if t == nil {
		return policy.Transaction{}, false, nil
	}
	return t.Transaction, true, nil
}

func (t *transaction) over() bool {
	select {
	case <-t.done:
		return true
	default:
		return false
	}
}

// neverBegan reports whether Duo itself said that it did not begin. If Duo's answer is lost, the phone may still ring.
func (t *transaction) neverBegan() bool {
	return !t.Began && (errors.Is(t.failure, policy.ErrRefused) || errors.Is(t.failure, policy.ErrMisconfigured))
}

func (ts *transactions) forgetAfter(t *transaction, after time.Duration) {
	time.AfterFunc(after, func() {
		ts.mu.Lock()
		defer ts.mu.Unlock()
		ts.forget(t)
	})
}

// forget removes a transaction. The caller holds mu.
func (ts *transactions) forget(t *transaction) {
	delete(ts.byID, t.ID)
	for _, key := range t.keys {
		if ts.byKey[key].transaction == t {
			delete(ts.byKey, key)
		}
	}
	for _, key := range t.phone {
		if ts.ringing[key] == t {
			delete(ts.ringing, key)
		}
	}
}

func (ts *transactions) counts() Counts {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return Counts{Transactions: ts.live, Kept: len(ts.byID), Joins: ts.joins}
}
