package memory

import (
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// limiter keeps a budget of wrong guesses for each key. One guess comes back in every refill time. Each call gets the budget
// as a parameter, so a change of the configuration counts at once. A limiter is not safe for concurrent use.
type limiter[K comparable] struct {
	wrong    *simplelru.LRU[K, time.Time] // when the key has its whole budget again
	checking map[K]*checking
}

// budget says how many wrong guesses a key has, and in what time it regains one. A size of 0 means no limit.
type budget struct {
	size   int
	refill time.Duration
}

func (b budget) off() bool { return b.size <= 0 || b.refill <= 0 }

// checking counts guesses of one key that are being checked.
type checking struct {
	guesses int
	changed chan struct{} // closed when one of them has been checked
}

func newLimiter[K comparable](size int) limiter[K] {
	return limiter[K]{wrong: mustLRU[K, time.Time](size), checking: make(map[K]*checking)}
}

// owed returns how long it takes until key has its whole budget again. It shortens a time that is longer than a whole budget
// takes. Such a time stays behind if a clock was set back or if the budget was larger before.
func (l limiter[K]) owed(key K, b budget, now time.Time) time.Duration {
	whole, _ := l.wrong.Get(key)
	all := time.Duration(b.size) * b.refill
	if whole.Sub(now) > all {
		l.wrong.Add(key, now.Add(all))
		return all
	}
	return max(whole.Sub(now), 0)
}

// admit takes one guess of key from the budget until checked is called for it. If guesses that are still being checked have
// taken the rest of the budget, admit returns a channel that is closed when one of them has been checked.
func (l limiter[K]) admit(key K, b budget, now time.Time) (admitted bool, changed <-chan struct{}) {
	c := l.checking[key]
	if c == nil {
		c = &checking{changed: make(chan struct{})}
	}
	if !b.off() && l.owed(key, b, now)+time.Duration(c.guesses)*b.refill > time.Duration(b.size-1)*b.refill {
		if c.guesses == 0 {
			return false, nil
		}
		return false, c.changed
	}
	c.guesses++
	l.checking[key] = c
	return true, nil
}

// checked returns a guess that admit took to the budget.
func (l limiter[K]) checked(key K) {
	c := l.checking[key]
	if c == nil {
		return
	}
	close(c.changed)
	if c.guesses--; c.guesses == 0 {
		delete(l.checking, key)
		return
	}
	c.changed = make(chan struct{})
}

// next returns when the budget of key has room for one more guess. That is now, unless the budget is spent.
func (l limiter[K]) next(key K, b budget, now time.Time) time.Time {
	if b.off() {
		return now
	}
	return now.Add(max(l.owed(key, b, now)-time.Duration(b.size-1)*b.refill, 0))
}

// spent reports whether nothing is left of the budget of key.
func (l limiter[K]) spent(key K, b budget, now time.Time) bool { return l.next(key, b, now).After(now) }

// spend counts a wrong guess. Many wrong guesses at one moment never owe more than the whole budget, so that nobody can lock
// a user out for long.
func (l limiter[K]) spend(key K, b budget, now time.Time) {
	if b.off() {
		return
	}
	owed := l.owed(key, b, now) + b.refill
	l.wrong.Add(key, now.Add(min(owed, time.Duration(b.size)*b.refill)))
}

// credit gives one wrong guess back. It reports whether there was one.
func (l limiter[K]) credit(key K, b budget, now time.Time) bool {
	owed := l.owed(key, b, now)
	if owed <= 0 {
		return false
	}
	l.wrong.Add(key, now.Add(max(owed-b.refill, 0)))
	return true
}

// count returns how many wrong guesses of key have not come back yet.
func (l limiter[K]) count(key K, b budget, now time.Time) int {
	if b.off() {
		return 0
	}
	return int((l.owed(key, b, now) + b.refill - 1) / b.refill)
}

// clear restores the whole budget of key. It reports whether anything was missing.
func (l limiter[K]) clear(key K, now time.Time) bool {
	whole, ok := l.wrong.Peek(key)
	l.wrong.Remove(key)
	return ok && now.Before(whole)
}
