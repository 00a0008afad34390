package policy

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// TestCrew: everything that it is given runs at once, however much that is; few stay to wait for more, and they take
// the next work; none is left when the context has ended, after which it still runs what it is given.
func TestCrew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		crew := NewCrew(ctx)
		var ran atomic.Int32
		together := func(n int) {
			t.Helper()
			ran.Store(0)
			release := make(chan struct{})
			for range n {
				crew.Go(func() { ran.Add(1); <-release })
			}
			synctest.Wait()
			if got := int(ran.Load()); got != n {
				t.Errorf("%d of %d ran", got, n)
			}
			close(release)
			synctest.Wait()
		}
		waiting := func(want int) {
			t.Helper()
			if got := int(crew.idle.Load()); got != want {
				t.Errorf("%d goroutines wait, want %d", got, want)
			}
		}
		together(3)
		waiting(3)
		together(3)
		waiting(3) // the same ones
		together(3 * crewIdle)
		waiting(crewIdle)
		end()
		synctest.Wait()
		waiting(0)
		together(2)
		waiting(0)
	})
}
