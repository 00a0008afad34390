package radiusd

import (
	"context"
	"crypto/subtle"
	"time"

	"duoradiusd/policy"
)

// slot is a client's address and port, the server's address, and an Identifier. A client uses a slot for one request at a
// time (RFC 2865 §3). A new Request Authenticator on a slot means that the client has given up its earlier request on this
// slot (RFC 5080 §2.2.2).
type slot struct {
	asker
	identifier byte
}

// waiting is a login that waits for its decision, with the requests that get its answer.
type waiting struct {
	slot     slot
	client   *Client
	abandon  context.CancelCauseFunc
	first    *datagram       // the first request of the login; it is not changed; nil once the login has left its slot
	requests []*request      // the first and the newest request, or only one; duplicates.mu guards this and the fields below
	asking   retransmissions // the times of the client's copies and retries
	older    *waiting        // an earlier login on the same slot that is still in progress
}

// wait makes x a waiting login of user, because x is not answered at once. A call of abandon ends the login.
func (t *duplicates) wait(x *request, user string, abandon context.CancelCauseFunc, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	login := &waiting{slot: x.slot, client: x.client, abandon: abandon, first: x.datagram, requests: []*request{x}, older: t.bySlot[x.slot]}
	x.waiting, t.bySlot[x.slot] = login, login
	x.client.traffic.loginWaits(login, user, now)
}

// takeSlot makes room for x on its slot. same is the login on this slot of which x is a retry; nil if there is none. ok is
// false if there is no room; then takeSlot has changed nothing. The caller holds mu.
//
// A packet with a valid Message-Authenticator ends every other login on its slot, because the client has given them up.
// Anybody could have sent a packet without one, so such a packet must not cancel a push (RFC 5080 §3). Its login runs at
// the same time as the login in progress. One slot has at most two logins.
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

// sameLogin reports whether two requests on one slot are tries of the same login. Some client libraries build each try
// anew, with a new Request Authenticator. Two tries of one login hold the same password. Only the client knows this
// password, so sameLogin can trust the comparison even if the requests have no Message-Authenticator.
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

// plainPassword returns the decrypted User-Password, or "" if the request has no password attribute at all. It returns
// false for other methods, because their octets differ from one try to the next, and for a password that can't be decoded.
func (d *datagram) plainPassword() (string, bool) {
	if !d.packet.userPassword.present() {
		return "", d.packet.methods() == 0
	}
	password, _, fault := decodePassword(d.packet.value(d.packet.userPassword), d.packet.authenticator(), d.client)
	return password, fault == ""
}

// retry makes x a request of login; x is the client's newest try. If x has a valid Message-Authenticator, only x gets the
// answer. Otherwise the first request and x get the answer, and the requests between them get none. The first request keeps
// its answer, because anybody could have sent x. The caller holds mu.
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

// giveUp ends a request that gets no answer. The caller holds mu.
func (t *duplicates) giveUp(x *request) {
	t.forget(x)
	t.leaveFlight(x)
}

// abandon ends a login without an answer to any of its requests. The caller holds mu.
func (t *duplicates) abandon(login *waiting) {
	for _, x := range login.requests {
		t.giveUp(x)
	}
	login.requests = nil
	t.leaveSlot(login)
	login.abandon(policy.ErrAbandoned)
}

// leaveSlot removes login from its slot. It is called once for each login. The caller holds mu.
func (t *duplicates) leaveSlot(login *waiting) {
	login.first = nil // the kept reply holds login
	login.client.traffic.loginEnds(login)
	switch newest := t.bySlot[login.slot]; {
	case newest != login:
		newest.older = login.older // a slot has at most two logins
	case login.older != nil:
		t.bySlot[login.slot] = login.older
	default:
		delete(t.bySlot, login.slot)
	}
}

// end ends the login of x, and returns the requests that get its answer. It returns none if the login was abandoned or has
// ended before. answered says whether the login has an answer.
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

// givenUp reports whether the client has given up x's login, so that it would ignore an answer.
func (t *duplicates) givenUp(x *request, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return x.client.traffic.behaviour.givenUp(x.waiting, now)
}
