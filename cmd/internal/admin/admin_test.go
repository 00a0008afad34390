package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"duoradiusd/cmd/internal/history"
	"duoradiusd/policy"
	"duoradiusd/policy/factor"
	"duoradiusd/policy/guard"
	"duoradiusd/policy/memory"
	"duoradiusd/radiusd"
	"duoradiusd/radiusd/wire"
)

// house is a daemon as tests furnish it.
type house struct {
	*Admin
	t testing.TB

	mu        sync.Mutex // guards all below
	notReady  error
	duo       []Application
	first     []FirstFactor
	approvals []policy.Approval
	guard     []guard.Count
	forgotten []string
	cleared   []string
	logins    history.Logins

	certificates []Certificate
	frauds       uint64
	lost         uint64
}

func newHouse(t testing.TB, clients ...string) *house {
	t.Helper()
	var list []*radiusd.Client
	for i, name := range append([]string{"vpn"}, clients...) {
		list = append(list, &radiusd.Client{
			Name: name, Secret: wire.NewSecret("secret-of-the-client"), Login: &policy.Client{Name: name, Service: name},
			Addresses: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 32)},
		})
	}
	cs, err := radiusd.NewClients(list)
	if err != nil {
		t.Fatal(err)
	}
	server := &radiusd.Server{}
	server.Use(radiusd.Settings{Clients: cs})
	h := &house{t: t, duo: []Application{{Host: "api-1.duosecurity.com", State: "up"}}}
	h.Admin = New(Daemon{
		Version: "v1.2.3", Server: server, Memory: memory.New(10),
		Serves:       func() string { return "1 client, 2 users" },
		Ready:        func() error { return locked(h, &h.notReady) },
		Applications: func() []Application { return locked(h, &h.duo) },
		FirstFactors: func() []FirstFactor { return locked(h, &h.first) },
		Approvals:    func(context.Context, string, int) ([]policy.Approval, error) { return locked(h, &h.approvals), nil },
		Forget:       h.forgets,
		Guard:        func(context.Context) ([]guard.Count, error) { return slices.Clone(locked(h, &h.guard)), nil },
		Frauds:       func() uint64 { return locked(h, &h.frauds) },
		LostLines:    func() uint64 { return locked(h, &h.lost) },
		Logins:       &h.logins,
		Canonical:    strings.ToLower,
		ClearHeld:    h.clears,
		Certificates: func() []Certificate { return locked(h, &h.certificates) },
		Log:          slog.New(slog.DiscardHandler),
	})
	return h
}

func locked[T any](h *house, v *T) T {
	h.mu.Lock()
	defer h.mu.Unlock()
	return *v
}

func (h *house) forgets(_ context.Context, user string) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forgotten = append(h.forgotten, user)
	return 2, nil
}

func (h *house) clears(_ context.Context, user, source string) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cleared = append(h.cleared, user+"@"+source)
	return 1, nil
}

// Observe is a login, as the daemon tells it to all who watch.
func (h *house) Observe(e radiusd.Event) {
	h.logins.Add(e)
	h.Admin.Observe(e)
}

// ask sends a request as a browser on this machine does, unless change says otherwise.
func (h *house) ask(method, path string, body io.Reader, change ...func(*http.Request)) *http.Response {
	r := httptest.NewRequest(method, path, body)
	r.Host = "127.0.0.1:9812"
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	h.Handler().ServeHTTP(w, r)
	return w.Result()
}

func (h *house) get(path string) string {
	h.t.Helper()
	return text(h.t, h.ask("GET", path, nil))
}

func text(t testing.TB, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// event is alice's login, approved.
func event(change ...func(*radiusd.Event)) radiusd.Event {
	e := radiusd.Event{
		Time: time.Now(), Client: "vpn", User: "alice", Service: "vpn", UserIP: netip.MustParseAddr("203.0.113.7"),
		ClientAddr: netip.MustParseAddr("192.0.2.0"), Code: "Access-Accept", Reason: policy.ReasonApproved, Factor: factor.Push,
		Txid: "11111111-2222-3333-4444-555555555555", Took: 4200 * time.Millisecond, FirstTook: 12 * time.Millisecond, DuoTook: 4100 * time.Millisecond,
	}
	for _, c := range change {
		c(&e)
	}
	return e
}

func host(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }
func header(key, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(key, value) }
}

