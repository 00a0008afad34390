package shared_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestK88_Far: the store is 1 ms or 20 ms away, and there are 10 000 remembered logins, 64 at once. All are answered, over
// one connection for logins and at most one other, and no goroutine is left. The figures are in the log.
func TestK88_Far(t *testing.T) {
	if testing.Short() {
		t.Skip("10 000 logins")
	}
	for _, away := range []time.Duration{time.Millisecond, 20 * time.Millisecond} {
		t.Run(fmt.Sprint(away), func(t *testing.T) {
			r, duo := runRedis(t), newDuo()
			far := newPath(t, r.addr)
			far.delay = away / 2
			a := start(t, "a", far.addr, duo)
			approve(t, a, duo, "alice")
			const logins, atOnce = 10_000, 64
			before, began := runtime.NumGoroutine(), time.Now()
			var wg sync.WaitGroup
			for range atOnce {
				wg.Go(func() {
					for range logins / atOnce {
						if ok, err := a.cluster.Stores().Approvals.Use(t.Context(), keyOf("alice"), pushesCount); !ok || err != nil {
							t.Errorf("%v, %v", ok, err)
							return
						}
					}
				})
			}
			wg.Wait()
			took := time.Since(began)
			if n := strings.Count(r.cli("client", "list"), "name=duoradiusd"); n > 2 {
				t.Errorf("%d connections", n)
			} else {
				t.Logf("%v away: %.0f logins/s, %v each; %d connections, %d goroutines more", away, logins/took.Seconds(), took*atOnce/logins, n,
					runtime.NumGoroutine()-before)
			}
			eventually(t, "no goroutine stays behind", func() bool { return runtime.NumGoroutine() <= before+4 })
		})
	}
}
