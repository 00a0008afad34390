package radiusd

import (
	"context"
	"net/netip"
	"time"

	"layeh.com/radius"

	"duoradiusd/policy"
	"duoradiusd/radiusd/wire"
)

// login is one Access-Request that is being decided and answered.
type login struct {
	server   *Server
	settings *Settings
	request  *request
	datagram *datagram
	userIP   netip.Addr // the user's address; invalid if the request does not hold it
	buffer   []byte     // memory for the reply; nil: it is allocated
	user     []byte     // User-Name as sent
	hint     string     // what the administrator should check; "" if there is nothing to check
}

// margin returns how long before the client's timeout the decision must be made, so that the reply can be built and can
// arrive in time.
func margin(timeout time.Duration) time.Duration { return min(timeout/25, time.Second) }

// run decides the login and answers it once. It sends no reply if the login was abandoned or must be discarded.
func (l *login) run(ctx context.Context) {
	defer l.datagram.listener.logins.Done()
	defer l.request.waiting.abandon(nil)
	c := l.request.client
	ctx, cancel := context.WithDeadline(ctx, l.datagram.received.Add(c.DecideWithin()))
	defer cancel()
	// If the Decider does not return when ctx ends, the client must still get an answer. A copy of l makes this answer,
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

// overdue answers the login if the Decider did not return when its context ended.
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

// decideAtOnce decides the login without waiting. ok is false if the login has to wait, or if attempt finds nothing to
// decide.
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

// panicked logs a panic and returns a reject.
func (l *login) panicked(p any) policy.Verdict {
	l.server.log().Error("panic in a login", "client", l.request.client.Name, "panic", p)
	return policy.Verdict{Reason: policy.ReasonPanicked}
}

// attempt converts the request into an Attempt for the Decider. If there is nothing to decide, ok is false and v is the
// Verdict.
func (l *login) attempt() (a policy.Attempt, v policy.Verdict, ok bool) {
	c, p := l.request.client, &l.datagram.packet
	l.user = p.value(p.userName)
	method, ok := p.method()
	ignored := c.Login.IgnorePassword && l.datagram.authentic // a valid Message-Authenticator proves the secret
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

// waitForRejectDelay waits until a reject may be sent, or until ctx ends.
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

// reply answers the login; only the first call does so. Each request of the login gets its own reply.
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

// answer signs, keeps and sends the reply to one request of the login. It returns the Verdict that it has sent, and the
// name of the reply's code.
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