func TestHealthAndReadiness(t *testing.T) {
	h := newHouse(t)
	for _, tt := range []struct {
		path, why string
		status    int
		body      string
	}{
		{"/healthz", "", 200, "serving\n"},
		{"/readyz", "", 200, "ready\n"},
		{"/healthz", "Duo can't be asked", 200, "serving\n"},
		{"/readyz", "Duo can't be asked:\n\tdial: refused", 503, "Duo can't be asked: dial: refused\n"},
	} {
		h.notReady = nil
		if tt.why != "" {
			h.notReady = errors.New(tt.why)
		}
		r := h.ask("GET", tt.path, nil)
		if got := text(t, r); r.StatusCode != tt.status || got != tt.body {
			t.Errorf("%s: %d %q, want %d %q", tt.path, r.StatusCode, got, tt.status, tt.body)
		}
	}
}

func TestMethods(t *testing.T) {
	h := newHouse(t)
	for path, allowed := range map[string][]string{
		"/": {"GET", "HEAD"}, "/metrics": {"GET", "HEAD"}, "/healthz": {"GET", "HEAD"}, "/readyz": {"GET", "HEAD"}, "/forget": {"POST"},
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"} {
			r := h.ask(method, path, nil)
			if got, want := r.StatusCode == http.StatusMethodNotAllowed, !slices.Contains(allowed, method); got != want {
				t.Errorf("%s %s: %d, refused %v, want %v", method, path, r.StatusCode, got, want)
			}
		}
	}
	for _, path := range []string{"/nothing", "/debug/pprof/", "/forget/alice", "//"} {
		if r := h.ask("GET", path, nil); r.StatusCode == 200 {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
}

// TestHost: a stranger's page that makes its own name resolve to this machine reads nothing.
func TestHost(t *testing.T) {
	h := newHouse(t)
	h.names = append(h.names, "vpn1.example.com")
	for name, want := range map[string]bool{
		"127.0.0.1:9812": true, "127.0.0.1": true, "[::1]:9812": true, "[::1]": true, "192.0.2.1:9812": true, "localhost:9812": true,
		"LOCALHOST": true, "vpn1.example.com:9812": true, "": true,
		"evil.example:9812": false, "evil.example": false, "127.0.0.1.evil.example:9812": false, "localhost.evil.example": false,
		"vpn1.example.com.evil.example": false, "localhost:9812.evil.example": false, "localhost@evil.example": false,
	} {
		for _, path := range []string{"/", "/metrics", "/healthz", "/readyz", "/nothing"} {
			r := h.ask("GET", path, nil, host(name))
			if got := r.StatusCode != http.StatusMisdirectedRequest; got != want {
				t.Errorf("%s at %q: %d, let in %v, want %v", path, name, r.StatusCode, got, want)
			}
		}
	}
}

func TestHeaders(t *testing.T) {
	h := newHouse(t)
	for _, path := range []string{"/", "/metrics", "/readyz", "/nothing"} {
		r := h.ask("GET", path, nil)
		for key, want := range map[string]string{
			"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
			"Referrer-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := r.Header.Get(key); got != want {
				t.Errorf("%s: %s: %q, want %q", path, key, got, want)
			}
		}
		csp := r.Header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'", "style-src 'sha256-"} {
			if !strings.Contains(csp, part) {
				t.Errorf("%s: Content-Security-Policy lacks %s: %s", path, part, csp)
			}
		}
		if strings.Contains(csp, "unsafe") || strings.Contains(csp, "script") {
			t.Errorf("%s: %s", path, csp)
		}
	}
}

