package admin

import (
	"sync"

	"duoradiusd/radiusd"
)

const keptLogins = 200

// recent holds the last logins, in a ring.
type recent struct {
	mu   sync.Mutex // guards all
	ring [keptLogins]radiusd.Event
	n    int // how many there ever were
}

func (r *recent) add(e *radiusd.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ring[r.n%keptLogins] = *e
	r.n++
}

// list returns them, the newest first.
func (r *recent) list() []radiusd.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]radiusd.Event, 0, min(r.n, keptLogins))
	for i := r.n - 1; i >= max(0, r.n-keptLogins); i-- {
		list = append(list, r.ring[i%keptLogins])
	}
	return list
}
