package duo_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/duo"
	"duoradiusd/test/fakeduo"
)

// tally counts the results of many logins.
type tally struct {
	mu       sync.Mutex // guards the fields below
	begun    int
	accepted []policy.AuthResult
	denied   int
	failed   int
	err      error // the last error
}

// logins makes n logins at a time, for the users in turn. It repeats this times over, with pauses.
func logins(c *duo.Client, n, times int, pause time.Duration, users ...string) *tally {
	sum := &tally{}
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			for j := range times {
				r := push
				r.User = policy.Identity{Username: users[(i+j)%len(users)]}
				sum.add(login(context.Background(), c, r))
				time.Sleep(pause)
			}
		})
	}
	wg.Wait()
	return sum
}

func (y *tally) add(got policy.AuthResult, err error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.begun++
	switch {
	case err != nil:
		y.failed++
		y.err = err
	case got.Allowed:
		y.accepted = append(y.accepted, got)
	default:
		y.denied++
	}
}

// wantKept checks the promises: no more pushes than logins, and each accept is a push that jo, and only jo, allowed.
func (y *tally) wantKept(t *testing.T, s *fakeduo.Server) {
	t.Helper()
	if s.Pushes() > y.begun {
		t.Errorf("%d pushes for %d logins", s.Pushes(), y.begun)
	}
	allowed := map[string]int{}
	for _, a := range s.Allows() {
		if a.Username != "jo" {
			t.Errorf("Duo allowed %+v", a)
		}
		allowed[a.Txid]++
	}
	for _, got := range y.accepted {
		if allowed[got.Txid]--; allowed[got.Txid] < 0 {
			t.Errorf("accepted without an allow, or twice for one: %+v", got)
		}
	}
}

func TestConcurrentLogins(t *testing.T) {
	for _, proto := range protocols {
		s, c := ready(t, proto.cfg, fakeduo.User{}, func(c *duo.Config) {
			c.APITimeout, c.MaxConnections = time.Minute, 50 // a handshake under the race detector is slow
		})
		s.SetUser(fakeduo.User{Username: "al", Tap: fakeduo.Deny})
		sum := logins(c, 200, 1, 0, "jo", "al")
		sum.wantKept(t, s)
		if len(sum.accepted) != 100 || sum.denied != 100 || s.Pushes() != 200 {
			t.Errorf("%s: %d accepted, %d denied, %d failed, %d pushes: %v",
				proto.name, len(sum.accepted), sum.denied, sum.failed, s.Pushes(), sum.err)
		}
	}
}

// This uses all faults of Chaos, in up to every second request, in a bubble.
func TestChaos(t *testing.T) {
	for _, proto := range protocols {
		for seed := range int64(3) {
			t.Run(fmt.Sprint(proto.name, seed), func(t *testing.T) {
				bubble(t, proto.cfg, fakeduo.User{Delay: time.Second}, nil, func(t *testing.T, w *world) {
					w.SetUser(fakeduo.User{Username: "al", Tap: fakeduo.Deny, Delay: time.Second})
					w.Chaos(seed, 0.1*float64(seed+1))

					sum := logins(w.Client, 8, 6, 20*time.Second, "jo", "al")
					sum.wantKept(t, w.Server)
					if len(sum.accepted) == 0 || sum.denied == 0 || sum.failed == 0 {
						t.Errorf("%d accepted, %d denied, %d failed", len(sum.accepted), sum.denied, sum.failed)
					}
					w.Heal()
					time.Sleep(10 * time.Second) // until a probe has seen it
					w.Forget()
					sum = logins(w.Client, 12, 1, 0, "jo")
					if len(sum.accepted) != 12 || w.Pushes() != 12 {
						t.Errorf("healed: %d accepted of %d pushes", len(sum.accepted), w.Pushes())
					}
				})
			})
		}
	}
}

// Connections break during many logins at once, over real sockets.
func TestCutsUnderLoad(t *testing.T) {
	for _, proto := range protocols {
		s, c := ready(t, proto.cfg, fakeduo.User{Delay: 5 * time.Millisecond})
		s.SetUser(fakeduo.User{Username: "al", Tap: fakeduo.Fraud})
		s.Chaos(7, 0.05, fakeduo.Fault{CutBefore: true}, fakeduo.Fault{CutAfter: true})
		sum := logins(c, 20, 6, time.Millisecond, "jo", "al")
		sum.wantKept(t, s)
	}
}

// BenchmarkPushAnsweredAtOnce measures a login by push: preauth, auth and one auth_status. The figures include the fake
// Duo, its TLS and its memory.
func BenchmarkPushAnsweredAtOnce(b *testing.B) {
	for _, proto := range protocols {
		b.Run(proto.name, func(b *testing.B) {
			s, c := ready(b, proto.cfg, fakeduo.User{})
			b.ReportAllocs()
			for b.Loop() {
				if got, err := login(b.Context(), c, push); err != nil || !got.Allowed {
					b.Fatal(got, err)
				}
			}
			b.ReportMetric(float64(s.TotalConnections()), "connections")
		})
		b.Run(proto.name+" 64 at once", func(b *testing.B) {
			s, c := ready(b, proto.cfg, fakeduo.User{})
			b.ReportAllocs()
			b.SetParallelism(32)
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if got, err := login(b.Context(), c, push); err != nil || !got.Allowed {
						b.Error(got, err)
					}
				}
			})
			b.ReportMetric(float64(s.TotalConnections()), "connections")
		})
	}
}

// BenchmarkPending measures 4 000 pushes that wait for two seconds.
func BenchmarkPending(b *testing.B) {
	n := 4000
	if testing.Short() {
		n = 400
	}
	for b.Loop() {
		s, c := ready(b, fakeduo.Config{}, fakeduo.User{Delay: 2 * time.Second})
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() {
				if got, err := login(b.Context(), c, push); err != nil || !got.Allowed {
					b.Error(got, err)
				}
			})
		}
		wg.Wait()
		b.ReportMetric(float64(s.TotalConnections()), "connections")
		b.ReportMetric(float64(s.Pushes()), "pushes")
	}
}
