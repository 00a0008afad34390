package policy

import (
	"context"
	"time"
)

// apart settles l in a goroutine of its own, unless it has to wait for its user.
func (l *login) apart(ctx context.Context) {
	done := make(chan any)
	go func() {
		defer func() { done <- recover() }()
		l.settled(l.settle(ctx))
	}()
	if p := <-done; p != nil {
		panic(p)
	}
}

// settled ends the login with v, unless it waits.
func (l *login) settled(v Verdict) {
	if l.waits != nil {
		return
	}
	if l.answers != nil {
		v = l.answered(l.answers, v)
	}
	if !l.asking.IsZero() {
		v.Duo = time.Since(l.asking)
	}
	l.facts = v
}

// await says that the login waits for t. What it returns is no answer yet.
func (l *login) await(t *transaction) Verdict {
	l.waits = t
	return Verdict{}
}

// wait settles the login when its transaction is over, or its time.
func (l *login) wait(ctx context.Context) {
	within, cancel := l.patience(ctx)
	result, err := l.memory.wait(within, l.waits)
	cancel()
	l.heard(ctx, result, err)
}

// patience bounds the wait by the client's PushTimeout, where ctx does not end before.
func (l *login) patience(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := l.Client.PushTimeout
	if limit <= 0 || !l.waits.factor.rings() {
		return ctx, func() {}
	}
	if at, ok := ctx.Deadline(); ok && time.Until(at) <= limit {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, limit)
}

func (l *login) heard(ctx context.Context, result AuthResult, err error) {
	defer l.memory.changes.Add(1)
	l.facts.Factor, l.facts.Txid = l.waits.factor, result.Txid
	l.waits = nil
	if err != nil {
		l.settled(l.unanswered(ctx, err))
	} else {
		l.settled(l.judge(result))
	}
}
