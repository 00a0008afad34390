package policy

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Limits on what one user, or one address, may cause.
const (
	guardEntries = 1 << 16 // users and addresses watched at once, each

	wrongPerUser    = 10               // wrong passwords of one user...
	wrongPerAddress = 50               // ...and from one address, before they are throttled...
	wrongRefill     = 30 * time.Second // ...but for one more each time
)

// PushLimits is [guard]: against a thief of a password who rings until the user gives in.
type PushLimits struct {
	Pushes   int           // unanswered or denied ones within...
	Window   time.Duration // ...this time, then only a passcode counts...
	Cooldown time.Duration // ...for this long; 0 turns the guard off
}

// localGuard is Guard inside this process.
type localGuard struct {
	changes *atomic.Uint64

	mu        sync.Mutex // guards all below
	pushes    *simplelru.LRU[Identity, *pushRecord]
	persons   limiter[string]       // wrong passwords
	addresses limiter[netip.Prefix] // the same
}

// pushRecord is one Duo user's pushes that were not answered with a yes.
type pushRecord struct {
	failed []time.Time // newest last
	until  time.Time   // of the cooldown
}

func newLocalGuard(changes *atomic.Uint64) *localGuard {
	return &localGuard{
		changes:   changes,
		pushes:    mustLRU[Identity, *pushRecord](guardEntries),
		persons:   newLimiter[string](wrongPerUser, wrongRefill),
		addresses: newLimiter[netip.Prefix](wrongPerAddress, wrongRefill),
	}
}

func mustLRU[K comparable, V any](size int) *simplelru.LRU[K, V] {
	lru, err := simplelru.NewLRU[K, V](size, nil)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return lru
}

// Admit implements Guard. Many wrong passwords from one address are not admitted either.
func (g *localGuard) Admit(ctx context.Context, a GuardedAttempt) (bool, error) {
	for {
		admitted, checked := g.admit(a)
		if admitted || checked == nil {
			return admitted, nil
		}
		select {
		case <-checked:
		case <-ctx.Done():
			return false, nil
		}
	}
}

// admit admits a, or returns a channel that is closed when an attempt has been checked that a has to wait for; nil where
// there is none.
func (g *localGuard) admit(a GuardedAttempt) (admitted bool, checked <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if g.addresses.spent(household(a.IP), now) {
		return false, nil
	}
	if a.Person == "" {
		return true, nil
	}
	return g.persons.admit(a.Person, now)
}

// Checked implements Guard.
func (g *localGuard) Checked(_ context.Context, a GuardedAttempt, result CheckResult) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	counted := a.Person != "" && !a.Later
	if counted {
		g.persons.checked(a.Person)
	}
	switch {
	case result == CheckedRight:
		g.persons.clear(a.Person)
	case counted && result != CheckedNotAsked:
		g.persons.spend(a.Person, now)
	}
	if result == CheckedWrong && a.IP.IsValid() {
		g.addresses.spend(household(a.IP), now)
	}
	g.changes.Add(1)
	return nil
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

// CoolingDown implements Guard.
func (g *localGuard) CoolingDown(_ context.Context, user Identity) (bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, ok := g.pushes.Get(user)
	return ok && time.Now().Before(r.until), nil
}

// PushEnded implements Guard.
func (g *localGuard) PushEnded(_ context.Context, user Identity, status string, limits PushLimits) error {
	if limits.Cooldown <= 0 {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.changes.Add(1)
	now := time.Now()
	r, ok := g.pushes.Get(user)
	if !ok {
		r = &pushRecord{}
	}
	switch status {
	case "allow", "bypass":
		g.pushes.Remove(user)
		return nil
	case "fraud":
		r.until = now.Add(limits.Cooldown)
	default:
		recent := r.failed[:0]
		for _, at := range r.failed {
			if now.Sub(at) < limits.Window {
				recent = append(recent, at)
			}
		}
		r.failed = append(recent, now)
		if limits.Pushes > 0 && len(r.failed) >= limits.Pushes {
			r.failed, r.until = nil, now.Add(limits.Cooldown)
		}
	}
	g.pushes.Add(user, r)
	return nil
}

func (g *localGuard) len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.pushes.Len() + g.persons.wrong.Len() + g.addresses.wrong.Len()
}
