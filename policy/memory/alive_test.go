package memory

import (
	"sync"
	"testing"
	"time"
)

// TestAlive: if any one lock is never released, Alive notices it.
func TestAlive(t *testing.T) {
	m := New(10)
	m.Alive()
	for name, lock := range map[string]sync.Locker{
		"approvals": &m.approvals.mu, "challenges": &m.challenges.mu, "guard": &m.guard.mu, "replays": &m.replays.mu,
		"transactions": &m.transactions.mu,
	} {
		returned := make(chan struct{})
		lock.Lock()
		go func() {
			m.Alive()
			close(returned)
		}()
		select {
		case <-returned:
			t.Errorf("alive although the lock of %s hangs", name)
		case <-time.After(10 * time.Millisecond):
		}
		lock.Unlock()
		<-returned
	}
}
