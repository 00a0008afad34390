package radiusd

import (
	"context"
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"duoradiusd/policy"
)

const (
	keepReply      = 30 * time.Second // how long a reply is kept for copies at least; RFC 5080 §2.2.2 says 5 to 30 s
	maxKeptReplies = 1 << 16
	maxCopySources = 3 // ports or addresses beside the first from which copies of one request are answered
)

// requestKey is a keyed hash of what makes two datagrams copies of one request: the client, the source address and all
// octets, the Identifier among them. The source port is not part of it: a NAT that forgot its mapping and a client that
// opens a socket for each try change the port between copies. Neither is the address that was asked: clients send copies to
// several servers, which may all be this one. The key of the hash is secret, so nobody can make two requests collide.
type requestKey uint64

var keySeed = maphash.MakeSeed()

func (d *datagram) requestKey() requestKey {
	var h maphash.Hash
	h.SetSeed(keySeed)
	h.WriteString(d.client.Name)
	h.WriteByte(0)
	from := d.from.Addr().As16()
	h.Write(from[:])
	h.WriteString(d.from.Addr().Zone())
	h.WriteByte(0)
	h.Write(d.packet.b)
	return requestKey(h.Sum64())
}

// slot is what a client uses for one request at a time (RFC 2865 §3): a new Request Authenticator on it means that the
// client has given up the request that it sent there before (RFC 5080 §2.2.2).
type slot struct {
	asker
	identifier byte
}

// asker is where a reply goes to, and where it leaves from.
type asker struct {
	listener *listener
	from     netip.AddrPort // of the client
	to       netip.Addr     // the address that was asked; invalid when the socket is bound to it
}

// request is one Access-Request, its copies and its reply.
type request struct {
	key           requestKey
	slot          slot
	authenticator [16]byte
	client        *Client
	authentic     bool // the packet had a valid Message-Authenticator

	reusesAuthenticator bool // of a request under another Identifier

	// Guarded by duplicates.mu:
	state      requestState
	waiting    *waiting // nil for a request that is answered at once
	copiesFrom []asker  // other askers of a request in progress
	reply      []byte
	expires    time.Time // of the reply
	nextKept   *request  // the reply that was kept next

	buffer [usualReplyLength]byte // for the reply of a request that is answered at once
}

type requestState int

const (
	inFlight requestState = iota
	answered
	forgotten // abandoned, discarded or expired
)

// waiting is what is known of a request that takes time: a login by user.
type waiting struct {
	abandon context.CancelCauseFunc
	asking  retransmissions
	older   *request // another one on the same slot that goes on side by side
}

// duplicates holds the requests in progress and the replies that are kept for copies (RFC 5080 §2.2.2).
type duplicates struct {
	maxInFlight int

	mu       sync.Mutex // guards everything below
	byKey    map[requestKey]*request
	bySlot   map[slot]*request // those that wait; the newest on each slot
	oldest   *request          // of the kept replies
	newest   *request
	kept     int
	inFlight int
	idle     *sync.Cond // signalled when inFlight falls to 0
}

func newDuplicates(maxInFlight int) *duplicates {
	t := &duplicates{maxInFlight: maxInFlight, byKey: make(map[requestKey]*request), bySlot: make(map[slot]*request)}
	t.idle = sync.NewCond(&t.mu)
	return t
}

// add adds x as a new request, or says why not. A copy of a request that is known gets the kept reply, or nothing while that
// one is in progress: then its sender will get the reply as well. resumes says that x answers a challenge.
func (t *duplicates) add(x *request, resumes bool, now time.Time) (reply []byte, why dropReason) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire(now)
	if y := t.known(x, now); y != nil {
		return y.copied(x.slot.asker, now)
	}
	traffic := x.client.traffic
	replay, reused := traffic.replays.seen(x.authenticator, x.slot.identifier, x.authentic, now)
	if replay && !resumes { // a State is good once: the policy refuses one that was used
		x.reusesAuthenticator = reused
		return nil, dropReplayed
	}
	if !hasRoom(t.inFlight, t.maxInFlight, resumes) || !hasRoom(traffic.inFlight, perClient(t.maxInFlight), resumes) {
		return nil, dropOverloaded
	}
	if !t.supersede(x, now) {
		return nil, dropThirdOnIdentifier
	}
	x.reusesAuthenticator = traffic.replays.add(x.authenticator, x.slot.identifier, now)
	t.byKey[x.key] = x
	t.inFlight++
	traffic.inFlight++
	return nil, notDropped
}

// known returns the request that x is a copy of; nil where there is none. A reply that was signed with another secret is
// of no use any more.
func (t *duplicates) known(x *request, now time.Time) *request {
	y := t.byKey[x.key]
	if y == nil || y.authenticator != x.authenticator {
		return nil
	}
	if y.state == answered && (!now.Before(y.expires) || !y.client.sameSecret(x.client)) {
		t.forget(y)
		return nil
	}
	return y
}

// copied is called with duplicates.mu held, when a copy of x has come.
func (x *request) copied(from asker, now time.Time) (reply []byte, why dropReason) {
	if x.waiting != nil || x.state == answered {
		x.client.traffic.behaviour.copied(x, now)
	}
	if x.state == answered {
		return x.reply, notDropped
	}
	x.answerAlso(from)
	return nil, dropInProgress
}

