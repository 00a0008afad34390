package shared

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/valkey-io/valkey-go"

	"duoradiusd/policy"
)

// owned is a transaction for whose answer this daemon asks Duo.
type owned struct {
	ts      *transactions
	id      policy.TransactionID
	lost    context.Context // ends with the cause ErrTakenOver
	lose    context.CancelCauseFunc
	changed chan struct{} // has a place for one

	leads []lead // to it, from the keys that its claim set

	mu       sync.Mutex // guards what follows
	record   record
	released bool // this process ends
	fenced   bool // another daemon has it
}

// lead is a key of the store and the pointer that stands there.
type lead struct {
	key string
	pointer
}

// own makes this daemon the owner: from now on the store is told so, and what becomes of the transaction, until that is
// over or another daemon has taken it over.
// claimed says that the store has just been told.
func (ts *transactions) own(t policy.Transaction, claimed bool, leads ...lead) *owned {
	o := &owned{ts: ts, id: t.ID, changed: make(chan struct{}, 1), leads: leads, record: record{Transaction: t}}
	o.lost, o.lose = context.WithCancelCause(context.Background())
	ts.mu.Lock()
	ts.owned[t.ID] = o
	ts.mu.Unlock()
	ts.runs(func() { o.keep(claimed) })
	return o
}

// ownedBy returns what this daemon knows as the owner of a transaction; nil where it is not.
func (ts *transactions) ownedBy(id policy.TransactionID) *owned {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return ts.owned[id]
}

// Own implements policy.Transactions. A transaction that this process has taken up from its last run may be another
// daemon's meanwhile: it is followed, and taken over where that daemon is gone.
func (ts *transactions) Own(ctx context.Context, id policy.TransactionID) context.Context {
	o := ts.ownedBy(id)
	if o == nil {
		t, here, _ := ts.local.Get(ctx, id)
		if !here || !isShared(id) {
			return ctx
		}
		if s, _ := ts.fetch(ctx, id); s != nil && !s.over() {
			ts.follow(id)
			return ended(ctx)
		}
		o = ts.own(t, false) // the store knows nothing of it, or can't be asked
	}
	ctx, lose := context.WithCancelCause(ctx)
	context.AfterFunc(o.lost, func() { lose(policy.ErrTakenOver) })
	return ctx
}

// ended returns a context that has ended because another daemon is the owner.
func ended(ctx context.Context) context.Context {
	ctx, lose := context.WithCancelCause(ctx)
	lose(policy.ErrTakenOver)
	return ctx
}

// change changes the record and has the store told.
func (o *owned) change(f func(*record)) {
	o.mu.Lock()
	f(&o.record)
	o.mu.Unlock()
	select {
	case o.changed <- struct{}{}:
	default:
	}
}

func (o *owned) started(txid string) {
	o.change(func(r *record) { r.Txid, r.Began = txid, true })
}

// end says what became of the transaction.
func (o *owned) end(result policy.AuthResult, failure error) {
	t, here, _ := o.ts.local.Get(context.Background(), o.id)
	o.change(func(r *record) {
		if here && !t.Ended.IsZero() {
			r.Transaction = t
		} else {
			r.Ended = o.ts.config.Now()
		}
		r.Result = result
		r.setFailure(failure)
	})
}

// release lets another daemon take the transaction over at once.
func (o *owned) release() {
	o.mu.Lock()
	o.released = true
	o.mu.Unlock()
	o.publish(context.Background())
	o.forget()
}

// stillMine reports whether no other daemon has taken the transaction over. Where the store can't be asked nobody has.
func (o *owned) stillMine(ctx context.Context) bool {
	o.publish(ctx)
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.fenced
}

// keep tells the store that the owner lives, and what changes, until the transaction is over.
func (o *owned) keep(told bool) {
	defer o.forget()
	for began := time.Now(); time.Since(began) < pointerLife; {
		if !told && o.publish(context.Background()) {
			return
		}
		told = false
		select {
		case <-o.changed:
		case <-time.After(leaseEvery):
		case <-o.lost.Done():
			return
		case <-o.ts.running.Done():
			return
		}
	}
}

// forget ends what this daemon knows as the owner.
func (o *owned) forget() {
	o.ts.mu.Lock()
	defer o.ts.mu.Unlock()
	if o.ts.owned[o.id] == o {
		delete(o.ts.owned, o.id)
	}
}

// publish writes the record, if it is still this daemon's. It reports whether there is nothing more to tell: the
// transaction is over and the store knows, or another daemon has it.
func (o *owned) publish(ctx context.Context) (over bool) {
	o.mu.Lock()
	r, released, fenced := o.record, o.released, o.fenced
	o.mu.Unlock()
	if fenced {
		return true
	}
	r.Transaction = o.ts.there(r.Transaction)
	life, lease := recordLife, leaseLife
	if r.over() || released {
		lease = 0
	}
	if r.over() {
		life = max(doneLife, r.Quiet.Sub(o.ts.now()))
	}
	sealed, err := o.ts.sealRecord(r, life)
	if err != nil {
		o.ts.config.Log.Error("cluster: a transaction can't be written", "error", err)
		return true
	}
	var answer int64
	keys := []string{o.ts.txKey(o.id), o.ts.leaseKey(o.id)}
	err = o.ts.call(ctx, func(ctx context.Context, c valkey.Client) (err error) {
		answer, err = publishScript.Exec(ctx, c, keys, []string{o.ts.node, sealed, millis(life), millis(lease)}).AsInt64()
		return err
	})
	if answer == publishedAnew && !r.over() {
		err = errors.Join(err, o.leadHere(ctx))
	}
	switch {
	case errors.Is(err, ErrDown):
		return r.over() && o.ts.config.Now().Sub(o.ts.fromStore(r.Ended)) > doneLife
	case err != nil:
		return false
	case answer == 0:
		o.lostTo()
		return true
	}
	return r.over() || released
}

// leadHere lets others find the transaction in a store that knows nothing of it: it could not be asked when the push began,
// or has been emptied. What leads elsewhere stays.
func (o *owned) leadHere(ctx context.Context) error {
	return o.ts.call(ctx, func(ctx context.Context, c valkey.Client) error {
		for _, lead := range o.leads {
			sealed, err := o.ts.sealPointer(lead.key, lead.pointer)
			if err != nil {
				return err
			}
			err = c.Do(ctx, c.B().Set().Key(lead.key).Value(sealed).Nx().Px(pointerLife).Build()).Error()
			if err != nil && !valkey.IsValkeyNil(err) {
				return err
			}
		}
		return nil
	})
}

// lostTo is where another daemon has taken the transaction over, because this one did not say in time that it lives.
func (o *owned) lostTo() {
	o.mu.Lock()
	first := !o.fenced
	o.fenced = true
	o.mu.Unlock()
	if !first {
		return
	}
	o.ts.fenced.Add(1)
	o.ts.config.Log.Warn("cluster: another daemon has taken over a push that this one had begun: it was held up for too long", "txid", o.record.Txid)
	o.forget()
	o.ts.follow(o.id)
	o.lose(policy.ErrTakenOver)
}