func TestForget(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	h := newHouse(t)
	right := "user=alice&token=" + token(h)
	for _, tt := range []struct {
		name, body string
		change     []func(*http.Request)
		status     int
	}{
		{"from the page", right, []func(*http.Request){header("Sec-Fetch-Site", "same-origin"), header("Origin", "http://127.0.0.1:9812")}, 303},
		{"an old browser", right, []func(*http.Request){header("Origin", "http://127.0.0.1:9812")}, 303},
		{"no browser, but the token", right, nil, 303},
		{"no token", "user=alice", []func(*http.Request){header("Sec-Fetch-Site", "same-origin")}, 403},
		{"an empty token", "user=alice&token=", nil, 403},
		{"a wrong token", "user=alice&token=" + strings.Repeat("A", len(token(h))), nil, 403},
		{"half a token", "user=alice&token=" + token(h)[:len(token(h))/2], nil, 403},
		{"another site", right, []func(*http.Request){header("Sec-Fetch-Site", "cross-site")}, 403},
		{"a neighbour's site", right, []func(*http.Request){header("Sec-Fetch-Site", "same-site")}, 403},
		{"another origin", right, []func(*http.Request){header("Origin", "https://evil.example")}, 403},
		{"another port's origin", right, []func(*http.Request){header("Origin", "http://127.0.0.1:8000")}, 403},
		{"no origin at all", right, []func(*http.Request){header("Origin", "null")}, 403},
		{"another name", right, []func(*http.Request){host("evil.example")}, 421},
		{"nobody", "user=+&token=" + token(h), nil, 400},
		{"over-long", right + "&x=" + strings.Repeat("x", maxForm), nil, 400},
		{"another kind of form", `{"user":"alice"}`, []func(*http.Request){header("Content-Type", "application/json")}, 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h.forgotten = nil
			r := h.ask("POST", "/forget", strings.NewReader(tt.body), append([]func(*http.Request){header("Content-Type", form)}, tt.change...)...)
			if r.StatusCode != tt.status {
				t.Errorf("%d, want %d: %s", r.StatusCode, tt.status, text(t, r))
			}
			if done := slices.Equal(h.forgotten, []string{"alice"}); done != (tt.status == 303) || !done && h.forgotten != nil {
				t.Errorf("forgotten: %q", h.forgotten)
			}
			if want := "/?forgotten=2#approvals"; tt.status == 303 && r.Header.Get("Location") != want {
				t.Errorf("goes on to %q, want %q", r.Header.Get("Location"), want)
			}
		})
	}
	// In the address the token would come into logs and histories; there it does not count.
	if r := h.ask("POST", "/forget?"+right, nil, header("Content-Type", form)); r.StatusCode != 403 {
		t.Errorf("the token in the address: %d", r.StatusCode)
	}
	if token(h) == newHouse(t).token || len(token(h)) < 26 {
		t.Error("the token is not random")
	}
}

// TestServe: over a real socket, until Close.
func TestServe(t *testing.T) {
	h := newHouse(t)
	s, err := h.Serve("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Serve(s.Addr().String()); err == nil || !strings.HasPrefix(err.Error(), "admin: listen tcp 127.0.0.1:") {
		t.Errorf("a port that is taken: %v", err)
	}
	r, err := http.Get("http://" + s.Addr().String() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	if got := text(t, r); got != "serving\n" {
		t.Errorf("%q", got)
	}
	r.Body.Close()
	large, err := http.NewRequest("GET", "http://"+s.Addr().String()+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	large.Header.Set("X-Large", strings.Repeat("x", 100<<10))
	if r, err := http.DefaultClient.Do(large); err == nil {
		if r.Body.Close(); r.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("a header of 100 KB: %d", r.StatusCode)
		}
	}
	s.Close()
	if _, err := http.Get("http://" + s.Addr().String() + "/healthz"); err == nil {
		t.Error("it answers after Close")
	}
	var none *Server
	none.Close()
}

// TestConcurrent: people look while users log in.
func TestConcurrent(t *testing.T) {
	h := newHouse(t)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for j := range 300 {
				h.Observe(event(func(e *radiusd.Event) {
					e.Client, e.Reason = fmt.Sprint("client", j%7), policy.Reason(fmt.Sprint(i, j%5))
				}))
			}
		})
		all.Go(func() {
			for range 10 {
				h.get("/metrics")
				h.get("/")
			}
		})
	}
	all.Wait()
	sum := 0
	for name, value := range h.series() {
		if n, err := strconv.Atoi(value); err == nil && strings.HasPrefix(name, "duoradiusd_logins_total") {
			sum += n
		}
	}
	if sum != 1200 {
		t.Errorf("%d logins, want 1200", sum)
	}
}
