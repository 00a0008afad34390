package policy_test

import (
	"context"
	"testing"
	"testing/synctest"

	. "duoradiusd/policy"
)

// lostTransactions is a store of a process that ended before it could say whether Duo had begun the transactions.
type lostTransactions struct{ Transactions }

func (lostTransactions) Wait(context.Context, TransactionID, func() bool) (AuthResult, error) {
	return AuthResult{}, ErrPushLost
}

// TestK25_PushLost: failmode does not apply while it is not known whether the phone rings. With "silent" the client gets no
// reply.
func TestK25_PushLost(t *testing.T) {
	for mode, want := range map[Failmode]string{
		FailmodeSecure: "reject duo-unavailable push: " + sayLater,
		FailmodeSafe:   "reject duo-unavailable push: " + sayLater,
		FailmodeSilent: "discard duo-unavailable push",
	} {
		inWorld(t, func(w *world) {
			w.client.Failmode = mode
			w.answers(allows(time3))
			stores := w.process.Memory.Stores()
			stores.Transactions = lostTransactions{stores.Transactions}
			w.process.use(stores)
			w.load()
			w.wants(w.login("pw"), want)
		})
	}
}

// takenOver is a store in which another process takes over each transaction as soon as this one asks Duo.
type takenOver struct {
	Transactions
	taken chan struct{}
}

func (ts takenOver) Own(ctx context.Context, _ TransactionID) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		<-ts.taken
		cancel(ErrTakenOver)
	}()
	return ctx
}

// TestK24_Fenced: a process that has lost a transaction to another one does not end it any more. Its logins get the new
// owner's answer.
func TestK24_Fenced(t *testing.T) {
	inWorld(t, func(w *world) {
		w.answers(never)
		ts := takenOver{w.process.Memory.Stores().Transactions, make(chan struct{})}
		stores := w.process.Memory.Stores()
		stores.Transactions = ts
		w.process.use(stores)
		w.load()
		p := w.start("pw")
		close(ts.taken)
		synctest.Wait()
		if live := w.process.Counts().Transactions; live != 1 {
			t.Errorf("%d transactions are live; want the one that another process has now", live)
		}
		ts.Finish(t.Context(), w.joined(w.attempt("pw")).ID, AuthResult{Allowed: true, Status: "allow", Txid: "T1"}, nil)
		p.wants("accept approved push T1")
	})
}
