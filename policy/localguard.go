package policy

import (
	"cmp"
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
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

	mu     sync.Mutex                          // guards all below
	pushes *simplelru.LRU[string, *pushRecord] // by the keys of a phone
	localGuesses
}

// pushRecord is one phone's pushes that were not answered with a yes.
type pushRecord struct {
	failed []time.Time // newest last
	until  time.Time   // of the cooldown
	hold   Hold        // its reason
}

func newLocalGuard(changes *atomic.Uint64) *localGuard {
	return &localGuard{
		changes:      changes,
		pushes:       mustLRU[string, *pushRecord](guardEntries),
		localGuesses: newLocalGuesses(),
	}
}

func mustLRU[K comparable, V any](size int) *simplelru.LRU[K, V] {
	lru, err := simplelru.NewLRU[K, V](size, nil)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return lru
}

// CoolingDown implements Guard.
func (g *localGuard) CoolingDown(_ context.Context, phone Phone) (Hold, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, key := range phone.Keys() {
		if r, ok := g.pushes.Get(key); ok && time.Now().Before(r.until) {
			return cmp.Or(r.hold, HoldUnanswered), nil
		}
	}
	return "", nil
}

// PushEnded implements Guard.
func (g *localGuard) PushEnded(_ context.Context, phone Phone, end PushEnd, limits PushLimits) error {
	if limits.Cooldown <= 0 && end.hold() == "" {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.changes.Add(1)
	for _, key := range phone.Keys() {
		g.pushEnded(key, end, limits, time.Now())
	}
	return nil
}

// pushEnded is called with mu held.
func (g *localGuard) pushEnded(key string, end PushEnd, limits PushLimits, now time.Time) {
	r, ok := g.pushes.Get(key)
	if !ok {
		r = &pushRecord{}
	}
	switch {
	case end.Status == "allow", end.Status == "bypass":
		g.pushes.Remove(key)
		return
	case limits.Cooldown <= 0:
	case end.Status == "fraud":
		r.coolDown(HoldUnanswered, now.Add(limits.Cooldown))
	default:
		recent := r.failed[:0]
		for _, at := range r.failed {
			if now.Sub(at) < limits.Window {
				recent = append(recent, at)
			}
		}
		r.failed = append(recent, now)
		if limits.Pushes > 0 && len(r.failed) >= limits.Pushes {
			r.failed = nil
			r.coolDown(HoldUnanswered, now.Add(limits.Cooldown))
		}
	}
	if hold := end.hold(); hold != "" {
		r.coolDown(hold, now.Add(holdTime))
	}
	g.pushes.Add(key, r)
}

// coolDown keeps the phone silent until then. It never shortens what is in force.
func (r *pushRecord) coolDown(why Hold, until time.Time) {
	if until.After(r.until) {
		r.hold, r.until = why, until
	}
}

func (g *localGuard) len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.pushes.Len() + g.persons.wrong.Len() + g.sources.wrong.Len()
}

// listPushes returns the phones that must not ring now.
func (g *localGuard) listPushes(now time.Time) (list []GuardCount) {
	for _, key := range g.pushes.Keys() {
		person, ok := strings.CutPrefix(key, personKeyPrefix)
		if r, _ := g.pushes.Peek(key); ok && now.Before(r.until) {
			list = append(list, GuardCount{Limit: LimitPushes, Person: person, HeldUntil: r.until})
		}
	}
	return list
}

// clearPushes lets the phones of what ring again.
func (g *localGuard) clearPushes(what GuardClear, now time.Time) (n int) {
	if what.Person == "" {
		return 0
	}
	for _, key := range (Phone{what.Duo, what.Person}).Keys() {
		r, ok := g.pushes.Peek(key)
		if !ok {
			continue
		}
		g.pushes.Remove(key)
		if now.Before(r.until) {
			n = 1
		}
	}
	return n
}
