package radiusd

import (
	"sync"
	"sync/atomic"
	"time"
)

// traffic is what the server knows of one client's packets. It is stored under the client's name, so that it is kept when
// the configuration is reloaded.
type traffic struct {
	Counts
	warned      atomic.Int64 // the day of the last warning, in days since 1970
	wrongSecret tally        // counts wrong Message-Authenticators and undecodable passwords of unsigned requests
	ratchets    ratchets
	behaviour   behaviour

	// duplicates.mu guards inFlight, byUser and replays.
	inFlight int
	byUser   map[string]*waiting // each user's newest waiting login
	replays  replays

	statuses statusServers
}

// Counts counts the well-formed packets that came from one client's addresses. Read the counters with Load.
type Counts struct {
	Packets             atomic.Uint64 // well-formed Access-Requests
	Authenticated       atomic.Uint64 // with a valid Message-Authenticator
	Unauthenticated     atomic.Uint64 // without a Message-Authenticator
	Wrong               atomic.Uint64 // with a wrong Message-Authenticator
	EAP                 atomic.Uint64
	ProxyStateUnguarded atomic.Uint64 // Proxy-State without a Message-Authenticator
	LastWithout         atomic.Int64  // the time of the last request without a Message-Authenticator, in Unix seconds; 0: never
	Accounting          atomic.Uint64 // Accounting-Requests, which get no answer
	Anonymous           atomic.Uint64 // with no NAS-IP-Address, NAS-IPv6-Address or NAS-Identifier
}

// loginWaits notes that login has started to wait. The caller holds duplicates.mu.
func (t *traffic) loginWaits(login *waiting, user string, now time.Time) {
	login.asking = retransmissions{user: user, first: now, last: now}
	if user == "" { // two logins without a name may be of two users
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

// loginEnds notes that login no longer waits. It is called once for each waiting login. The caller holds duplicates.mu.
func (t *traffic) loginEnds(login *waiting) {
	if user := login.asking.user; t.byUser[user] == login {
		delete(t.byUser, user)
	}
}

// dueForWarning returns true on its first call of each day. Then the log must name a client that sends no
// Message-Authenticator.
func (t *traffic) dueForWarning(now time.Time) bool {
	today := now.Unix() / (24 * 60 * 60)
	return t.warned.Swap(today) != today
}

// limiter limits a rate with a token bucket.
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
