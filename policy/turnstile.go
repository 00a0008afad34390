package policy

import (
	"context"
	"sync"
)

// startsAtOnce is how many logins may be on their way to Duo at once, of those for which nobody else is asked before. At
// nine o'clock more come in a second than are worked off in one, and each on its way takes ten times the memory of one
// that waits for its turn. Where Duo takes a whole second for preauth it is still two thousand logins a second.
const startsAtOnce = 2048

// turnstile lets a number of functions run at once. Those who come when there are enough leave theirs to those inside.
type turnstile struct {
	mu     sync.Mutex // guards all
	inside int
	queue  []*turn // from first on
	first  int
}

// turn is a place in the queue.
type turn struct {
	f      func() // nil: it runs already
	heeded func() bool
}

// pass runs f, or has it run later by another goroutine that passes. When ctx ends f waits no more: it has nothing to do
// then but to say so.
func (t *turnstile) pass(ctx context.Context, f func()) {
	if t.enter(ctx, f) {
		t.work(f)
	}
}

// work runs f and what waits behind it.
func (t *turnstile) work(f func()) {
	finished := false
	defer func() {
		if !finished { // f panics
			go t.work(t.leave())
		}
	}()
	for ; f != nil; f = t.leave() {
		f()
	}
	finished = true
}

// enter reports whether there is room.
func (t *turnstile) enter(ctx context.Context, f func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.inside < startsAtOnce {
		t.inside++
		return true
	}
	w := &turn{f: f}
	w.heeded = context.AfterFunc(ctx, func() {
		if f := t.quit(w); f != nil {
			f()
		}
	})
	t.queue = append(t.queue, w)
	return false
}

// quit returns w's function, unless it runs already.
func (t *turnstile) quit(w *turn) (f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f, w.f = w.f, nil
	return f
}

// leave returns what is to run in the place of what has run; nil where there is nothing.
func (t *turnstile) leave() (f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for f == nil && t.first < len(t.queue) {
		w := t.queue[t.first]
		t.queue[t.first] = nil
		t.first++
		if f, w.f = w.f, nil; f != nil {
			w.heeded()
		}
	}
	if t.first > len(t.queue)/2 {
		rest := copy(t.queue, t.queue[t.first:])
		clear(t.queue[rest:])
		t.queue, t.first = t.queue[:rest], 0
	}
	if f == nil {
		t.inside--
	}
	return f
}
