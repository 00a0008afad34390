package memory

import (
	"cmp"
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/guard"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// localGuard implements policy.Guard inside this process.
type localGuard struct {
	changes *atomic.Uint64

	mu     sync.Mutex                          // guards the fields below
	pushes *simplelru.LRU[string, *pushRecord] // by the keys of a phone
	guesses
}

// pushRecord holds the pushes to one phone that did not end with the user's approval.
type pushRecord struct {
	failed []time.Time // their times, the newest last
	until  time.Time   // the end of the cooldown
	hold   guard.Hold  // the reason for the cooldown
}

func newGuard(changes *atomic.Uint64) *localGuard {
	return &localGuard{
		changes: changes,
		pushes:  mustLRU[string, *pushRecord](guardEntries),
		guesses: newGuesses(),
	}
}

func mustLRU[K comparable, V any](size int) *simplelru.LRU[K, V] {
	lru, err := simplelru.NewLRU[K, V](size, nil)
	if err != nil {
		panic(err) // happens only for a size below 1
	}
	return lru
}

// CoolingDown implements policy.Guard.
func (g *localGuard) CoolingDown(_ context.Context, phone policy.Phone) (guard.Hold, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, key := range phone.Keys() {
		if r, ok := g.pushes.Get(key); ok && time.Now().Before(r.until) {
			return cmp.Or(r.hold, guard.HoldUnanswered), nil
		}
	}
	return "", nil
}

// PushEnded implements policy.Guard.
func (g *localGuard) PushEnded(_ context.Context, phone policy.Phone, end guard.PushEnd, limits guard.PushLimits) error {
	if limits.Cooldown <= 0 && end.Hold() == "" {
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

// pushEnded counts the end of a push. The caller holds mu.
func (g *localGuard) pushEnded(key string, end guard.PushEnd, limits guard.PushLimits, now time.Time) {
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
		r.coolDown(guard.HoldUnanswered, now.Add(limits.Cooldown))
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
			r.coolDown(guard.HoldUnanswered, now.Add(limits.Cooldown))
		}
	}
	if hold := end.Hold(); hold != "" {
		r.coolDown(hold, now.Add(guard.HoldTime))
	}
	g.pushes.Add(key, r)
}

// coolDown keeps the phone from ringing until the given time. It never shortens a cooldown that is in force.
func (r *pushRecord) coolDown(why guard.Hold, until time.Time) {
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
func (g *localGuard) listPushes(now time.Time) (list []guard.Count) {
	for _, key := range g.pushes.Keys() {
		person, ok := strings.CutPrefix(key, policy.PersonKeyPrefix)
		if r, _ := g.pushes.Peek(key); ok && now.Before(r.until) {
			list = append(list, guard.Count{Limit: guard.LimitPushes, Person: person, HeldUntil: r.until})
		}
	}
	return list
}

// clearPushes removes the pushes to a person's phone, which ends its cooldown. n is 1 if there was a cooldown.
func (g *localGuard) clearPushes(what policy.GuardClear, now time.Time) (n int) {
	if what.Person == "" {
		return 0
	}
	for _, key := range (policy.Phone{Duo: what.Duo, Person: what.Person}).Keys() {
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
