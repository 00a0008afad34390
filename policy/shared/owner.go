package shared

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/valkey-io/valkey-go"

	"duoradiusd/policy"
)

// owned is a transaction that this daemon owns: this daemon asks Duo for its answer.
type owned struct {
	ts      *transactions
	id      policy.TransactionID
	lost    context.Context // ends with the cause ErrTakenOver when another daemon takes the transaction over
	lose    context.CancelCauseFunc
	changed chan struct{} // has room for one value, which says that the record has changed

	leads []lead // the pointers that its claim wrote

	mu       sync.Mutex // guards the fields below
	record   record
	released bool // this process is ending
	fenced   bool // another daemon owns the transaction
}

// lead is a key in the store and the pointer that it holds.
type lead struct {
	key string
	pointer
}

// own makes this daemon the owner of a transaction. From then on it writes the lease and the changes of the record to the
// store, until the transaction is over or another daemon has taken it over. claimed says that the store has just received
// the record.
func (ts *transactions) own(t policy.Transaction, claimed bool, leads ...lead) *owned {
	o := &owned{ts: ts, id: t.ID, changed: make(chan struct{}, 1), leads: leads, record: record{Transaction: t}}
	o.lost, o.lose = context.WithCancelCause(context.Background())
	ts.mu.Lock()
	ts.owned[t.ID] = o
	ts.mu.Unlock()
	ts.runs(func() { o.keep(claimed) })
	return o
}

// ownedBy returns the transaction of this ID if this daemon owns it, and nil otherwise.
func (ts *transactions) ownedBy(id policy.TransactionID) *owned {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return ts.owned[id]
}

// Own implements policy.Transactions. A transaction that this process restored from its previous run may belong to another
// daemon by now. In that case this daemon follows it, and takes it over if the other daemon is gone.
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
		o = ts.own(t, false) // the store does not have the transaction, or can't be asked
	}
	ctx, lose := context.WithCancelCause(ctx)
	context.AfterFunc(o.lost, func() { lose(policy.ErrTakenOver) })
	return ctx
}

// ended returns a context that has ended with the cause ErrTakenOver.
func ended(ctx context.Context) context.Context {
	ctx, lose := context.WithCancelCause(ctx)
	lose(policy.ErrTakenOver)
	return ctx
}

// change changes the record, and has it written to the store.
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

// end records how the transaction ended.
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

// release gives up the lease, so that another daemon can take the transaction over at once.
func (o *owned) release() {
	o.mu.Lock()
	o.released = true
	o.mu.Unlock()
	o.publish(context.Background())
	o.forget()
}

// stillMine reports whether no other daemon has taken the transaction over. If the store can't be asked, it assumes that
// none has.
func (o *owned) stillMine(ctx context.Context) bool {
	o.publish(ctx)
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.fenced
}

// keep renews the lease and writes changes of the record until the transaction is over.
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

// forget removes the transaction from those that this daemon owns.
func (o *owned) forget() {
	o.ts.mu.Lock()
	defer o.ts.mu.Unlock()
	if o.ts.owned[o.id] == o {
		delete(o.ts.owned, o.id)
	}
}

// publish writes the record if this daemon still owns the transaction. It reports whether nothing is left to write: the
// transaction is over and the store has its end, or another daemon owns it.
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

// leadHere writes the pointers again into a store that does not have them, because it could not be asked when the push began
// or because it was emptied. It does not change a pointer that leads to another transaction.
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

// lostTo handles that another daemon has taken the transaction over, because this one did not renew its lease in time.
func (o *owned) lostTo() {
	o.mu.Lock()
	first := !o.fenced
	o.fenced = true
	o.mu.Unlock()
	if !first {
		return
	}
	o.ts.fenced.Add(1)
	o.ts.config.Log.Warn("cluster: another daemon has taken over a push that this daemon had begun, because this daemon did not renew its lease in time", "txid", o.record.Txid)
	o.forget()
	o.ts.follow(o.id)
	o.lose(policy.ErrTakenOver)
}
