package shared

import (
	"context"
	"errors"
	"hash/maphash"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valkey-io/valkey-go"

	"duoradiusd/policy"
	"duoradiusd/policy/factor"
)

// transactions implements policy.Transactions. The local store also holds each transaction that this daemon owns, and a copy
// of each one that it follows, under the same ID. Logins wait in the local store.
type transactions struct {
	*link
	local policy.Transactions

	claiming [64]sync.Mutex // by person: one claim at a time, so that no other claim comes between a copy and its record
	seed     maphash.Seed

	mu        sync.Mutex // guards the fields below
	owned     map[policy.TransactionID]*owned
	following map[policy.TransactionID]bool
	closed    bool

	running context.Context // ends with close
	stop    context.CancelFunc
	wg      sync.WaitGroup

	takenOver, fenced, lost atomic.Uint64
}

func newTransactions(l *link, local policy.Transactions) *transactions {
	ts := &transactions{link: l, local: local, seed: maphash.MakeSeed(),
		owned: make(map[policy.TransactionID]*owned), following: make(map[policy.TransactionID]bool)}
	ts.running, ts.stop = context.WithCancel(context.Background())
	return ts
}

func (ts *transactions) close() {
	ts.mu.Lock()
	ts.closed = true
	ts.stop()
	ts.mu.Unlock()
	ts.wg.Wait()
}

// runs starts f in a goroutine, unless close has been called. f must end with ts.running.
func (ts *transactions) runs(f func()) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if !ts.closed {
		ts.wg.Go(f)
	}
}

func (ts *transactions) lock(tag string) *sync.Mutex {
	mu := &ts.claiming[maphash.String(ts.seed, tag)%uint64(len(ts.claiming))]
	mu.Lock()
	return mu
}

// Find implements policy.Transactions.
func (ts *transactions) Find(ctx context.Context, key policy.JoinKey, began time.Time) (policy.Join, bool, error) {
	if join, ok, err := ts.findHere(ctx, key, began); ok || err != nil {
		return join, ok, err
	}
	name := ts.joinKey(key)
	if name == "" {
		return policy.Join{}, false, nil
	}
	s, p, err := ts.pointed(ctx, name)
	if errors.Is(err, ErrDown) {
		return policy.Join{}, false, ts.alone()
	}
	if s == nil || err != nil {
		return policy.Join{}, false, err
	}
	joins, late := s.answers(ts.toStore(began), ts.now())
	times := 0
	if joins && late {
		times, err = ts.giveLate(ctx, s)
		joins = times > 0
	}
	if !joins || err != nil {
		return policy.Join{}, false, err
	}
	defer ts.lock(ts.duoTag(s.Phone.Duo)).Unlock()
	t, ok, err := ts.copied(ctx, s, policy.NewTransaction{Key: key, Account: p.Account, LoginBegan: began})
	return policy.Join{Transaction: t, Account: p.Account, Repeated: times > 1}, ok, err
}

// findHere does the same as Find among the transactions that the local store holds.
func (ts *transactions) findHere(ctx context.Context, key policy.JoinKey, began time.Time) (policy.Join, bool, error) {
	join, ok, err := ts.local.Find(ctx, key, began)
	if err != nil || !ok || join.Ended.IsZero() || began.Before(join.Ended) {
		return join, ok, err
	}
	if revoked, err := ts.revoked(ctx, ts.there(join.Transaction)); revoked || err != nil {
		return policy.Join{}, false, err
	}
	times, err := ts.give(ctx, join.Transaction) // the local store knows only of the logins of this daemon
	join.Repeated = join.Repeated || times > 1
	return join, times > 0, err
}

// alone returns nil if this daemon may go on without the store.
func (ts *transactions) alone() error {
	_, err := orLocal(ts.link, func() (struct{}, error) { return struct{}{}, nil })
	return err
}

