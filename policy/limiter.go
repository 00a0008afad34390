package policy

import (
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// limiter is a budget of wrong attempts for each key, of which one comes back every refill. It is not safe for concurrent
// use.
type limiter[K comparable] struct {
	limit    int
	refill   time.Duration
	wrong    *simplelru.LRU[K, time.Time] // when the key will have its whole budget again
	checking map[K]*checking
}

// checking counts attempts of one key that are being checked.
type checking struct {
	attempts int
	changed  chan struct{} // closed when one of them has been checked
}

func newLimiter[K comparable](limit int, refill time.Duration) limiter[K] {
	return limiter[K]{limit: limit, refill: refill, wrong: mustLRU[K, time.Time](guardEntries), checking: make(map[K]*checking)}
}

// admit takes one attempt of key from the budget until checked says that it is checked. Where attempts that are being
// checked have taken the rest of the budget, it returns a channel that is closed when one of them has been checked.
func (l limiter[K]) admit(key K, now time.Time) (admitted bool, changed <-chan struct{}) {
	c := l.checking[key]
	if c == nil {
		c = &checking{changed: make(chan struct{})}
	}
	whole, _ := l.wrong.Get(key)
	if max(whole.Sub(now), 0)+time.Duration(c.attempts)*l.refill > time.Duration(l.limit-1)*l.refill {
		if c.attempts == 0 {
			return false, nil
		}
		return false, c.changed
	}
	c.attempts++
	l.checking[key] = c
	return true, nil
}

// checked gives back an attempt that admit took.
func (l limiter[K]) checked(key K) {
	c := l.checking[key]
	if c == nil {
		return
	}
	close(c.changed)
	if c.attempts--; c.attempts == 0 {
		delete(l.checking, key)
		return
	}
	c.changed = make(chan struct{})
}

// spent reports whether key has nothing left of its budget.
func (l limiter[K]) spent(key K, now time.Time) bool {
	whole, ok := l.wrong.Get(key)
	return ok && whole.Sub(now) > time.Duration(l.limit-1)*l.refill
}

// spend counts a wrong attempt. Many at one moment weigh no more than the whole budget: nobody may lock a user out for
// long.
func (l limiter[K]) spend(key K, now time.Time) {
	whole, _ := l.wrong.Get(key)
	left := max(whole.Sub(now), 0) + l.refill
	l.wrong.Add(key, now.Add(min(left, time.Duration(l.limit)*l.refill)))
}

// clear gives key its whole budget again.
func (l limiter[K]) clear(key K) { l.wrong.Remove(key) }
