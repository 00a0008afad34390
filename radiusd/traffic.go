package radiusd

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// traffic is what is known of one client's packets. It belongs to the client's name and so survives a reload.
type traffic struct {
	Counts
	warned   atomic.Int64 // the day, since 1970
	ratchets ratchets
	patience patience

	// Guarded by exchanges.mu:
	inFlight int
	byUser   map[string]*exchange // the newest in progress of each user
	replays  replays

	statuses bucket
}

// Counts are one client's packets as far as they were believed to be its own. Read them with Load.
type Counts struct {
	Packets             atomic.Uint64 // Access-Requests of right form
	Authenticated       atomic.Uint64 // with a valid Message-Authenticator
	Unauthenticated     atomic.Uint64 // without any
	Wrong               atomic.Uint64 // with a wrong one
	EAP                 atomic.Uint64
	ProxyStateUnguarded atomic.Uint64 // Proxy-State without a Message-Authenticator
	LastWithout         atomic.Int64  // Unix seconds; 0: never
	Anonymous           atomic.Uint64 // with no NAS-IP-Address, NAS-IPv6-Address or NAS-Identifier
}

// enter is called with exchanges.mu held, as a user's login begins to wait.
func (t *traffic) enter(x *exchange, user string, now time.Time) {
	x.asking = &asking{user: user, first: now, last: now}
	if user == "" { // two of them need not be one user
		return
	}
	if other := t.byUser[user]; other != nil {
		t.patience.asksAnew(other, now)
	}
	if t.byUser == nil {
		t.byUser = make(map[string]*exchange)
	}
	t.byUser[user] = x
}

// leave is called with exchanges.mu held, once for every exchange that was in flight.
func (t *traffic) leave(x *exchange) {
	t.inFlight--
	if x.asking != nil && t.byUser[x.asking.user] == x {
		delete(t.byUser, x.asking.user)
	}
}

// dueForWarning reports, once a day, that a client without Message-Authenticator should be named in the log.
func (t *traffic) dueForWarning(now time.Time) bool {
	today := now.Unix() / (24 * 60 * 60)
	return t.warned.Swap(today) != today
}

const (
	replayLife   = time.Hour
	replayMemory = 1 << 16 // authenticators in each of two generations
)

// replays remembers the Request Authenticators of a client's requests, because a valid Message-Authenticator does not
// say that a packet is fresh (RFC 3579 §4.3.5). It forgets by generations: the newest 65 536 at least, or those of
// the last hour, whichever is less. What it keeps of each are 64 keyed bits: that a new one has those of another will
// not happen, and nobody can make it so; whole ones would take twice the memory, which is slow where it is not in a cache.
type replays struct {
	young, old table[struct{}]
	since      time.Time // when young began; zero: it is empty
}

var replaySeed = maphash.MakeSeed()

func mark(authenticator [16]byte) uint64 { return maphash.Bytes(replaySeed, authenticator[:]) }

func (r *replays) seen(mark uint64, now time.Time) bool {
	r.turn(now)
	_, young := r.young.get(mark)
	if young {
		return true
	}
	_, old := r.old.get(mark)
	return old
}

func (r *replays) add(mark uint64, now time.Time) {
	if r.since.IsZero() {
		r.since = now
	}
	r.young.put(mark, struct{}{})
}

func (r *replays) forget(mark uint64) {
	r.young.remove(mark)
	r.old.remove(mark)
}

// turn begins a new generation when it is time.
func (r *replays) turn(now time.Time) {
	age := now.Sub(r.since)
	switch {
	case r.since.IsZero():
	case age >= 2*replayLife:
		*r = replays{}
	case age >= replayLife:
		*r = replays{old: r.young}
	case r.young.used >= replayMemory:
		r.old.clear()
		r.young, r.old, r.since = r.old, r.young, now // the room that the old one has grown to is used again
	}
}

// bucket lets through a few a second.
type bucket struct {
	mu     sync.Mutex // guards all
	tokens float64
	at     time.Time
}

func (b *bucket) take(now time.Time, perSecond, burst float64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.at.IsZero() {
		b.tokens = burst
	} else {
		b.tokens = min(burst, b.tokens+now.Sub(b.at).Seconds()*perSecond)
	}
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
