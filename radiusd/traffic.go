package radiusd

import (
	"sync"
	"sync/atomic"
	"time"
)

// traffic is what is known of one client's packets. It belongs to the client's name and so survives a reload.
type traffic struct {
	Counts
	warned      atomic.Int64 // the day, since 1970
	wrongSecret tally        // what may come of it: a wrong Message-Authenticator, an unsigned password that does not decode
	ratchets    ratchets
	behaviour   behaviour

	// Guarded by duplicates.mu:
	inFlight int
	byUser   map[string]*waiting // the newest login of each user that waits
	replays  replays

	statuses statusServers
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
	Accounting          atomic.Uint64 // Accounting-Requests, which get no answer
	Anonymous           atomic.Uint64 // with no NAS-IP-Address, NAS-IPv6-Address or NAS-Identifier
}

// loginWaits is called with duplicates.mu held.
func (t *traffic) loginWaits(login *waiting, user string, now time.Time) {
	login.asking = retransmissions{user: user, first: now, last: now}
	if user == "" { // two of them need not be one user
		return
	}
	if other := t.byUser[user]; other != nil {
		t.behaviour.asksAnew(other, now)
	}
	if t.byUser == nil {
		t.byUser = make(map[string]*waiting)
	}
	t.byUser[user] = login
}

// loginEnds is called with duplicates.mu held, once for every login that waited.
func (t *traffic) loginEnds(login *waiting) {
	if user := login.asking.user; t.byUser[user] == login {
		delete(t.byUser, user)
	}
}

// dueForWarning reports, once a day, that a client without Message-Authenticator should be named in the log.
func (t *traffic) dueForWarning(now time.Time) bool {
	today := now.Unix() / (24 * 60 * 60)
	return t.warned.Swap(today) != today
}

// limiter is a token bucket.
type limiter struct {
	mu     sync.Mutex // guards all
	tokens float64
	last   time.Time
}

func (l *limiter) allow(now time.Time, perSecond, burst float64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last.IsZero() {
		l.tokens = burst
	} else {
		l.tokens = min(burst, l.tokens+now.Sub(l.last).Seconds()*perSecond)
	}
	l.last = now
	if l.tokens < 1 {
		return false
	}
	l.tokens--
	return true
}
