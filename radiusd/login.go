package radiusd

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"layeh.com/radius"

	"duoradiusd/policy"
)

// login is one Access-Request on its way to its reply.
type login struct {
	server   *Server
	settings *Settings
	exchange *exchange
	datagram *datagram
	userIP   netip.Addr // the user's own; invalid when the client did not tell
	room     []byte     // for the reply, where no other can be given; nil: it is made
}

// margin is how long before the client gives up the decision must be there.
func margin(timeout time.Duration) time.Duration { return min(timeout/10, time.Second) }

// run has the login settled. It ends with exactly one reply, unless the login was abandoned or is to be discarded; until
// then no goroutine need wait.
func (l *login) run(ctx context.Context) {
	c := l.exchange.client
	ctx, cancel := context.WithDeadline(ctx, l.datagram.at.Add(c.DecideWithin()))
	// Should a factor not heed ctx, the client is answered all the same.
	heeded := context.AfterFunc(ctx, func() { time.AfterFunc(margin(c.Timeout)/2, l.overdue) })
	end := sync.OnceFunc(func() {
		heeded()
		cancel()
		l.exchange.abandon(nil)
		l.datagram.listener.logins.Done()
	})
	l.settle(ctx, func(v policy.Verdict) {
		if v.Outcome == policy.Reject && !v.Immediate {
			held := v
			l.holdBack(ctx, func() { l.reply(&held); end() })
			return
		}
		l.reply(&v)
		end()
	})
}

// overdue answers in the place of a Decider that did not answer when its context ended.
func (l *login) overdue() {
	reason := policy.NoAnswer
	if l.server.logins.Err() != nil {
		reason = policy.ShuttingDown
	}
	l.reply(&policy.Verdict{Reason: reason})
}

// settle gives the Verdict to answer, now or later.
func (l *login) settle(ctx context.Context, answer func(policy.Verdict)) {
	defer func() {
		if p := recover(); p != nil {
			answer(l.panicked(p))
		}
	}()
	a, v, ok := l.attempt()
	if !ok {
		answer(v)
		return
	}
	l.settings.Decider.Settle(ctx, a, answer)
}

// quick decides at once, if that can be.
func (l *login) quick(decider Quick) (v policy.Verdict, ok bool) {
	defer func() {
		if p := recover(); p != nil {
			v, ok = l.panicked(p), true
		}
	}()
	a, _, ok := l.attempt()
	if !ok {
		return v, false
	}
	return decider.Quick(a)
}

// panicked makes a panic a reject.
func (l *login) panicked(p any) policy.Verdict {
	l.server.log().Error("panic in a login", "client", l.exchange.client.Name, "panic", p)
	return policy.Verdict{Reason: policy.Panicked}
}

// attempt makes of the request what is to be decided. It reports false with the Verdict where there is nothing to decide.
func (l *login) attempt() (a policy.Attempt, v policy.Verdict, ok bool) {
	c, p := l.exchange.client, &l.datagram.packet
	user := string(p.value(p.userName))
	method, ok := p.method()
	if !ok || p.methods() == 0 && !p.resumes() {
		return a, policy.Verdict{Reason: policy.Unsupported, User: user, Immediate: true}, false
	}
	a = policy.Attempt{
		Client:     c.Login,
		ClientAddr: l.datagram.from.Addr().Unmap(),
		User:       user,
		UserIP:     l.userIP,
		State:      string(p.value(p.state)),
		Method:     method,
		Authentic:  l.datagram.authentic,

		At:            l.datagram.at,
		Authenticator: p.authenticator(),
		Attributes:    p.b[headerLength:],
	}
	if p.userPassword.present() {
		password, ok := decodePassword(p.value(p.userPassword), p.authenticator(), c.Secret, c.Latin1)
		if !ok {
			return a, policy.Verdict{Reason: policy.BadSecret, User: user}, false
		}
		a.Password = password
	}
	return a, v, true
}

// holdBack does it when a reject may leave.
func (l *login) holdBack(ctx context.Context, do func()) {
	wait := time.Until(l.datagram.at.Add(l.settings.rejectDelay(l.exchange.client)))
	if wait <= 0 {
		do()
		return
	}
	do = sync.OnceFunc(do)
	timer := time.AfterFunc(wait, do)
	context.AfterFunc(ctx, func() {
		if timer.Stop() {
			do()
		}
	})
}

// reply answers the exchange, once: signs, keeps, sends, logs.
func (l *login) reply(v *policy.Verdict) {
	x, d := l.exchange, l.datagram
	if v.Outcome == policy.Discard {
		if l.server.exchanges.discard(x) {
			l.end(v, "none", time.Now())
		}
		return
	}
	b, err := d.packet.answer(l.room, x.client, v)
	if err != nil {
		v = &policy.Verdict{Reason: policy.Unanswerable, User: v.User, Err: err}
		b, _ = d.packet.answer(l.room, x.client, v)
	}
	now := time.Now()
	if !l.server.exchanges.finish(x, b, now) {
		if v.Reason == policy.Abandoned {
			l.end(v, "none", now)
		}
		return
	}
	d.answer(b)
	l.end(v, radius.Code(b[0]).String(), now)
}
