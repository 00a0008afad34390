package policy

import (
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Limits on what one user, or one address, may set off.
const (
	guardEntries = 1 << 16 // users and addresses watched at once, each

	wrongPerUser    = 10               // wrong passwords of one user...
	wrongPerAddress = 50               // ...and from one address, before they are throttled...
	wrongRefill     = 30 * time.Second // ...but for one more each time
)

// PushGuard is [guard]: against a thief of a password who rings until the user gives in.
type PushGuard struct {
	Pushes   int           // unanswered or denied ones within...
	Window   time.Duration // ...this time, then only a passcode counts...
	Cooldown time.Duration // ...for this long; 0 turns the guard off
}

// guard counts what went wrong. It is safe for concurrent use.
type guard struct {
	mu        sync.Mutex // guards all
	pushes    *simplelru.LRU[Identity, *pushRecord]
	users     *simplelru.LRU[string, time.Time]       // when their wrong passwords will be settled
	addresses *simplelru.LRU[netip.Prefix, time.Time] // the same
}

// pushRecord is one Duo user's pushes that were not answered with a yes.
type pushRecord struct {
	failed []time.Time // newest last
	until  time.Time   // of the cooldown
}

func newGuard() *guard {
	return &guard{
		pushes:    mustLRU[Identity, *pushRecord](guardEntries),
		users:     mustLRU[string, time.Time](guardEntries),
		addresses: mustLRU[netip.Prefix, time.Time](guardEntries),
	}
}

func mustLRU[K comparable, V any](size int) *simplelru.LRU[K, V] {
	lru, err := simplelru.NewLRU[K, V](size, nil)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return lru
}

// cooling reports whether this user's phone must not be rung now.
func (g *guard) cooling(user Identity, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, ok := g.pushes.Get(user)
	return ok && now.Before(r.until)
}

// rung counts the end of a push or call.
func (g *guard) rung(user Identity, status string, limit PushGuard, now time.Time) {
	if limit.Cooldown <= 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	r, ok := g.pushes.Get(user)
	if !ok {
		r = &pushRecord{}
	}
	switch status {
	case "allow", "bypass":
		g.pushes.Remove(user)
		return
	case "fraud":
		r.until = now.Add(limit.Cooldown)
	default:
		recent := r.failed[:0]
		for _, at := range r.failed {
			if now.Sub(at) < limit.Window {
				recent = append(recent, at)
			}
		}
		r.failed = append(recent, now)
		if limit.Pushes > 0 && len(r.failed) >= limit.Pushes {
			r.failed, r.until = nil, now.Add(limit.Cooldown)
		}
	}
	g.pushes.Add(user, r)
}

// admit reports whether a password of this user may be checked, and counts it as wrong until it proves to be right:
// guesses that come side by side must not all reach the directory, where they would lock the user out. Too many from
// one address are not admitted either. A user of "" is nobody in particular.
func (g *guard) admit(user string, ip netip.Addr, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if user != "" && spent(g.users, user, wrongPerUser, now) || spent(g.addresses, household(ip), wrongPerAddress, now) {
		return false
	}
	if user != "" {
		spend(g.users, user, wrongPerUser, now)
	}
	return true
}

// wrong counts a wrong password against its address.
func (g *guard) wrong(ip netip.Addr, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if ip.IsValid() {
		spend(g.addresses, household(ip), wrongPerAddress, now)
	}
}

// unasked takes back what admit counted: nobody could say whether the password was wrong.
func (g *guard) unasked(user string, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if at, ok := g.users.Get(user); ok {
		g.users.Add(user, at.Add(-wrongRefill))
	}
}

// household is what one subscriber has: an IPv4 address, or a /64 of IPv6 to choose from at will.
func household(ip netip.Addr) netip.Prefix {
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	p, _ := ip.Prefix(bits)
	return p
}

// right clears a user's wrong passwords.
func (g *guard) right(user string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.users.Remove(user)
}

// spent reports whether key has none of its wrong passwords left.
func spent[K comparable](settled *simplelru.LRU[K, time.Time], key K, limit int, now time.Time) bool {
	at, ok := settled.Get(key)
	return ok && at.Sub(now) > time.Duration(limit-1)*wrongRefill
}

// spend puts off the time when all wrong passwords of key are settled. Many at one moment weigh no more than limit of
// them: nobody may lock a user out for long.
func spend[K comparable](settled *simplelru.LRU[K, time.Time], key K, limit int, now time.Time) {
	at, _ := settled.Get(key)
	left := max(at.Sub(now), 0) + wrongRefill
	settled.Add(key, now.Add(min(left, time.Duration(limit)*wrongRefill)))
}
