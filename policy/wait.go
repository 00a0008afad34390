package policy

import (
	"context"
	"sync"
	"time"
)

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
func (l *login) wait(ctx context.Context, answer func(Verdict)) {
	t := l.waits
	within, cancel := l.patience(ctx)
	end := sync.OnceFunc(func() {
		result, err := l.memory.answer(within, t)
		cancel()
		answer(l.heard(ctx, result, err))
	})
	stop := context.AfterFunc(within, func() {
		l.memory.notWaiting(t, l)
		end()
	})
	l.memory.whenOver(t, l, func() {
		stop()
		end()
	})
	if within.Err() != nil { // perhaps before whenOver
		l.memory.notWaiting(t, l)
	}
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

// heard is the login's end after its wait. A panic is a reject: nobody else would recover it here.
func (l *login) heard(ctx context.Context, result AuthResult, err error) (v Verdict) {
	defer l.memory.changes.Add(1)
	defer func() {
		if p := recover(); p != nil {
			v = l.panicked(p)
		}
	}()
	l.facts.Factor, l.facts.Txid = l.waits.factor, result.Txid
	l.waits = nil
	if err != nil {
		l.settled(l.unanswered(ctx, err))
	} else {
		l.settled(l.judge(result))
	}
	return l.facts
}

// panicked makes a panic a reject.
func (l *login) panicked(p any) Verdict {
	l.facts.Err = panicError{p}
	return l.reject(Panicked, sayLater)
}
