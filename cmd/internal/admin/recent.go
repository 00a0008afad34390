package admin

import (
	"sync"

	"duoradiusd/radiusd"
)

const remembered = 200 // logins

// recent is the last logins.
type recent struct {
	mu   sync.Mutex // guards all
	ring [remembered]radiusd.Event
	n    int // how many there ever were
}

func (r *recent) add(e *radiusd.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ring[r.n%remembered] = *e
	r.n++
}

// list returns them, the newest first.
func (r *recent) list() []radiusd.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]radiusd.Event, 0, min(r.n, remembered))
	for i := r.n - 1; i >= max(0, r.n-remembered); i-- {
		list = append(list, r.ring[i%remembered])
	}
	return list
}
