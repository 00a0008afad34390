package memory

import (
	"slices"
	"time"

	"duoradiusd/policy/guard"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

type savedPushes struct {
	Phone  string // one of the keys of the phone
	Failed []time.Time
	Until  time.Time
	Hold   guard.Hold
}

// savedGuesses holds the counts of guesses.
type savedGuesses struct {
	Persons []savedSpent[personKey]
	Sources []savedSpent[string]
	Known   []savedKnown
}

type savedSpent[K comparable] struct {
	Key     K
	Settled time.Time
}

// savedKnown is a source that a person's logins have made known.
type savedKnown struct {
	Person, Source string
	Until          time.Time
}

func (g *localGuard) save(s *otherState) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	for _, key := range g.pushes.Keys() {
		if r, ok := g.pushes.Peek(key); ok && (len(r.failed) > 0 || now.Before(r.until)) {
			s.Pushes = append(s.Pushes, savedPushes{key, slices.Clone(r.failed), r.until, r.hold})
		}
	}
	s.Guesses = savedGuesses{Persons: saveSpent(g.persons.wrong, now), Sources: saveSpent(g.sources.wrong, now)}
	for _, person := range g.known.Keys() {
		sources, _ := g.known.Peek(person)
		for source, until := range sources {
			if now.Before(until) {
				s.Guesses.Known = append(s.Guesses.Known, savedKnown{person, source, until})
			}
		}
	}
}

func saveSpent[K comparable](lru *simplelru.LRU[K, time.Time], now time.Time) (list []savedSpent[K]) {
	for _, key := range lru.Keys() {
		if at, ok := lru.Peek(key); ok && now.Before(at) {
			list = append(list, savedSpent[K]{key, at})
		}
	}
	return list
}

// restore limits each lock-out to the longest one that could begin now, whatever a clock or a configuration said before.
// limiter.owed does this for guesses. A source is known for no longer than if Duo had allowed a login now.
func (g *localGuard) restore(s *otherState, limit guard.PushLimits, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range s.Pushes {
		for i := range p.Failed {
			p.Failed[i] = earlier(p.Failed[i], now)
		}
		longest := limit.Cooldown
		if p.Hold == guard.HoldByDuo || p.Hold == guard.HoldTooQuick {
			longest = guard.HoldTime
		}
		g.pushes.Add(p.Phone, &pushRecord{failed: p.Failed, until: earlier(p.Until, now.Add(longest)), hold: p.Hold})
	}
	for _, p := range s.Guesses.Persons {
		g.persons.wrong.Add(p.Key, p.Settled)
	}
	for _, a := range s.Guesses.Sources {
		g.sources.wrong.Add(a.Key, a.Settled)
	}
	for _, k := range s.Guesses.Known {
		g.know(k.Person, k.Source, earlier(k.Until, now.Add(knownFor)), now)
	}
}
