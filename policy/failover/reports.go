package failover

import "sync"

// Reports makes calls one after the other, in the order in which they were added. The zero Reports is ready for use.
type Reports struct {
	mu      sync.Mutex // guards what follows
	list    []func()
	running bool
}

// Add queues a call. It may be called while a lock is held that orders the calls.
func (r *Reports) Add(call func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, call)
}

// Flush makes the calls that wait, unless another goroutine is doing so already; then that one makes them. The caller must
// not hold a lock that a call needs.
func (r *Reports) Flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running {
		return
	}
	r.running = true
	for len(r.list) > 0 {
		call := r.list[0]
		r.list = r.list[1:]
		r.mu.Unlock()
		call()
		r.mu.Lock()
	}
	r.running = false
}
