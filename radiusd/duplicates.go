package radiusd

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

const (
	keepReply      = 30 * time.Second // the shortest time for which a reply is kept for copies; RFC 5080 §2.2.2 says 5 to 30 s
	maxKeptReplies = 1 << 16
	maxCopySources = 3 // how many further source addresses and ports of copies get the reply to one request
)

// requestKey is a keyed hash of a request. Two datagrams are copies of one request if they have the same client, the same
// source address and the same octets, which include the Identifier. The source port is not part of it: a NAT that forgot
// its mapping and a client that opens a socket for each try change the port between copies. The destination address is not
// part of it either: a client may send copies to several server addresses, which may all belong to this server. The key of
// the hash is secret, so an attacker can't make two requests with the same hash.
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

// asker is the source of a request: the address to which its reply is sent, and the listener and address from which it is
// sent.
type asker struct {
	listener *listener
	from     netip.AddrPort // the client's address and port
	to       netip.Addr     // the request's destination address; invalid if the socket is bound to it
}

// request is one Access-Request with the senders of its copies and its reply.
type request struct {
	key           requestKey
	slot          slot
	authenticator [16]byte
	client        *Client // nil for a reply that an earlier run saved, until a copy of its request comes
	authentic     bool    // the packet had a valid Message-Authenticator

	reusesAuthenticator bool // an earlier request with another Identifier had the same authenticator

	// duplicates.mu guards the fields down to nextKept.
	datagram   *datagram // nil once the request is answered or forgotten
	state      requestState
	waiting    *waiting // the login that answers it; nil for a request that is answered at once
	copiesFrom []asker  // the other sources from which copies came while the request was in progress
	reply      []byte
	octets     []byte    // the request's octets, saved for a restart; nil if they are not saved
	owner      string    // the client's name; set if octets is set
	expires    time.Time // the time until which the reply is kept
	nextKept   *request  // the request whose reply was kept after this one

	buffer [usualReplyLength]byte // memory for the reply to a request that is answered at once
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
	oldest   *request          // the oldest of the kept replies
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

// add adds x as a new request, or returns why x is dropped. If x is a copy of an answered request, add returns the kept
// reply. If x is a copy of a request in progress, add notes the copy's source, and that source will get the reply too. If x
// is a retry of a waiting login, x will get that login's reply. resumes says that x answers a challenge.
func (t *duplicates) add(x *request, resumes bool, now time.Time) (reply []byte, why dropReason) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire(now)
	if y := t.known(x, now); y != nil {
		return y.copied(x.slot.asker, now)
	}
	traffic := x.client.traffic
	replay, reused := traffic.replays.seen(x.authenticator, x.slot.identifier, x.authentic, now)
	if replay && !resumes { // the policy accepts each State only once, so it detects such a replay
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
	x.reusesAuthenticator = replay || reused
	traffic.replays.add(x.authenticator, x.slot.identifier, x.reusesAuthenticator, now)
	t.byKey[x.key] = x
	t.inFlight++
	traffic.inFlight++
	if login != nil {
		t.retry(login, x, now)
		return nil, dropInProgress
	}
	return nil, notDropped
}

// known returns the request of which x is a copy; nil if there is none. It forgets a request whose reply has expired, or
// whose reply was signed with a secret that is no longer the client's. The caller holds mu.
func (t *duplicates) known(x *request, now time.Time) *request {
	y := t.byKey[x.key]
	if y == nil || y.authenticator != x.authenticator {
		return nil
	}
	if y.state == answered && (!now.Before(y.expires) || !y.answers(x.client)) {
		t.forget(y)
		return nil
	}
	if y.client == nil { // an earlier run saved it; only such a request has no client
		y.client = x.client
	}
	return y
}

// answers reports whether the kept reply is signed with c's secret, which may have changed since the reply was made.
func (x *request) answers(c *Client) bool {
	if x.client == nil {
		return c.Secret.Answers(x.reply, x.authenticator)
	}
	return x.client.sameSecret(c)
}

// copied handles a copy of x that came from the source from. It returns the reply, or the reason why there is none yet. The
// caller holds duplicates.mu.
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

// answerAlso makes the server send x's reply to from as well. The earlier sources still get the reply, and the number of
// sources is limited, because anybody who has seen the request can send a copy of it.
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

// hasRoom reports whether one more login may start. It keeps the last sixteenth of limit free for answers to challenges,
// because a login that has already begun is preferred to a new one (RFC 5080 §2.2.3).
func hasRoom(taken, limit int, resumes bool) bool {
	if !resumes {
		limit -= limit / 16
	}
	return taken < limit
}

// perClient returns how many logins in progress one client may have, so that one client can't use the whole limit.
func perClient(all int) int { return max(all*3/4, 1) }

// forget removes x, so that a copy of x counts as a new request. The caller holds mu.
func (t *duplicates) forget(x *request) {
	x.state, x.datagram = forgotten, nil
	if t.byKey[x.key] == x {
		delete(t.byKey, x.key)
	}
}

// leaveFlight reduces the counts of requests in progress. It is called once for each such request. The caller holds mu.
func (t *duplicates) leaveFlight(x *request) {
	t.inFlight--
	x.client.traffic.inFlight--
	if t.inFlight == 0 {
		t.idle.Broadcast()
	}
}

// finish stores x's reply for copies of x. If outlasts is true, the reply is also kept over a restart. ok reports whether
// the reply must be sent; it is false if x was answered or forgotten before. others are the sources that get the reply in
// addition to the first source.
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

// keep sets the time until which x's reply is kept, and appends x to the list of kept replies. The caller holds mu.
func (t *duplicates) keep(x *request, now time.Time) {
	x.expires = now.Add(max(keepReply, x.client.Timeout))
	t.append(x)
}

// append appends x to the list of kept replies. The caller holds mu.
func (t *duplicates) append(x *request) {
	if t.newest == nil {
		t.oldest = x
	} else {
		t.newest.nextKept = x
	}
	t.newest = x
	t.kept++
}

// discard forgets a request that gets no reply, so that a copy of it counts as a new request.
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

// expire removes the oldest replies while they are expired or there are too many. It stops at the first reply that is not
// expired, so an expired reply may stay behind a reply that is kept for longer; known checks the time of each reply. The
// caller holds mu.
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

// waitUntilIdle returns when no request is in progress.
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

// pending returns the logins that wait for a decision.
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
