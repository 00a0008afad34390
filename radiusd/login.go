package radiusd

import (
	"context"
	"net/netip"
	"time"

	"layeh.com/radius"

	"duoradiusd/policy"
)

// login is one Access-Request on its way to its reply.
type login struct {
	server   *Server
	settings *Settings
	exchange *exchange
	datagram datagram
	userIP   netip.Addr // the user's own; invalid when the client did not tell
}

// margin is how long before the client gives up the decision must be there.
func margin(timeout time.Duration) time.Duration { return min(timeout/10, time.Second) }

// run ends with exactly one reply, unless the login was abandoned or is to be discarded.
func (l *login) run(ctx context.Context) {
	c := l.exchange.client
	defer l.exchange.abandon(nil)
	ctx, cancel := context.WithDeadline(ctx, l.datagram.at.Add(c.DecideWithin()))
	defer cancel()
	// Should a factor not heed ctx, the client is answered all the same.
	defer context.AfterFunc(ctx, func() { time.AfterFunc(margin(c.Timeout)/2, l.overdue) })()
	v := l.decide(ctx)
	if v.Outcome == policy.Reject && !v.Immediate {
		l.holdBack(ctx)
	}
	l.reply(v)
}

// overdue answers in the place of a Decider that did not return when its context ended.
func (l *login) overdue() {
	reason := policy.NoAnswer
	if l.server.logins.Err() != nil {
		reason = policy.ShuttingDown
	}
	l.reply(policy.Verdict{Reason: reason})
}

func (l *login) decide(ctx context.Context) (v policy.Verdict) {
	defer l.recovered(&v, nil)
	a, v, ok := l.attempt()
	if !ok {
		return v
	}
	return l.settings.Decider.Decide(ctx, a)
}

// quick decides at once, if that can be.
func (l *login) quick(decider Quick) (v policy.Verdict, ok bool) {
	defer l.recovered(&v, &ok)
	a, _, ok := l.attempt()
	if !ok {
		return v, false
	}
	return decider.Quick(a)
}

// recovered makes a panic a reject.
func (l *login) recovered(v *policy.Verdict, decided *bool) {
	if p := recover(); p != nil {
		l.server.log().Error("panic in a login", "client", l.exchange.client.Name, "panic", p)
		*v = policy.Verdict{Reason: policy.Panicked}
		if decided != nil {
			*decided = true
		}
	}
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

// holdBack waits until a reject may leave.
func (l *login) holdBack(ctx context.Context) {
	due := l.datagram.at.Add(l.settings.rejectDelay(l.exchange.client))
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// reply answers the exchange, once: signs, keeps, sends, logs.
func (l *login) reply(v policy.Verdict) {
	x, d := l.exchange, &l.datagram
	if v.Outcome == policy.Discard {
		if l.server.exchanges.discard(x) {
			l.end(v, "none", time.Now())
		}
		return
	}
	b, err := d.packet.answer(x.client, v)
	if err != nil {
		v = policy.Verdict{Reason: policy.Unanswerable, User: v.User, Err: err}
		b, _ = d.packet.answer(x.client, v)
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
