package duo_test

import (
	"context"
	"errors"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/duo"
	"duoradiusd/policy/factor"
	"duoradiusd/policy/memory"
	"duoradiusd/test/fakeduo"
)

// TestOutageList: which error each of these is, whether a ping gives the same, and what becomes of a login where failmode
// is "safe".
func TestOutageList(t *testing.T) {
	for _, s := range sources() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && strings.Contains(s.name, "silen") {
				t.Skip("slow: it waits for seconds of silence; -short leaves it out")
			}
			c := s.client(t)
			got, err := c.Preauth(t.Context(), policy.PreauthRequest{User: jo})
			if kind(err) != s.kind || got.Result != policy.PreauthUnknown {
				t.Errorf("preauth: got %v, %v (%s), want %s", got.Result, err, kind(err), s.kind)
			}
			if outage := c.Outage(t.Context()); s.kind == "unavailable" && errors.Is(outage, policy.ErrUnavailable) != s.outage {
				t.Errorf("outage: got %v, want %v", outage, s.outage)
			} else if s.kind == "unavailable" && !s.outage && outage != nil {
				t.Errorf("the ping failed: %v", outage)
			}
			v := policy.New(policy.Settings{}, memory.New(10).Runtime()).Decide(t.Context(), policy.Attempt{
				User: "jo", Authentic: true, Client: &policy.Client{
					Name: "vpn", Service: "vpn", Second: c, Factors: []factor.Factor{factor.Push}, Failmode: policy.FailmodeSafe,
				}})
			if opens := v.Outcome == policy.OutcomeAccept; opens != s.outage || opens && v.Reason != policy.ReasonFailedOpen || v.Err == nil {
				t.Errorf("failmode safe: got %v, %v, %v; want opened %v", v.Outcome, v.Reason, v.Err, s.outage)
			}
			for _, err := range []error{err, c.Outage(t.Context())} {
				if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "us:")) {
					t.Errorf("shows the proxy's password: %v", err)
				}
			}
			if strings.Contains(s.name, "proxy") && !strings.Contains(err.Error(), "the proxy 127.0.0.1:") {
				t.Errorf("does not name the proxy: %v", err)
			}
		})
	}
}

// TestOurQueueIsNoOutage: the client itself has too many calls, and Duo answers all that it gets. A call that waits for a
// connection until its time is up has not found an outage.
func TestOurQueueIsNoOutage(t *testing.T) {
	bubble(t, fakeduo.Config{DisableHTTP2: true}, fakeduo.User{}, func(c *duo.Config) { c.APITimeout, c.MaxConnections = 3*time.Second, 4 },
		func(t *testing.T, w *world) {
			w.Inject(preauthPath, fakeduo.Fault{Delay: time.Second, Times: -1})
			var wg sync.WaitGroup
			var mu sync.Mutex
			count := map[string]int{}
			for range 40 {
				wg.Go(func() {
					_, err := w.Client.Preauth(t.Context(), policy.PreauthRequest{User: jo})
					mu.Lock()
					defer mu.Unlock()
					count[kind(err)]++
				})
			}
			wg.Wait()
			if count["none"] < 8 || count["overloaded"] == 0 || count["unavailable"] > 0 || count["unknown"] > 0 {
				t.Errorf("got %v", count)
			}
			if err := w.Outage(t.Context()); err != nil {
				t.Errorf("outage: %v", err)
			}
		})
}

// TestOutageIsShared: however many logins ask about an outage, there is one ping. It has its fair chance even if a login
// ends sooner, and its failure counts for five seconds.
func TestOutageIsShared(t *testing.T) {
	bubble(t, fakeduo.Config{}, fakeduo.User{}, nil, func(t *testing.T, w *world) {
		w.Inject(pingPath, fakeduo.Fault{Hang: true, Times: -1})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.Outage(ctx); kind(err) != "cut short" || w.took() != time.Second {
			t.Errorf("a login that ends first: got %v after %v", err, w.took())
		}
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if err := w.Outage(t.Context()); kind(err) != "unavailable" || w.took() != 2200*time.Millisecond {
					t.Errorf("got %v after %v", err, w.took())
				}
			})
		}
		wg.Wait()
		if n := w.Count(pingPath); n != 1 {
			t.Errorf("%d pings", n)
		}
		time.Sleep(4 * time.Second)
		if start := w.took(); kind(w.Outage(t.Context())) != "unavailable" || w.took() != start {
			t.Errorf("it does not count any more")
		}
		w.Heal()
		time.Sleep(4 * time.Second)
		if err := w.Outage(t.Context()); err != nil {
			t.Errorf("healed: %v", err)
		}
	})
}

