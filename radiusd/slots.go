package radiusd

import (
	"context"
	"crypto/subtle"
	"time"

	"duoradiusd/policy"
)

// slot is what a client uses for one request at a time (RFC 2865 §3): a new Request Authenticator on it means that the
// client has given up the request that it sent there before (RFC 5080 §2.2.2).
type slot struct {
	asker
	identifier byte
}

// waiting is a login that takes time, with the requests that its answer goes to.
type waiting struct {
	slot     slot
	client   *Client
	abandon  context.CancelCauseFunc
	first    *datagram       // the login as it was asked first; it is not changed
	requests []*request      // its first and its newest, which may be one; guarded by duplicates.mu, as what follows is
	asking   retransmissions // how the client asks for the answer
	older    *waiting        // another login on the same slot that goes on side by side
}

// wait notes that x is not answered at once: it is a login by user, which abandon ends.
func (t *duplicates) wait(x *request, user string, abandon context.CancelCauseFunc, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	login := &waiting{slot: x.slot, client: x.client, abandon: abandon, first: x.datagram, requests: []*request{x}, older: t.bySlot[x.slot]}
	x.waiting, t.bySlot[x.slot] = login, login
	x.client.traffic.loginWaits(login, user, now)
}

// takeSlot makes room for x on its slot. It returns the login there that x asks for once more, and reports false, having
// changed nothing, where there is no room. It is called with mu held.
//
// A packet with a valid Message-Authenticator ends every other login on its slot: the client has given them up. A packet
// that anybody could have sent must not cancel a push that rings (RFC 5080 §3): it goes on side by side with what is in
// progress, two at most.
func (t *duplicates) takeSlot(x *request, now time.Time) (same *waiting, ok bool) {
	newest := t.bySlot[x.slot]
	for login := newest; login != nil; login = login.older {
		if sameLogin(login.first, x.datagram) {
			same = login
		}
	}
	if !x.authentic {
		return same, same != nil || newest == nil || newest.older == nil
	}
	for login := newest; login != nil; login = login.older {
		if login != same {
			login.client.traffic.behaviour.superseded(login, now)
			t.abandon(login)
		}
	}
	return same, true
}

// sameLogin reports whether two requests on one slot are one login, which the client asks for with a new Request
// Authenticator: libraries that build each try anew do so. Who knows the password of a login is the client that sent it,
// whether the requests are signed or not.
func sameLogin(a, b *datagram) bool {
	if a == nil || b == nil || a.client.Name != b.client.Name || a.packet.resumes() != b.packet.resumes() {
		return false
	}
	for _, field := range []func(*packet) field{
		func(p *packet) field { return p.userName },
		func(p *packet) field { return p.state },
		func(p *packet) field { return p.serviceType },
	} {
		if subtle.ConstantTimeCompare(a.packet.value(field(&a.packet)), b.packet.value(field(&b.packet))) == 0 {
			return false
		}
	}
	first, ok := a.plainPassword()
	second, ok2 := b.plainPassword()
	return ok && ok2 && a.packet.methods() == b.packet.methods() && subtle.ConstantTimeCompare([]byte(first), []byte(second)) == 1 &&
		a.packet.userIP(a.client.userIP) == b.packet.userIP(b.client.userIP)
}

// plainPassword returns what stands in User-Password, nothing where there is no password attribute at all. It reports
// false for other methods, whose octets differ from one try to the next, and for what can't be decoded.
func (d *datagram) plainPassword() (string, bool) {
	if !d.packet.userPassword.present() {
		return "", d.packet.methods() == 0
	}
	password, _, fault := decodePassword(d.packet.value(d.packet.userPassword), d.packet.authenticator(), d.client)
	return password, fault == ""
}

// retry has login answer x, by which the client asks for it once more. A signed x is answered alone. Otherwise the first
// request and the newest are answered, and those between are given up: nobody can take the answer away from the first. It
// is called with mu held.
func (t *duplicates) retry(login *waiting, x *request, now time.Time) {
	keep := 1
	if x.authentic {
		keep = 0
	}
	for _, old := range login.requests[min(keep, len(login.requests)):] {
		t.giveUp(old)
	}
	login.requests = append(login.requests[:min(keep, len(login.requests))], x)
	x.waiting, x.datagram = login, x.datagram.copied()
	x.client.traffic.behaviour.copied(login, now)
}

// giveUp ends a request that gets no answer. It is called with mu held.
func (t *duplicates) giveUp(x *request) {
	t.forget(x)
	t.leaveFlight(x)
}

// abandon ends a login; nobody is answered. It is called with mu held.
func (t *duplicates) abandon(login *waiting) {
	for _, x := range login.requests {
		t.giveUp(x)
	}
	login.requests = nil
	t.leaveSlot(login)
	login.abandon(policy.ErrAbandoned)
}

// leaveSlot is called with mu held, once for every login.
func (t *duplicates) leaveSlot(login *waiting) {
	login.client.traffic.loginEnds(login)
	switch newest := t.bySlot[login.slot]; {
	case newest != login:
		newest.older = login.older // two at most
	case login.older != nil:
		t.bySlot[login.slot] = login.older
	default:
		delete(t.bySlot, login.slot)
	}
}

// end ends the login of x, and returns the requests that its answer goes to: none when it was abandoned, or ended before.
// answered says that they get one.
func (t *duplicates) end(x *request, answered bool, now time.Time) []*request {
	t.mu.Lock()
	defer t.mu.Unlock()
	login := x.waiting
	requests := login.requests
	if requests == nil {
		return nil
	}
	if answered {
		login.client.traffic.behaviour.answered(login, now)
	}
	login.requests = nil
	t.leaveSlot(login)
	return requests
}

// givenUp reports whether the client of x's login has been seen to give up, so that it does not hear an answer now.
func (t *duplicates) givenUp(x *request, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return x.client.traffic.behaviour.givenUp(x.waiting, now)
}
