package duo_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/duo"
	"duoradiusd/test/fakeduo"
)

// diary records the calls of OnHealth.
type diary struct {
	mu    sync.Mutex // guards the fields below
	lines []string
	errs  []error
}

func (d *diary) keep(c *duo.Config) {
	c.OnHealth = func(h duo.Health, err error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.lines, d.errs = append(d.lines, h.String()), append(d.errs, err)
	}
}

func (d *diary) want(t *testing.T, c *duo.Client, want ...string) {
	t.Helper()
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.lines, want) {
		t.Errorf("told %v, want %v", d.lines, want)
	}
	is := "up"
	if len(want) > 0 {
		is = want[len(want)-1]
	}
	h, err := c.Health()
	if h.String() != is || (err != nil) != (h == duo.Down) {
		t.Errorf("Health: got %v, %v, want %s", h, err, is)
	}
}

func preauth(t *testing.T, w *world) error {
	_, err := w.Client.Preauth(t.Context(), policy.PreauthRequest{User: jo})
	return err
}

// One failed call is not an outage if a ping succeeds.
func TestOneFailure(t *testing.T) {
	var d diary
	bubble(t, fakeduo.Config{}, fakeduo.User{}, d.keep, func(t *testing.T, w *world) {
		for _, fault := range []fakeduo.Fault{{Status: 503}, {Hang: true}, {CutBefore: true, Times: 2}} {
			w.Inject(preauthPath, fault)
			if err := preauth(t, w); kind(err) != "unavailable" {
				t.Errorf("%v: got %v", fault, err)
			}
			d.want(t, w.Client)
			if err := preauth(t, w); err != nil {
				t.Errorf("after %v: %v", fault, err)
			}
		}
		w.Inject(authPath, fakeduo.Fault{Status: 500})
		if _, err := w.Auth(t.Context(), &push); kind(err) != "unavailable" {
			t.Errorf("auth: got %v", err)
		}
		d.want(t, w.Client)
		if n := w.Count(pingPath); n != 5 {
			t.Errorf("%d pings, want one for each failure and one more beside the call that hangs", n)
		}
	})
}

// These errors are not an outage and cause no ping: a refusal, a wrong key, an answer that can't be understood, a caller
// who gives up.
func TestNoSuspicion(t *testing.T) {
	bubble(t, fakeduo.Config{}, fakeduo.User{}, nil, func(t *testing.T, w *world) {
		for _, fault := range []fakeduo.Fault{{Code: 40002}, {Code: 40103}, {Body: "<"}, {Status: 429, RetryAfter: "60"}} {
			w.Inject(preauthPath, fault)
			if err := preauth(t, w); err == nil || kind(err) == "unavailable" {
				t.Errorf("%v: got %v", fault, err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		w.Inject("", fakeduo.Fault{Hang: true})
		if _, err := w.Preauth(ctx, policy.PreauthRequest{User: jo}); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		synctest.Wait()
		if n := w.Count(pingPath); n != 0 {
			t.Errorf("%d pings", n)
		}
	})
}

// During an outage preauth fails at once, without a request. A ping every few seconds notices the end of the outage.
func TestOutage(t *testing.T) {
	for name, fault := range map[string]fakeduo.Fault{
		"503": {Status: 503}, "cut": {CutBefore: true}, "hang": {Hang: true}, "HTML 502": {Status: 502, Body: "<html>"},
	} {
		var d diary
		bubble(t, fakeduo.Config{}, fakeduo.User{}, d.keep, func(t *testing.T, w *world) {
			fault.Times = -1
			w.Inject("", fault)
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					if err := preauth(t, w); kind(err) != "unavailable" {
						t.Errorf("%s: got %v", name, err)
					}
				})
			}
			wg.Wait()
			time.Sleep(3 * time.Second) // the probe may hang as well
			d.want(t, w.Client, "down")

			w.Forget()
			for range 300 { // for half a minute
				start := time.Now()
				err := preauth(t, w)
				if kind(err) != "unavailable" || time.Since(start) != 0 ||
					!strings.HasPrefix(err.Error(), "Duo preauth: not asked, because the last ping failed: Duo ping: ") {
					t.Errorf("%s: got %v after %v", name, err, time.Since(start))
				}
				time.Sleep(100 * time.Millisecond)
			}
			if n := w.Count(preauthPath); n != 0 {
				t.Errorf("%s: %d preauths while down", name, n)
			}
			if n := w.Count(pingPath); n < 5 || n > 16 && name != "cut" || n > 32 {
				t.Errorf("%s: %d pings in half a minute", name, n)
			}
			d.want(t, w.Client, "down")

			w.Heal()
			time.Sleep(8 * time.Second)
			d.want(t, w.Client, "down", "up")
			if kind(d.errs[0]) != "unavailable" || d.errs[1] != nil {
				t.Errorf("%s: told %v", name, d.errs)
			}
			if err := preauth(t, w); err != nil {
				t.Errorf("%s: healed: %v", name, err)
			}
			n := w.Count(pingPath)
			time.Sleep(time.Minute)
			if w.Count(pingPath) != n {
				t.Errorf("%s: the probe goes on", name)
			}
		})
	}
}

