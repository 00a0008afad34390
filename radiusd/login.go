package radiusd

import (
	"context"
	"net/netip"
	"time"

	"layeh.com/radius"

	"duoradiusd/policy"
	"duoradiusd/radiusd/wire"
)

// login is one Access-Request on its way to its reply.
type login struct {
	server   *Server
	settings *Settings
	request  *request
	datagram *datagram
	userIP   netip.Addr // the user's own; invalid when the client did not tell
	buffer   []byte     // for the reply; nil: it is made
	user     []byte     // User-Name as sent
	hint     string     // what the administrator should look at; "" for nothing
}

// margin is how long before the client gives up the decision must be there: time for the reply to be made and to arrive.
func margin(timeout time.Duration) time.Duration { return min(timeout/25, time.Second) }

// run decides the login and answers it. It sends exactly one reply, unless the login was abandoned or is to be discarded.
func (l *login) run(ctx context.Context) {
	defer l.datagram.listener.logins.Done()
	defer l.request.waiting.abandon(nil)
	c := l.request.client
	ctx, cancel := context.WithDeadline(ctx, l.datagram.received.Add(c.DecideWithin()))
	defer cancel()
	// A Decider that does not return when ctx ends must not keep the client from its answer. It is answered from a copy,
	// because this goroutine may still write to l.
	overdue := *l
	overdue.user = l.datagram.packet.value(l.datagram.packet.userName)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(margin(c.Timeout)/2, overdue.overdue) })
	defer stop()
	v := l.decide(ctx)
	if v.Outcome == policy.OutcomeReject && !v.Immediate || v.Delayed {
		l.waitForRejectDelay(ctx)
	}
	l.reply(&v)
}

// overdue answers in the place of a Decider that did not return when its context ended.
func (l *login) overdue() {
	reason := policy.ReasonNoAnswer
	if l.server.logins.Err() != nil {
		reason = policy.ReasonShuttingDown
	}
	l.reply(&policy.Verdict{Reason: reason})
}

func (l *login) decide(ctx context.Context) (v policy.Verdict) {
	defer func() {
		if p := recover(); p != nil {
			v = l.panicked(p)
		}
	}()
	a, v, ok := l.attempt()
	if !ok {
		return v
	}
	return l.settings.Decider.Decide(ctx, a)
}

// decideAtOnce reports false where the login has to wait, or there is nothing to decide.
func (l *login) decideAtOnce() (v policy.Verdict, ok bool) {
	defer func() {
		if p := recover(); p != nil {
			v, ok = l.panicked(p), true
		}
	}()
	a, _, ok := l.attempt()
	if !ok {
		return v, false
	}
	return l.settings.Decider.DecideAtOnce(a)
}

// panicked makes a panic a reject.
func (l *login) panicked(p any) policy.Verdict {
	l.server.log().Error("panic in a login", "client", l.request.client.Name, "panic", p)
	return policy.Verdict{Reason: policy.ReasonPanicked}
}

// attempt makes of the request what is to be decided. It reports false with the Verdict where there is nothing to decide.
func (l *login) attempt() (a policy.Attempt, v policy.Verdict, ok bool) {
	c, p := l.request.client, &l.datagram.packet
	l.user = p.value(p.userName)
	method, ok := p.method()
	ignored := c.Login.IgnorePassword && l.datagram.authentic // the secret is proven by other means
	if !ok || p.methods() == 0 && !p.resumes() && !ignored {  // RD Gateway sends no password attribute at all
		l.hint = p.unsupported()
		return a, policy.Verdict{Reason: policy.ReasonUnsupported, Immediate: true}, false
	}
	user, windows, ok := c.charset().decode(l.user)
	if !ok {
		l.hint = nameCharset
		return a, policy.Verdict{Reason: policy.ReasonBadName}, false
	}
	a = policy.Attempt{
		Client:     c.Login,
		ClientAddr: l.datagram.from.Addr().Unmap(),
		User:       user,
		Latin1:     windows,
		UserIP:     l.userIP,
		State:      string(p.value(p.state)),
		Method:     method,
		Authentic:  l.datagram.authentic,

		At:            l.datagram.received,
		Authenticator: p.authenticator(),
		Attributes:    p.b[wire.HeaderLength:],
	}
	if method == policy.MethodEAP {
		a.EAP = p.eapPacket()
	}
	if x := l.request; x.waiting != nil {
		a.GivenUp = func() bool { return l.server.duplicates.givenUp(x, time.Now()) }
	}
	if p.userPassword.present() {
		password, windowsToo, fault := decodePassword(p.value(p.userPassword), p.authenticator(), c)
		if fault != "" && !(ignored && !p.resumes()) {
			l.hint = fault.hint(l.datagram.authentic)
			return a, policy.Verdict{Reason: policy.ReasonBadSecret}, false
		}
		a.Password, a.Latin1 = password, windows || windowsToo
	}
	return a, v, true
}

// waitForRejectDelay returns when a reject may leave, or when ctx ends.
func (l *login) waitForRejectDelay(ctx context.Context) {
	wait := time.Until(l.datagram.received.Add(l.settings.rejectDelay(l.request.client)))
	if wait <= 0 {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// reply answers the login, once: each of its requests gets a reply of its own.
func (l *login) reply(v *policy.Verdict) {
	now := time.Now()
	requests := []*request{l.request}
	if l.request.waiting != nil {
		if requests = l.server.duplicates.end(l.request, v.Outcome != policy.OutcomeDiscard, now); len(requests) == 0 {
			if v.Reason == policy.ReasonAbandoned {
				l.log(v, "none", now)
			}
			return
		}
	}
	if v.Outcome == policy.OutcomeDiscard {
		for _, x := range requests {
			l.server.duplicates.discard(x)
		}
		l.log(v, "none", now)
		return
	}
	code := ""
	for _, x := range requests {
		v, code = l.answer(x, v)
	}
	l.log(v, code, time.Now())
}

// answer signs, keeps and sends the reply to one request of the login. It returns what was answered, and the reply's code.
func (l *login) answer(x *request, v *policy.Verdict) (*policy.Verdict, string) {
	d := x.datagram
	b, err := d.packet.answer(l.buffer, x.client, v)
	if err != nil {
		v = &policy.Verdict{Reason: policy.ReasonUnanswerable, User: v.User, Err: err}
		b, _ = d.packet.answer(l.buffer, x.client, v)
	}
	outlasts := x.waiting != nil && (v.Outcome != policy.OutcomeAccept || v.Duo > 0)
	if others, ok := l.server.duplicates.finish(x, b, outlasts, time.Now()); ok {
		d.answer(b)
		for _, other := range others {
			other.send(b)
		}
		if v.Outcome != policy.OutcomeReject {
			l.server.noteUnsignedLogin(d, v)
		}
		if outlasts {
			l.server.saveSoon()
		}
	}
	return v, radius.Code(b[0]).String()
}
