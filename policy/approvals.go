package policy

import (
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Approvals remembers who was allowed by Duo, and until when. The LRU bounds its size; the expiry stands in the
// value, because approvals differ in lifetime and a lifetime of 0 must mean none.
type Approvals struct {
	mu  sync.Mutex // guards lru and the approvals in it
	lru *simplelru.LRU[approvalKey, *approval]
}

// approvalKey holds the Duo identity too, so that mapping a user to another Duo user forgets the old one's approvals.
type approvalKey struct {
	user    string
	duo     Identity
	service string // "" when approvals are not bound to it; so too the next two
	client  string
	ip      netip.Addr
}

type approval struct {
	at       time.Time
	lifetime time.Duration
	used     time.Time
	uses     int
}

// limits are the bounds of an approval's life beside its lifetime. 0 means none.
type limits struct {
	idle time.Duration
	uses int
}

func newApprovals(entries int) *Approvals {
	return &Approvals{lru: mustLRU[approvalKey, *approval](max(entries, 1))}
}

// use reports whether an approval still counts, and counts this use of it. lifetime is what the configuration grants
// today: an approval given under a longer one ends with it.
func (a *Approvals) use(key approvalKey, now time.Time, lifetime time.Duration, l limits) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	got, ok := a.lru.Get(key)
	if !ok {
		return false
	}
	if passed(got.at, now, min(lifetime, got.lifetime)) ||
		l.idle > 0 && passed(got.used, now, l.idle) ||
		l.uses > 0 && got.uses >= l.uses {
		a.lru.Remove(key)
		return false
	}
	got.used = now
	got.uses++
	return true
}

func (a *Approvals) add(key approvalKey, now time.Time, lifetime time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lru.Add(key, &approval{at: now, lifetime: lifetime, used: now})
}

// forget takes away every approval of a Duo user, after a report of fraud say.
func (a *Approvals) forget(duo Identity) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, key := range a.lru.Keys() {
		if key.duo == duo {
			a.lru.Remove(key)
		}
	}
}

// Resize changes how many approvals are kept at most; the least recently used go first.
func (a *Approvals) Resize(entries int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lru.Resize(max(entries, 1))
}

// Len returns how many approvals are kept, expired ones that nobody has asked for since included.
func (a *Approvals) Len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lru.Len()
}

// passed reports whether limit has passed since t, by the monotonic clock or by the wall clock: the first stands
// still while a machine sleeps, the second may be set back.
func passed(t, now time.Time, limit time.Duration) bool {
	return now.Sub(t) >= limit || now.Round(0).Sub(t.Round(0)) >= limit
}