// The probe does not delay a push that is in progress or begins.
func TestAuthWhileDown(t *testing.T) {
	var d diary
	bubble(t, fakeduo.Config{}, fakeduo.User{Delay: 20 * time.Second}, d.keep, func(t *testing.T, w *world) {
		r := push
		r.Started = func(string) {
			w.Inject(pingPath, fakeduo.Fault{Status: 503, Times: -1})
			w.Inject(preauthPath, fakeduo.Fault{Status: 503})
			preauth(t, w)
			d.want(t, w.Client, "down")
		}
		got, err := w.Auth(t.Context(), &r)
		wantPush(t, w.Server, got, err, "allow")
		d.want(t, w.Client, "down")
	})
}

// Any answer to a ping ends an outage. If something else is wrong, the call reports it.
func TestPingAnswered(t *testing.T) {
	for _, fault := range []fakeduo.Fault{{Status: 401}, {Status: 404}, {Body: "<html>"}, {Status: 429, RetryAfter: "60"}} {
		var d diary
		bubble(t, fakeduo.Config{}, fakeduo.User{}, d.keep, func(t *testing.T, w *world) {
			w.Inject("", fakeduo.Fault{Status: 500, Times: 2})
			fault.Times = -1
			w.Inject(pingPath, fault)
			preauth(t, w)
			d.want(t, w.Client, "down")
			time.Sleep(5 * time.Second)
			d.want(t, w.Client, "down", "up")
		})
	}
}

// Duo is slow when more than two of the last forty preauths took over three seconds. One that ran into its timeout counts,
// too.
func TestSlow(t *testing.T) {
	for _, fault := range []fakeduo.Fault{{Delay: 3500 * time.Millisecond}, {Hang: true}} {
		var d diary
		bubble(t, fakeduo.Config{}, fakeduo.User{}, d.keep, func(t *testing.T, w *world) {
			quick := func(n int) {
				for range n {
					if err := preauth(t, w); err != nil {
						t.Error(err)
					}
				}
			}
			late := func(n int) {
				for range n {
					w.Inject(preauthPath, fault)
					preauth(t, w)
				}
			}
			late(3)
			quick(36)
			d.want(t, w.Client) // too few to tell
			quick(1)
			d.want(t, w.Client, "slow")
			quick(1)
			d.want(t, w.Client, "slow", "up")
			late(2) // in place of the other two
			d.want(t, w.Client, "slow", "up")
			late(1)
			d.want(t, w.Client, "slow", "up", "slow")

			w.Inject("", fakeduo.Fault{Status: 500, Times: 2}) // a short outage does not make it fast
			preauth(t, w)
			d.want(t, w.Client, "slow", "up", "slow", "down")
			time.Sleep(5 * time.Second)
			d.want(t, w.Client, "slow", "up", "slow", "down", "slow")
			quick(40)
			d.want(t, w.Client, "slow", "up", "slow", "down", "slow", "up")
		})
	}
}

// Close ends the probe at any point. synctest would report a probe that goes on.
func TestCloseEndsProbe(t *testing.T) {
	for _, after := range []time.Duration{0, time.Second, 4 * time.Second, 58 * time.Second} {
		for _, fault := range []fakeduo.Fault{{Status: 503, Times: -1}, {Hang: true, Times: -1}} {
			bubble(t, fakeduo.Config{}, fakeduo.User{}, nil, func(t *testing.T, w *world) {
				w.Inject("", fault)
				preauth(t, w)
				time.Sleep(after)
				w.Client.Close()
				synctest.Wait()
				n := w.Count(pingPath)
				time.Sleep(time.Minute)
				preauth(t, w)
				synctest.Wait()
				if w.Count(pingPath) != n {
					t.Errorf("%v, %v: the probe goes on", fault, after)
				}
			})
		}
	}
}

