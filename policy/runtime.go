package policy

import (
	"context"
	"sync"
	"time"

	"duoradiusd/policy/guard"
)

// Runtime is what outlives a change of configuration: the Stores, and the transactions that this process has at Duo. It is
// safe for concurrent use.
type Runtime struct {
	Stores
	OnFraud func(user, txid string) // called for each push that its user reports as fraud, even if nobody waits for it; may be nil

	digest    digest
	answering answering
	running   context.Context // ends with Close
	stop      context.CancelFunc

	mu sync.Mutex // lets no transaction begin after Close
	wg sync.WaitGroup
}

// NewRuntime returns a Runtime over these stores. key is the key of the digests of passwords, by which the stores know logins.
// The key must live as long as what the stores hold, and all processes with the same stores need the same key.
func NewRuntime(stores Stores, key [32]byte) *Runtime {
	rt := &Runtime{Stores: stores, digest: digest{key}}
	rt.running, rt.stop = context.WithCancel(context.Background())
	return rt
}

// Close ends the transactions at Duo and waits until they have ended. No transaction can begin afterwards.
func (rt *Runtime) Close() {
	rt.mu.Lock()
	rt.stop()
	rt.mu.Unlock()
	rt.wg.Wait()
}

// runs starts f in a goroutine beside the logins, which Close ends. It reports false after Close.
func (rt *Runtime) runs(f func(ctx context.Context)) bool {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if rt.running.Err() != nil {
		return false
	}
	rt.wg.Go(func() { f(rt.running) })
	return true
}

// ask starts a goroutine that asks Duo. This goroutine outlives the request, because the phone keeps ringing when a client
// gives up, and the same push answers the user's next try.
func (rt *Runtime) ask(t Transaction, second SecondFactor, r *AuthRequest, limits guard.PushLimits) {
	ok := rt.runs(func(ctx context.Context) { rt.askDuo(ctx, t, second, r, limits, transactionLimit) })
	if !ok {
		rt.settlePasscode(context.Background(), r, AuthResult{}, context.Canceled)
		rt.Transactions.Finish(context.Background(), t.ID, AuthResult{}, context.Canceled)
	}
}

// TakeOver asks Duo for the answer of a transaction that another process began and can't ask for any more.
func (rt *Runtime) TakeOver(t Transaction, second SecondFactor, limits guard.PushLimits) {
	rt.ask(t, second, begun(t), limits)
}

// askedLate is how long after its start a transaction of the previous run is still asked for its answer: a user may have
// reported it as fraud while nobody listened. lateLimit is how long Duo may take to answer when the phone no longer rings.
const (
	askedLate = time.Hour
	lateLimit = 10 * time.Second
)

// CanResume reports whether Resume can ask for the answer of a transaction that the previous run began and did not finish.
func CanResume(t Transaction, second SecondFactor) bool {
	return t.Ended.IsZero() && t.Began && second != nil && time.Since(t.Start) < askedLate
}

// Resume asks Duo for the answer of a transaction that the previous run began.
func (rt *Runtime) Resume(t Transaction, second SecondFactor, limits guard.PushLimits) {
	limit := transactionLimit
	if time.Since(t.Start) >= RingingTime {
		limit = lateLimit
	}
	rt.runs(func(ctx context.Context) { rt.askDuo(ctx, t, second, begun(t), limits, limit) })
}

// begun returns the request for the answer of a transaction that Duo has begun.
func begun(t Transaction) *AuthRequest {
	return &AuthRequest{User: t.Phone.Duo, Name: t.Name, Factor: t.Factor, Began: t.Txid}
}

// askDuo asks Duo, and tells the result to the guard, the approvals and the waiting logins.
func (rt *Runtime) askDuo(ctx context.Context, t Transaction, second SecondFactor, r *AuthRequest, limits guard.PushLimits, limit time.Duration) {
	asking, cancel := context.WithTimeout(rt.Transactions.Own(ctx, t.ID), limit)
	defer cancel()
	began, since := t.Began, t.Start
	r.Started = func(txid string) {
		began, since = true, time.Now()
		rt.Transactions.Started(asking, t.ID, txid)
	}
	result, err := authOrPanicError(asking, second, r)
	if context.Cause(asking) == ErrTakenOver { // the new owner tells the result
		return
	}
	told := context.WithoutCancel(ctx)
	rt.settlePasscode(told, r, result, err)
	// If Duo began nothing, no phone rang: an outage must not count as push bombing.
	if t.Factor.ReachesPhone() && ctx.Err() == nil && (err == nil || began) {
		rt.Guard.PushEnded(told, t.Phone, guard.PushEnd{Status: result.Status, Took: time.Since(since)}, limits)
	}
	if result.Status == "fraud" || result.Status == "locked_out" {
		rt.Approvals.ForgetPhone(told, t.Phone)
	}
	if result.Status == "fraud" && rt.OnFraud != nil { // what is saved from now on must include the report
		rt.OnFraud(t.Name, result.Txid)
	}
	rt.Transactions.Finish(told, t.ID, result, err)
}

// authOrPanicError returns a SecondFactor's panic as an error, because no request waits here that would recover it.
func authOrPanicError(ctx context.Context, second SecondFactor, r *AuthRequest) (result AuthResult, err error) {
	defer func() {
		if p := recover(); p != nil {
			result, err = AuthResult{}, panicError{p}
		}
	}()
	return second.Auth(ctx, r)
}

// settlePasscode tells the guard Duo's answer to a passcode. If the guard can't be told, the passcode stays counted as wrong,
// which is the safe side.
func (rt *Runtime) settlePasscode(ctx context.Context, r *AuthRequest, result AuthResult, failure error) {
	if r.guess == nil {
		return
	}
	verdict := guard.GuessWrong
	switch {
	case failure != nil, result.Allowed && result.Status != "allow":
		verdict = guard.GuessNotAsked
	case result.Allowed:
		verdict = guard.GuessRight
	}
	rt.Guard.Settle(ctx, *r.guess, verdict)
}
