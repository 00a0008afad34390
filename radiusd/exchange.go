package radiusd

import (
	"context"
	"encoding/binary"
	"hash/maphash"
	"sync"
	"time"

	"duoradiusd/policy"
)

// slot is what tells one request of a client from another and a repetition from a new one (RFC 5080 §2.2.2), as 64 bits
// whose key is ours alone: of a hundred thousand no two will have the same. The Request Authenticator is compared, not part
// of it: a new one on the same slot takes the old one's place.
type slot uint64

var slotSeed = maphash.MakeSeed()

// slot returns d's place. The address that was asked tells apart what was sent to different ones of a wildcard socket.
func (d *datagram) slot() slot {
	var b [47]byte
	from := d.from.Addr()
	*(*[16]byte)(b[:]) = from.As16()
	if d.to.IsValid() {
		*(*[16]byte)(b[16:]) = d.to.As16()
	}
	binary.NativeEndian.PutUint16(b[32:], d.from.Port())
	binary.NativeEndian.PutUint32(b[34:], uint32(d.listener.number))
	b[38] = d.packet.identifier()
	if zone := from.Zone(); zone != "" {
		binary.NativeEndian.PutUint64(b[39:], maphash.String(slotSeed, zone))
	}
	return slot(maphash.Bytes(slotSeed, b[:]))
}

// usualReply is the length of a reply that says little, in octets.
const usualReply = 64

// exchange is one Access-Request, its repetitions and its reply.
type exchange struct {
	slot          slot
	authenticator [16]byte
	client        *Client
	authentic     bool                    // its packet had a valid Message-Authenticator
	turn          uint64                  // of the read that brought it
	abandon       context.CancelCauseFunc // of the login; nil for one that is answered at once

	// Guarded by exchanges.mu:
	asking *asking   // nil until it waits
	older  *exchange // another generation on the same slot; see take
	reply  []byte    // nil while in progress
	place  uint64    // of the reply among those that are kept
	gone   bool      // abandoned, or forgotten

	room [usualReply]byte // of the reply that is given at once, if it is no longer
}

// exchanges are the requests in progress and the replies that are kept.
type exchanges struct {
	maxInFlight int

	mu       sync.Mutex // guards everything below
	bySlot   table[*exchange]
	kept     kept
	inFlight int
	idle     *sync.Cond // signalled when inFlight falls to 0
}

func newExchanges(maxInFlight int) *exchanges {
	t := &exchanges{maxInFlight: maxInFlight}
	t.idle = sync.NewCond(&t.mu)
	return t
}

// take takes x in as a new exchange, or says why not; then nothing has changed. A request that repeats one that is known
// gets the kept reply, or nothing while that one is in progress. resumes says that x answers a challenge.
//
// A new authenticator on a slot means that the client gave the old request up: the old login is abandoned, never
// answered, and one that another reader has overtaken is not even begun. But a packet that anybody could have sent must
// not cancel a push that rings (RFC 5080 §3), nor push out a reply that an authentic request is owed again: without a
// valid Message-Authenticator they go on side by side, two in progress at most.
func (t *exchanges) take(x *exchange, resumes bool, now time.Time) (reply []byte, why dropped) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire(now)
	newest, _ := t.bySlot.get(uint64(x.slot))
	if y := newest.generation(x.authenticator); y != nil {
		return y.repeated(now)
	}
	traffic, mark := x.client.traffic, mark(x.authenticator)
	if traffic.replays.seen(mark, now) {
		return nil, replayed
	}
	if !room(t.inFlight, t.maxInFlight, resumes) || !room(traffic.inFlight, perClient(t.maxInFlight), resumes) {
		return nil, overloaded
	}
	if newest.overtakes(x) {
		traffic.replays.add(mark, now)
		return nil, overtaken
	}
	if newest != nil && !t.supersede(x, newest, now) {
		return nil, tooManyGenerations
	}
	traffic.replays.add(mark, now)
	t.bySlot.put(uint64(x.slot), x)
	t.inFlight++
	traffic.inFlight++
	return nil, passed
}

// generation returns the one of newest and those behind it that has the authenticator; nil where there is none.
func (newest *exchange) generation(authenticator [16]byte) *exchange {
	for y := newest; y != nil; y = y.older {
		if y.authenticator == authenticator {
			return y
		}
	}
	return nil
}

// overtakes reports whether one of newest and those behind it was read after x and takes its place: one reader is quicker
// than another.
func (newest *exchange) overtakes(x *exchange) bool {
	for y := newest; y != nil; y = y.older {
		if y.turn > x.turn && (y.authentic || !x.authentic && y.reply != nil) {
			return true
		}
	}
	return false
}