// Rings implements policy.Transactions.
func (ts *transactions) Rings(ctx context.Context, phone policy.Phone, began time.Time) (bool, error) {
	if rings, err := ts.local.Rings(ctx, phone, began); rings || err != nil {
		return rings, err
	}
	for _, key := range ts.ringKeys(phone, factor.Push) {
		s, _, err := ts.pointed(ctx, key)
		if errors.Is(err, ErrDown) {
			return false, ts.alone()
		}
		if err != nil || s != nil && s.rings(ts.toStore(began), ts.now()) {
			return err == nil, err
		}
	}
	return false, nil
}

// fetch reads a transaction from the store. It returns nil if the store does not have it. If this daemon already knows Duo's
// answer, it uses the local transaction instead, because the one in the store may be older; then the local store gives the
// answer.
func (ts *transactions) fetch(ctx context.Context, id policy.TransactionID) (*stored, error) {
	s, err := ts.link.fetch(ctx, id)
	if s == nil || err != nil {
		return s, err
	}
	known, ok, err := ts.local.Get(ctx, id)
	if ok && !known.Ended.IsZero() && known.Result.Status != "" {
		s.Transaction, s.here = ts.there(known), true
	}
	return s, err
}

// pointed returns the transaction that a pointer leads to, or nil if there is none.
func (ts *transactions) pointed(ctx context.Context, key string) (s *stored, p pointer, err error) {
	var sealed string
	err = ts.call(ctx, func(ctx context.Context, c valkey.Client) (err error) {
		sealed, err = c.Do(ctx, c.B().Get().Key(key).Build()).ToString()
		return err
	})
	if valkey.IsValkeyNil(err) {
		return nil, p, nil
	}
	if err != nil {
		return nil, p, err
	}
	p, ok := ts.openPointer(key, sealed)
	if !ok {
		return nil, p, nil
	}
	s, err = ts.fetch(ctx, p.ID)
	return s, p, err
}

// giveLate is give for a transaction that only the store has. It first checks for a revocation.
func (ts *transactions) giveLate(ctx context.Context, s *stored) (times int, err error) {
	if revoked, err := ts.revoked(ctx, s.Transaction); revoked || err != nil {
		return 0, err
	}
	return ts.give(ctx, s.Transaction)
}

// revoked reports whether any daemon has revoked the person's approvals since a transaction was allowed. In that case nobody
// else is given its answer. While the store can't be asked, no approval can be revoked either.
func (ts *transactions) revoked(ctx context.Context, t policy.Transaction) (revoked bool, err error) {
	if !t.Result.Allowed {
		return false, nil
	}
	at, err := ts.revokedAt(ctx, t.Phone.Person)
	if errors.Is(err, ErrDown) {
		return false, ts.alone()
	}
	return !at.Before(t.Ended.Add(-clockError)), err
}

// give counts in the store that the answer is given once more. It returns how often the answer has been given, this time
// included, or 0 if it may not be given. If the store can't be asked, the decision of the local store counts.
func (ts *transactions) give(ctx context.Context, t policy.Transaction) (times int, err error) {
	return ts.giveAtMost(ctx, t.ID, timesGiven(t))
}

// markGiven records that those who waited were given the answer.
func (ts *transactions) markGiven(ctx context.Context, id policy.TransactionID) {
	ts.giveAtMost(ctx, id, 1) // if this fails, the answer may be given to one more login
}

func (ts *transactions) giveAtMost(ctx context.Context, id policy.TransactionID, most int) (times int, err error) {
	if !isShared(id) {
		return 1, nil
	}
	err = ts.call(ctx, func(ctx context.Context, c valkey.Client) error {
		n, err := giveScript.Exec(ctx, c, []string{ts.txKey(id)}, []string{strconv.Itoa(most)}).AsInt64()
		times = int(n)
		return err
	})
	if errors.Is(err, ErrDown) {
		return 1, ts.alone()
	}
	return times, err
}