// answerAlso has the reply go to another asker as well. It never takes the reply away from an earlier one, and there are
// few: copies can be made by anybody who has seen the request.
func (x *request) answerAlso(from asker) {
	if from == x.slot.asker || len(x.copiesFrom) >= maxCopySources {
		return
	}
	for _, other := range x.copiesFrom {
		if other == from {
			return
		}
	}
	x.copiesFrom = append(x.copiesFrom, from)
}

// supersede abandons the requests on x's slot that the client has given up by sending x. It reports false, and nothing has
// changed, when there is no room for x.
//
// A packet that anybody could have sent must not cancel a push that rings (RFC 5080 §3): without a valid
// Message-Authenticator x goes on side by side with what is in progress, two at most.
func (t *duplicates) supersede(x *request, now time.Time) bool {
	y := t.bySlot[x.slot]
	if y == nil {
		return true
	}
	if !x.authentic {
		return y.waiting.older == nil
	}
	for ; y != nil; y = t.bySlot[x.slot] {
		y.client.traffic.behaviour.superseded(y, now)
		t.abandon(y)
	}
	return true
}

// wait notes that x is not answered at once: it is a login by user, which abandon ends.
func (t *duplicates) wait(x *request, user string, abandon context.CancelCauseFunc, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	x.waiting = &waiting{abandon: abandon, older: t.bySlot[x.slot]}
	t.bySlot[x.slot] = x
	x.client.traffic.loginWaits(x, user, now)
}

// hasRoom keeps the last sixteenth of limit for answers to challenges: a user half-way through comes before a new one
// (RFC 5080 §2.2.3).
func hasRoom(taken, limit int, resumes bool) bool {
	if !resumes {
		limit -= limit / 16
	}
	return taken < limit
}

// perClient keeps one client from taking all the room that there is.
func perClient(all int) int { return max(all*3/4, 1) }

// abandon ends a request that waits; nobody is answered. It is called with mu held.
func (t *duplicates) abandon(x *request) {
	t.forget(x)
	t.leaveFlight(x)
	x.waiting.abandon(policy.ErrAbandoned)
}

// forget is called with mu held.
func (t *duplicates) forget(x *request) {
	x.state = forgotten
	if t.byKey[x.key] == x {
		delete(t.byKey, x.key)
	}
}

// leaveFlight is called with mu held, once for every request that was in flight.
func (t *duplicates) leaveFlight(x *request) {
	if x.waiting != nil {
		t.leaveSlot(x)
		x.client.traffic.loginEnds(x)
	}
	t.inFlight--
	x.client.traffic.inFlight--
	if t.inFlight == 0 {
		t.idle.Broadcast()
	}
}

func (t *duplicates) leaveSlot(x *request) {
	newest := t.bySlot[x.slot]
	if newest != x {
		newest.waiting.older = x.waiting.older // two at most
		return
	}
	if x.waiting.older == nil {
		delete(t.bySlot, x.slot)
		return
	}
	t.bySlot[x.slot] = x.waiting.older
}

// finish keeps x's reply. It reports whether the reply is to be sent, and to whom beside the first asker: not when x was
// abandoned or answered before.
func (t *duplicates) finish(x *request, reply []byte, now time.Time) (others []asker, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if x.state != inFlight {
		return nil, false
	}
	if x.waiting != nil {
		x.client.traffic.behaviour.answered(x, now)
	}
	t.leaveFlight(x)
	x.state, x.reply = answered, reply
	t.keep(x, now)
	t.expire(now)
	return x.copiesFrom, true
}

// keep is called with mu held.
func (t *duplicates) keep(x *request, now time.Time) {
	x.expires = now.Add(max(keepReply, x.client.Timeout))
	if t.newest == nil {
		t.oldest = x
	} else {
		t.newest.nextKept = x
	}
	t.newest = x
	t.kept++
}

// discard forgets a request that gets no reply, so that the client's copy is a new try.
func (t *duplicates) discard(x *request) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if x.state != inFlight {
		return false
	}
	t.leaveFlight(x)
	t.forget(x)
	x.client.traffic.replays.forget(x.authenticator, x.slot.identifier, x.reusesAuthenticator)
	return true
}

// expire forgets the oldest replies, those that are too old and those that are too many. It is called with mu held. One
// that is kept longer than those behind it keeps them as well; known looks at the time of each.
func (t *duplicates) expire(now time.Time) {
	for x := t.oldest; x != nil && (t.kept > maxKeptReplies || !now.Before(x.expires)); x = t.oldest {
		if x.state == answered {
			t.forget(x)
		}
		t.oldest, x.nextKept = x.nextKept, nil
		t.kept--
	}
	if t.oldest == nil {
		t.newest = nil
	}
}

// waitUntilIdle returns when nothing is in flight any more.
func (t *duplicates) waitUntilIdle() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.inFlight > 0 {
		t.idle.Wait()
	}
}

// load returns how many requests are in progress and how many replies are kept.
func (t *duplicates) load() (inFlight, kept int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.inFlight, t.kept
}

// pending returns the logins that wait.
func (t *duplicates) pending() (list []PendingLogin) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, x := range t.bySlot {
		for ; x != nil; x = x.waiting.older {
			a := &x.waiting.asking
			list = append(list, PendingLogin{x.client.Name, a.user, a.first, a.copies})
		}
	}
	return list
}