// repeated is called with exchanges.mu held, when another copy of x has come.
func (x *exchange) repeated(now time.Time) (reply []byte, why dropped) {
	if x.reply == nil && !x.waits() { // another reader will answer it in a moment
		return nil, inProgress
	}
	x.client.traffic.patience.repeated(x, now)
	if x.reply == nil {
		return nil, inProgress
	}
	return x.reply, passed
}

// supersede parts newest and those behind it, which are on x's slot, into those that x takes the place of and those that
// stay behind it. It reports false, and nothing has changed, when there is no room for x.
func (t *exchanges) supersede(x, newest *exchange, now time.Time) bool {
	if y := newest; y.older == nil && y.reply != nil && (x.authentic || !y.authentic) { // as nearly always
		t.abandon(y)
		return true
	}
	var stay, leave []*exchange
	pending := 0
	for y := newest; y != nil; y = y.older {
		if !x.authentic && (y.reply == nil || y.authentic) {
			stay = append(stay, y)
		} else {
			leave = append(leave, y)
		}
		if y.reply == nil {
			pending++
		}
	}
	if !x.authentic && pending > 1 {
		return false
	}
	for _, y := range leave {
		if y.waits() {
			x.client.traffic.patience.superseded(y, now)
		}
		t.abandon(y)
	}
	chain := append([]*exchange{x}, stay...)
	for i, y := range chain[1:] {
		chain[i].older = y
	}
	chain[len(chain)-1].older = nil
	return true
}

// waits notes that x is not answered at once: a login by user, which abandon ends. It reports false where another reader
// has taken in the client's next request already.
func (t *exchanges) waits(x *exchange, user string, abandon context.CancelCauseFunc, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if x.gone {
		return false
	}
	x.abandon = abandon
	x.client.traffic.enter(x, user, now)
	return true
}

// waits reports, with exchanges.mu held, whether x is in progress and not about to be answered at once.
func (x *exchange) waits() bool { return x.reply == nil && x.asking != nil }

// room keeps the last sixteenth for answers to challenges: a user half-way through comes before a new one.
func room(taken, limit int, resumes bool) bool {
	if !resumes {
		limit -= limit / 16
	}
	return taken < limit
}

// perClient keeps one client from taking all the room that there is.
func perClient(all int) int { return max(all*3/4, 1) }

// abandon is called with mu held.
func (t *exchanges) abandon(x *exchange) {
	if x.gone {
		return
	}
	x.gone = true
	if x.reply != nil {
		t.kept.release(x)
		return
	}
	t.leave(x)
	if x.abandon != nil {
		x.abandon(policy.ErrAbandoned)
	}
}

// leave is called with mu held, once for every exchange that was in flight.
func (t *exchanges) leave(x *exchange) {
	t.inFlight--
	x.client.traffic.leave(x)
	if t.inFlight == 0 {
		t.idle.Broadcast()
	}
}

// finish keeps x's reply and reports whether it is to be sent: not when x was abandoned or answered before.
func (t *exchanges) finish(x *exchange, reply []byte, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if x.gone || x.reply != nil {
		return false
	}
	x.reply = reply
	if x.asking != nil {
		x.client.traffic.patience.answered(x, now)
	}
	t.leave(x)
	t.kept.add(x, now)
	t.expire(now)
	return true
}

// discard forgets an exchange that gets no reply, so that the client's repetition is a new try.
func (t *exchanges) discard(x *exchange) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if x.gone || x.reply != nil {
		return false
	}
	x.gone = true
	t.leave(x)
	t.unlink(x)
	x.client.traffic.replays.forget(mark(x.authenticator))
	return true
}

// expire is called with mu held.
func (t *exchanges) expire(now time.Time) {
	for t.kept.due(now) {
		if x := t.kept.next(); x != nil {
			x.gone = true
			t.unlink(x)
		}
	}
}

// unlink is called with mu held.
func (t *exchanges) unlink(x *exchange) {
	newest, _ := t.bySlot.get(uint64(x.slot))
	if newest == x && x.older == nil {
		t.bySlot.remove(uint64(x.slot))
		return
	}
	if newest == x {
		t.bySlot.put(uint64(x.slot), x.older)
		return
	}
	for y := newest; y != nil; y = y.older {
		if y.older == x {
			y.older = x.older
			return
		}
	}
}

// wait returns when nothing is in flight any more.
func (t *exchanges) wait() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.inFlight > 0 {
		t.idle.Wait()
	}
}

// load returns how many requests are in progress and how many replies are kept.
func (t *exchanges) load() (inFlight, kept int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.inFlight, t.kept.len()
}