// TestPingBesidePreauth: a preauth that gets no answer for one user is not an outage. A ping that begins two seconds after
// it shows that.
func TestPingBesidePreauth(t *testing.T) {
	bubble(t, fakeduo.Config{}, fakeduo.User{}, nil, func(t *testing.T, w *world) {
		w.Inject(preauthPath, fakeduo.Fault{Hang: true})
		time.AfterFunc(1999*time.Millisecond, func() {
			if n := w.Count(pingPath); n != 0 {
				t.Errorf("%d pings before two seconds", n)
			}
		})
		time.AfterFunc(2500*time.Millisecond, func() {
			if n := w.Count(pingPath); n != 1 {
				t.Errorf("%d pings after two seconds", n)
			}
		})
		_, err := w.Client.Preauth(t.Context(), policy.PreauthRequest{User: jo})
		if kind(err) != "unavailable" || w.Outage(t.Context()) != nil {
			t.Errorf("got %v, outage %v", err, w.Outage(t.Context()))
		}
	})
}

// TestUserIP: which addresses Duo gets, by the setting. TestAddress has the list of "public".
func TestUserIP(t *testing.T) {
	for setting, want := range map[duo.UserIP][3]string{
		duo.UserIPPublic: {"203.0.113.7", "", ""},
		"":               {"203.0.113.7", "", ""},
		duo.UserIPAll:    {"203.0.113.7", "10.1.2.3", "2001:db8::1"},
		duo.UserIPNone:   {"", "", ""},
	} {
		s, c := ready(t, fakeduo.Config{IPv6: true}, fakeduo.User{}, func(c *duo.Config) { c.UserIP = setting })
		for i, ip := range []string{"203.0.113.7", "10.1.2.3", "2001:db8::1"} {
			if _, err := c.Preauth(t.Context(), policy.PreauthRequest{User: jo, IP: addr(ip)}); err != nil {
				t.Fatal(err)
			}
			if got := last(t, s, preauthPath).Params.Get("ipaddr"); got != want[i] {
				t.Errorf("%q, %s: got %q, want %q", setting, ip, got, want[i])
			}
		}
	}
}

// TestFront: a handshake shows the HTTP version that Duo chose, the root of its certificate, and the proxy.
func TestFront(t *testing.T) {
	for _, proto := range protocols {
		s, c := ready(t, proto.cfg, fakeduo.User{})
		if c.Front() != nil {
			t.Error("before a handshake")
		}
		if _, err := c.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		f := c.Front()
		if want := strings.TrimSuffix(proto.name, ".0"); f.HTTP != want || f.Root == nil || f.Root.Subject.CommonName != "fakeduo CA" || f.Proxy != "" {
			t.Errorf("got %+v, want %s", f, want)
		}
		proxy, _ := connectProxy(t)
		c = connected(t, s, func(c *duo.Config) { c.Proxy = &url.URL{Scheme: "http", Host: proxy} })
		if _, err := c.Ping(t.Context()); err != nil || c.Front().Proxy != proxy {
			t.Errorf("got %+v, %v", c.Front(), err)
		}
	}
}

// TestPinnedRoots: the date of the list is that of the SDK's version in go.mod.
func TestPinnedRoots(t *testing.T) {
	text, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	want := "duo_api_golang v0.0.0-" + strings.ReplaceAll(duo.PinnedRoots, "-", "")
	if !strings.Contains(string(text), want) {
		t.Errorf("go.mod has no %s", want)
	}
}
