package radiusd

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
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
	return requestKeyOf(d.client.Name, d.from.Addr(), d.packet.b)
}

func requestKeyOf(client string, from netip.Addr, packet []byte) requestKey {
	var h maphash.Hash
	h.SetSeed(keySeed)
	h.WriteString(client)
	h.WriteByte(0)
	octets := from.As16()
	h.Write(octets[:])
	h.WriteString(from.Zone())
	h.WriteByte(0)
	h.Write(packet)
	return requestKey(h.Sum64())
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
	client        *Client // nil in a reply of the run before, until its request comes again
	authentic     bool    // the packet had a valid Message-Authenticator

	reusesAuthenticator bool // of a request under another Identifier

	// Guarded by duplicates.mu:
	datagram   *datagram // until it is answered
	state      requestState
	waiting    *waiting // the login that answers it; nil for a request that is answered at once
	copiesFrom []asker  // other askers of a request in progress
	reply      []byte
	octets     []byte    // of the request, for a restart; nil where its login took no time
	owner      string    // the client's name, where octets are kept
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

// duplicates holds the requests in progress and the replies that are kept for copies (RFC 5080 §2.2.2).
type duplicates struct {
	maxInFlight int

	mu       sync.Mutex // guards everything below
	byKey    map[requestKey]*request
	bySlot   map[slot]*waiting // the newest login on each slot
	oldest   *request          // of the kept replies
	newest   *request
	kept     int
	inFlight int
	idle     *sync.Cond // signalled when inFlight falls to 0
}

func newDuplicates(maxInFlight int) *duplicates {
	t := &duplicates{maxInFlight: maxInFlight, byKey: make(map[requestKey]*request), bySlot: make(map[slot]*waiting)}
	t.idle = sync.NewCond(&t.mu)
	return t
}

// add adds x as a new request, or says why not. A copy of a request that is known gets the kept reply, or nothing while that
// one is in progress: then its sender will get the reply as well. A retry of a login that waits gets that login's reply.
// resumes says that x answers a challenge.
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
	login, ok := t.takeSlot(x, now)
	if !ok {
		return nil, dropThirdOnIdentifier
	}
	x.reusesAuthenticator = traffic.replays.add(x.authenticator, x.slot.identifier, now)
	t.byKey[x.key] = x
	t.inFlight++
	traffic.inFlight++
	if login != nil {
		t.retry(login, x, now)
		return nil, dropInProgress
	}
	return nil, notDropped
}

// known returns the request that x is a copy of; nil where there is none. A reply that was signed with another secret is
// of no use any more.
func (t *duplicates) known(x *request, now time.Time) *request {
	y := t.byKey[x.key]
	if y == nil || y.authenticator != x.authenticator {
		return nil
	}
	if y.state == answered && (!now.Before(y.expires) || !y.answers(x.client)) {
		t.forget(y)
		return nil
	}
	if y.client == nil { // saved by an earlier daemon; one in progress is read by its login
		y.client = x.client
	}
	return y
}

// answers reports whether the reply is one for c, which may have another secret since.
func (x *request) answers(c *Client) bool {
	if x.client == nil {
		return c.Secret.Answers(x.reply, x.authenticator)
	}
	return x.client.sameSecret(c)
}

// copied is called with duplicates.mu held, when a copy of x has come.
func (x *request) copied(from asker, now time.Time) (reply []byte, why dropReason) {
	if x.state == answered {
		x.client.traffic.behaviour.copyServed()
		return x.reply, notDropped
	}
	if x.waiting != nil {
		x.client.traffic.behaviour.copied(x.waiting, now)
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

// forget is called with mu held.
func (t *duplicates) forget(x *request) {
	x.state, x.datagram = forgotten, nil
	if t.byKey[x.key] == x {
		delete(t.byKey, x.key)
	}
}

// leaveFlight is called with mu held, once for every request that was in flight.
func (t *duplicates) leaveFlight(x *request) {
	t.inFlight--
	x.client.traffic.inFlight--
	if t.inFlight == 0 {
		t.idle.Broadcast()
	}
}

// finish keeps x's reply, over a restart too if it outlasts one. It reports whether the reply is to be sent, and to whom
// beside the first asker: not when x was answered before.
func (t *duplicates) finish(x *request, reply []byte, outlasts bool, now time.Time) (others []asker, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if x.state != inFlight {
		return nil, false
	}
	t.leaveFlight(x)
	if outlasts && x.datagram != nil {
		x.octets, x.owner = x.datagram.packet.b, x.client.Name
		x.client.traffic.replays.answered(x.authenticator, x.slot.identifier, x.reusesAuthenticator)
	}
	x.state, x.reply, x.datagram = answered, reply, nil
	t.keep(x, now)
	t.expire(now)
	return x.copiesFrom, true
}

// keep is called with mu held.
func (t *duplicates) keep(x *request, now time.Time) {
	x.expires = now.Add(max(keepReply, x.client.Timeout))
	t.append(x)
}

// append is called with mu held.
func (t *duplicates) append(x *request) {
	if t.newest == nil {
		t.oldest = x
	} else {
		t.newest.nextKept = x
	}
	t.newest = x
	t.kept++
}

// discard forgets a request that gets no reply, so that the client's copy is a new try.
func (t *duplicates) discard(x *request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if x.state != inFlight {
		return
	}
	t.leaveFlight(x)
	t.forget(x)
	x.client.traffic.replays.forget(x.authenticator, x.slot.identifier, x.reusesAuthenticator)
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
	for _, login := range t.bySlot {
		for ; login != nil; login = login.older {
			a := &login.asking
			list = append(list, PendingLogin{login.client.Name, a.user, a.first, a.copies})
		}
	}
	return list
}
