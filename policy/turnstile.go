package policy

import "sync"

// startsAtOnce is how many logins may be on their way to Duo at once, of those for which nobody else is asked before. At
// nine o'clock more come in a second than are worked off in one, and each on its way takes ten times the memory of one
// that waits for its turn. Where Duo takes a whole second for preauth it is still four thousand logins a second.
const startsAtOnce = 4096

// turnstile lets a number of functions run at once. Those who come when there are enough leave theirs to those inside.
type turnstile struct {
	mu     sync.Mutex // guards all
	inside int
	queue  []func() // from first on
	first  int
}

// pass runs f, or has it run later by another goroutine that passes.
func (t *turnstile) pass(f func()) {
	for f = t.enter(f); f != nil; f = t.leave() {
		f()
	}
}

// enter returns f where there is room, else nil.
func (t *turnstile) enter(f func()) func() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.inside == startsAtOnce {
		t.queue = append(t.queue, f)
		return nil
	}
	t.inside++
	return f
}

// leave returns what is to run in the place of what has run; nil where there is nothing.
func (t *turnstile) leave() (f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.first == len(t.queue) {
		t.inside--
		t.queue, t.first = t.queue[:0], 0
		return nil
	}
	f, t.queue[t.first] = t.queue[t.first], nil
	t.first++
	return f
}