// copied returns a transaction of the store for a login with n's key. While the transaction is live, this daemon follows it.
// The caller holds the lock of the person.
func (ts *transactions) copied(ctx context.Context, s *stored, n policy.NewTransaction) (policy.Transaction, bool, error) {
	t := ts.here(s.Transaction)
	if s.over() {
		return t, true, nil
	}
	if known, ok, err := ts.local.Get(ctx, t.ID); ok || err != nil {
		return known, true, errors.Join(err, ts.local.AddKey(ctx, t.ID, n.Key, n.Account))
	}
	n.Transaction = t
	t, claim, err := ts.local.Claim(ctx, n)
	if err != nil || claim == policy.ClaimPhoneRings {
		return t, false, err
	}
	if claim == policy.ClaimOwned {
		ts.follow(t.ID)
	}
	return t, true, nil
}

// AddKey implements policy.Transactions.
func (ts *transactions) AddKey(ctx context.Context, id policy.TransactionID, key policy.JoinKey, account policy.Account) error {
	err := ts.local.AddKey(ctx, id, key, account)
	if err != nil || !isShared(id) {
		return err
	}
	if err := ts.point(ctx, key, pointer{id, account}); err != nil && !errors.Is(err, ErrDown) {
		return err
	}
	return nil
}

// Started implements policy.Transactions.
func (ts *transactions) Started(ctx context.Context, id policy.TransactionID, txid string) error {
	err := ts.local.Started(ctx, id, txid)
	if o := ts.ownedBy(id); o != nil && err == nil {
		o.started(txid)
	}
	return err
}

// Finish implements policy.Transactions.
func (ts *transactions) Finish(ctx context.Context, id policy.TransactionID, result policy.AuthResult, failure error) error {
	o := ts.ownedBy(id)
	if o == nil {
		return ts.local.Finish(ctx, id, result, failure)
	}
	if errors.Is(failure, context.Canceled) { // this process is ending, so another daemon will ask Duo
		o.release()
		return ts.local.Finish(ctx, id, result, failure)
	}
	if !o.stillMine(ctx) {
		return policy.ErrTakenOver
	}
	err := ts.local.Finish(ctx, id, result, failure)
	o.end(result, failure)
	return err
}

// Wait implements policy.Transactions.
func (ts *transactions) Wait(ctx context.Context, id policy.TransactionID, givenUp func() bool) (policy.AuthResult, error) {
	_, here, err := ts.local.Get(ctx, id)
	if err != nil {
		return policy.AuthResult{}, err
	}
	if !here {
		s, err := ts.fetch(ctx, id)
		switch {
		case err != nil && !errors.Is(err, ErrDown):
			return policy.AuthResult{}, err
		case s != nil && s.over():
			if givenUp == nil || !givenUp() {
				ts.markGiven(ctx, id)
			}
			return s.Result, s.failure()
		case s != nil:
			if err := ts.copyLive(ctx, s); err != nil {
				return policy.AuthResult{}, err
			}
		}
	}
	result, err := ts.local.Wait(ctx, id, givenUp)
	if err == nil && (givenUp == nil || !givenUp()) {
		ts.markGiven(context.WithoutCancel(ctx), id) // a login that comes later must cause a new request to Duo
	}
	return result, err
}

// copyLive makes a local copy to wait for, which nobody can join.
func (ts *transactions) copyLive(ctx context.Context, s *stored) error {
	defer ts.lock(ts.duoTag(s.Phone.Duo)).Unlock()
	_, _, err := ts.copied(ctx, s, policy.NewTransaction{LoginBegan: ts.config.Now()})
	return err
}

// Get implements policy.Transactions.
func (ts *transactions) Get(ctx context.Context, id policy.TransactionID) (policy.Transaction, bool, error) {
	t, ok, err := ts.local.Get(ctx, id)
	if ok || err != nil {
		return t, ok, err
	}
	s, err := ts.fetch(ctx, id)
	switch {
	case errors.Is(err, ErrDown):
		return t, false, ts.alone()
	case s == nil || err != nil:
		return t, false, err
	}
	t = ts.here(s.Transaction)
	t.Forgotten, err = ts.revoked(ctx, s.Transaction)
	return t, err == nil, err
}
