package memory

import (
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// limiter is a budget of wrong guesses for each key, of which one comes back every refill. The budget is told with each
// call, so that a change of configuration changes it. It is not safe for concurrent use.
type limiter[K comparable] struct {
	wrong    *simplelru.LRU[K, time.Time] // when the key will have its whole budget again
	checking map[K]*checking
}

// budget is how many wrong guesses a key has, and how soon one more. A size of 0 is no limit.
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

// owed is how long it takes until key has its whole budget again. From now on that is never longer than the whole budget
// takes, although a clock was set back, or the budget was larger before.
func (l limiter[K]) owed(key K, b budget, now time.Time) time.Duration {
	whole, _ := l.wrong.Get(key)
	all := time.Duration(b.size) * b.refill
	if whole.Sub(now) > all {
		l.wrong.Add(key, now.Add(all))
		return all
	}
	return max(whole.Sub(now), 0)
}

// admit takes one guess of key from the budget until checked says that it is checked. Where guesses that are being
// checked have taken the rest of the budget, it returns a channel that is closed when one of them has been checked.
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

// checked gives back a guess that admit took.
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

// next is when the budget of key has room for one more: now, unless it is spent.
func (l limiter[K]) next(key K, b budget, now time.Time) time.Time {
	if b.off() {
		return now
	}
	return now.Add(max(l.owed(key, b, now)-time.Duration(b.size-1)*b.refill, 0))
}

// spent reports whether key has nothing left of its budget.
func (l limiter[K]) spent(key K, b budget, now time.Time) bool { return l.next(key, b, now).After(now) }

// spend counts a wrong guess. Many at one moment weigh no more than the whole budget: nobody may lock a user out for long.
func (l limiter[K]) spend(key K, b budget, now time.Time) {
	if b.off() {
		return
	}
	owed := l.owed(key, b, now) + b.refill
	l.wrong.Add(key, now.Add(min(owed, time.Duration(b.size)*b.refill)))
}

// credit gives one wrong guess back, and reports whether there was one.
func (l limiter[K]) credit(key K, b budget, now time.Time) bool {
	owed := l.owed(key, b, now)
	if owed <= 0 {
		return false
	}
	l.wrong.Add(key, now.Add(max(owed-b.refill, 0)))
	return true
}

// count is how many wrong guesses of key have not been regained.
func (l limiter[K]) count(key K, b budget, now time.Time) int {
	if b.off() {
		return 0
	}
	return int((l.owed(key, b, now) + b.refill - 1) / b.refill)
}

// clear gives key its whole budget again, and reports whether something was missing.
func (l limiter[K]) clear(key K, now time.Time) bool {
	whole, ok := l.wrong.Peek(key)
	l.wrong.Remove(key)
	return ok && now.Before(whole)
}