// OnHealth is called with one change at a time, in order, and delays only the call that reports the change.
func TestHealthInOrder(t *testing.T) {
	var mu sync.Mutex
	var told []string
	edit := func(c *duo.Config) {
		c.OnHealth = func(h duo.Health, _ error) {
			if !mu.TryLock() {
				t.Error("told of two at once")
				return
			}
			defer mu.Unlock()
			time.Sleep(20 * time.Second)
			told = append(told, h.String())
		}
	}
	bubble(t, fakeduo.Config{}, fakeduo.User{}, edit, func(t *testing.T, w *world) {
		var wg sync.WaitGroup
		w.Inject(preauthPath, fakeduo.Fault{Delay: 4 * time.Second, Times: 40})
		for range 40 {
			wg.Go(func() { preauth(t, w) })
		}
		time.Sleep(5 * time.Second) // the last call is reporting
		start := w.took()
		w.Inject("", fakeduo.Fault{Status: 503, Times: 2})
		preauth(t, w)
		if w.took() != start {
			t.Errorf("a preauth took %v", w.took()-start)
		}
		synctest.Wait()
		if h, _ := w.Health(); h != duo.Down || mu.TryLock() {
			t.Errorf("Duo is %v, and nobody is told of it", h)
		}
		wg.Wait()
		w.Client.Close()
		if want := []string{"slow", "down", "slow"}; !slices.Equal(told, want) {
			t.Errorf("told %v, want %v", told, want)
		}
	})
}

// A preauth that began before an outage and is answered during it does not end the outage. Only the probe does.
func TestAnsweredWhileDown(t *testing.T) {
	var d diary
	bubble(t, fakeduo.Config{}, fakeduo.User{}, d.keep, func(t *testing.T, w *world) {
		w.Inject(preauthPath, fakeduo.Fault{Delay: 4 * time.Second})
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := preauth(t, w); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		w.Inject("", fakeduo.Fault{Status: 503, Times: 3})
		preauth(t, w)
		wg.Wait()
		d.want(t, w.Client, "down")
		time.Sleep(2 * time.Second)
		d.want(t, w.Client, "down", "up")
	})
}

// TestAnsweredBesidePing: a ping without an answer is no outage if Duo answers another call meanwhile.
func TestAnsweredBesidePing(t *testing.T) {
	for _, answered := range []bool{true, false} {
		var d diary
		bubble(t, fakeduo.Config{}, fakeduo.User{}, d.keep, func(t *testing.T, w *world) {
			w.Inject(pingPath, fakeduo.Fault{Hang: true, Times: -1})
			w.Inject(preauthPath, fakeduo.Fault{Status: 503})
			if err := preauth(t, w); kind(err) != "unavailable" {
				t.Fatalf("got %v", err)
			}
			time.Sleep(time.Second)
			if answered {
				if err := preauth(t, w); err != nil {
					t.Fatal(err)
				}
			}
			err := w.Client.Outage(t.Context())
			if answered {
				d.want(t, w.Client)
			} else {
				d.want(t, w.Client, "down")
			}
			if err == nil || errors.Is(err, policy.ErrUnavailable) == answered {
				t.Errorf("answered %v: Outage: %v", answered, err)
			}
		})
	}
}

func TestHealthString(t *testing.T) {
	if got := fmt.Sprint(duo.Up, duo.Slow, duo.Down); got != "up slow down" {
		t.Errorf("got %s", got)
	}
}

// A ping that is lost with its connection does not confirm an outage: it is sent again first.
func TestOneBrokenPing(t *testing.T) {
	var d diary
	bubble(t, fakeduo.Config{}, fakeduo.User{}, d.keep, func(t *testing.T, w *world) {
		w.Inject("/auth/v2/preauth", fakeduo.Fault{Status: 503})
		w.Inject("/auth/v2/ping", fakeduo.Fault{CutBefore: true})
		if err := preauth(t, w); !errors.Is(err, policy.ErrUnavailable) {
			t.Errorf("preauth: %v", err)
		}
		d.want(t, w.Client)
		if err := preauth(t, w); err != nil {
			t.Errorf("preauth again: %v", err)
		}
	})
}
