package admin

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/factor"
	"duoradiusd/policy/guard"
	"duoradiusd/radiusd"
)

// newGuardedHouse is one where users have to log in: helen of the help desk, and otto who only looks.
func newGuardedHouse(t testing.TB) *house {
	h := newHouse(t)
	h.sessions = newSessions(func(_ context.Context, user, password string) bool {
		return (user == "helen" || user == "otto") && password == "right"
	}, []string{"Helen"})
	h.daemon.Password = h.sessions.check
	return h
}

// logIn sends the form of the login page and returns the answer.
func (h *house) logIn(user, password string, change ...func(*http.Request)) *http.Response {
	form := url.Values{"token": {token(h)}, "user": {user}, "password": {password}}
	return h.ask("POST", "/login", strings.NewReader(form.Encode()), append(change, asForm)...)
}

func asForm(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }

// with carries the cookie of a login.
func with(login *http.Response) func(*http.Request) {
	return func(r *http.Request) {
		for _, c := range login.Cookies() {
			r.AddCookie(c)
		}
	}
}

// tokenOf is what the forms carry that were made for the session of a login.
func (h *house) tokenOf(login *http.Response) string {
	r := httptest.NewRequest("GET", "/", nil)
	with(login)(r)
	return h.formToken(r)
}

func TestSession(t *testing.T) {
	h := newGuardedHouse(t)
	for path, want := range map[string]int{"/": 303, "/metrics": 401, "/healthz": 200, "/readyz": 200, "/login": 200} {
		if got := h.ask("GET", path, nil).StatusCode; got != want {
			t.Errorf("GET %s without a login: %d, want %d", path, got, want)
		}
	}
	for _, path := range []string{"/forget", "/clear", "/reload"} {
		if got := h.ask("POST", path, strings.NewReader("token="+token(h)), asForm).StatusCode; got != 401 {
			t.Errorf("POST %s without a login: %d", path, got)
		}
	}
	if got := h.logIn("helen", "wrong"); got.StatusCode != 403 || len(got.Cookies()) != 0 {
		t.Errorf("a wrong password: %d, %v", got.StatusCode, got.Cookies())
	}
	in := h.logIn("helen", "right", func(r *http.Request) { r.TLS = &tls.ConnectionState{} })
	if in.StatusCode != 303 || len(in.Cookies()) != 1 {
		t.Fatalf("%d, %v", in.StatusCode, in.Cookies())
	}
	if c := in.Cookies()[0]; !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteStrictMode || c.MaxAge != 8*3600 {
		t.Errorf("the cookie is %+v", c)
	}
	page := text(t, h.ask("GET", "/", nil, with(in)))
	reads(t, page, "helen Log out")
	if strings.Contains(page, "/reload") {
		t.Error("the page offers to reload, though users have to log in")
	}
	out := h.ask("POST", "/logout", strings.NewReader("token="+h.tokenOf(in)), with(in), asForm)
	if out.StatusCode != 303 {
		t.Errorf("logout: %d", out.StatusCode)
	}
	if got := h.ask("GET", "/", nil, with(in)).StatusCode; got != 303 {
		t.Errorf("after logout: %d", got)
	}
}

// TestSession_Ends: after eight hours the cookie is worth nothing, and no stranger's cookie ever was.
func TestSession_Ends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newGuardedHouse(t)
		in := h.logIn("otto", "right")
		time.Sleep(sessionLife - time.Second)
		if got := h.ask("GET", "/", nil, with(in)).StatusCode; got != 200 {
			t.Errorf("just before the end: %d", got)
		}
		time.Sleep(time.Second)
		if got := h.ask("GET", "/", nil, with(in)).StatusCode; got != 303 {
			t.Errorf("after eight hours: %d", got)
		}
		if got := h.ask("GET", "/", nil, header("Cookie", sessionCookie+"=GUESSED")).StatusCode; got != 303 {
			t.Errorf("a guessed cookie: %d", got)
		}
	})
}

// TestSession_Basic: programs scrape /metrics by Authorization: Basic, and see nothing else by it.
func TestSession_Basic(t *testing.T) {
	h := newGuardedHouse(t)
	basic := func(password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth("otto", password) }
	}
	if got := h.ask("GET", "/metrics", nil, basic("right")).StatusCode; got != 200 {
		t.Errorf("/metrics: %d", got)
	}
	if got := h.ask("GET", "/metrics", nil, basic("wrong")); got.StatusCode != 401 || !strings.HasPrefix(got.Header.Get("WWW-Authenticate"), "Basic ") {
		t.Errorf("a wrong password: %d", got.StatusCode)
	}
	if got := h.ask("GET", "/", nil, basic("right")).StatusCode; got != 303 {
		t.Errorf("/: %d", got)
	}
}

// TestSession_Limits: after ten wrong passwords not even the right one counts, until one more is granted after 30 s; and one
// source has fifty for all users.
func TestSession_Limits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newGuardedHouse(t)
		for i := range wrongOfUser {
			if got := h.logIn("otto", "wrong").StatusCode; got != 403 {
				t.Fatalf("try %d: %d", i, got)
			}
		}
		if got := h.logIn("OTTO", "right").StatusCode; got != 429 {
			t.Errorf("one more: %d", got)
		}
		time.Sleep(wrongRefill)
		if got := h.logIn("otto", "right").StatusCode; got != 303 {
			t.Errorf("30 s later: %d", got)
		}
		from := func(r *http.Request) { r.RemoteAddr = "198.51.100.7:4711" }
		for i := range wrongOfSource {
			h.logIn(strings.Repeat("x", i+1), "wrong", from)
		}
		if got := h.logIn("helen", "right", from).StatusCode; got != 429 {
			t.Errorf("from a source with fifty wrong ones: %d", got)
		}
		if got := h.logIn("helen", "right").StatusCode; got != 303 {
			t.Errorf("from elsewhere: %d", got)
		}
	})
}

// TestHelpDesk: only those that help_desk names may clear and forget, and only by a form of their own session.
func TestHelpDesk(t *testing.T) {
	h := newGuardedHouse(t)
	h.guard = []guard.Count{{Limit: guard.LimitPasswords, Person: "alice", HeldUntil: time.Now().Add(time.Minute)}}
	helen, otto := h.logIn("helen", "right"), h.logIn("otto", "right")
	post := func(path string, in *http.Response, token string) int {
		form := url.Values{"token": {token}, "user": {"alice"}}
		return h.ask("POST", path, strings.NewReader(form.Encode()), with(in), asForm).StatusCode
	}
	for _, path := range []string{"/clear", "/forget"} {
		if got := post(path, otto, h.tokenOf(otto)); got != 403 {
			t.Errorf("%s by otto: %d", path, got)
		}
		if got := post(path, helen, h.tokenOf(otto)); got != 403 {
			t.Errorf("%s with another session's form: %d", path, got)
		}
	}
	if len(h.cleared)+len(h.forgotten) != 0 {
		t.Fatalf("%v %v", h.cleared, h.forgotten)
	}
	for _, path := range []string{"/clear", "/forget"} {
		if got := post(path, helen, h.tokenOf(helen)); got != 303 {
			t.Errorf("%s by helen: %d", path, got)
		}
	}
	if strings.Join(h.cleared, " ") != "alice@" || strings.Join(h.forgotten, " ") != "alice" {
		t.Errorf("%v %v", h.cleared, h.forgotten)
	}
	reads(t, text(t, h.ask("GET", "/?cleared=1", nil, with(helen))), "1 count of [guard] cleared.", "alice others than known ones wrong_passwords", "Clear")
	if page := text(t, h.ask("GET", "/", nil, with(otto))); strings.Contains(page, "<button aria-label=\"Clear") {
		t.Error("otto is offered what he may not do")
	}
}

// TestReload: over loopback and without users only.
func TestReload(t *testing.T) {
	h := newHouse(t)
	problems, reloads := []string{}, 0
	h.daemon.Reload = func() []string { reloads++; return problems }
	local := func(r *http.Request) { r.RemoteAddr = "127.0.0.1:4711" }
	post := func(change ...func(*http.Request)) int {
		return h.ask("POST", "/reload", strings.NewReader("token="+token(h)), append(change, asForm)...).StatusCode
	}
	if got := post(); got != 403 { // httptest's client is 192.0.2.1
		t.Errorf("from elsewhere: %d", got)
	}
	if got := post(local); got != 303 || reloads != 1 {
		t.Errorf("%d, %d reloads", got, reloads)
	}
	reads(t, text(t, h.ask("GET", "/", nil, local)), "the new configuration is in force")
	problems = []string{"f.toml:3: client #1 name: empty; want a name"}
	post(local)
	reads(t, text(t, h.ask("GET", "/", nil, local)), "the old configuration stays in force. f.toml:3: client #1 name: empty; want a name")
	if page := h.get("/"); strings.Contains(page, "/reload") {
		t.Error("the page offers it elsewhere")
	}
}

// TestFilter: the page shows the logins that are asked for, with the steps of each.
func TestFilter(t *testing.T) {
	h := newHouse(t)
	h.Observe(event(func(e *radiusd.Event) {
		e.User, e.Code, e.Reason, e.Rule, e.DuoMessage = "bob", "Access-Reject", policy.ReasonDeniedByDuo, "contractors", "Your account is disabled"
		e.DuoUser, e.LoginID = "bob.smith", "ABC1"
		e.Steps = []policy.Step{{Name: "first factor", Asked: "bob", Answer: "right", Took: 12 * time.Millisecond}, {Name: "Duo preauth", Asked: "bob.smith", Answer: "deny: Your account is disabled"}}
	}))
	h.Observe(event(func(e *radiusd.Event) { e.UserIP = netip.MustParseAddr("203.0.113.9") }))
	page := h.get("/?user=BOB")
	reads(t, page, "denied-by-duo", "rule “contractors”", "Duo says: Your account is disabled", "first factor (bob): right 12 ms",
		"Duo preauth (bob.smith): deny: Your account is disabled", "Duo was asked about bob.smith.", "In the log: login_id=ABC1", "all logins")
	if strings.Contains(page, "203.0.113.9") {
		t.Error("alice's login is shown too")
	}
	reads(t, h.get("/?reason=fraud"), "None that fits.")
}

// TestActivity: a login counts in the minute of its end, and for an hour.
func TestActivity(t *testing.T) {
	var a activity
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for i := range 200 {
		at := now.Add(time.Duration(i) * time.Minute)
		code := "Access-Accept"
		if i%2 == 1 {
			code = "Access-Reject"
		}
		a.add(&radiusd.Event{Time: at, Client: "vpn", Code: code, Trace: policy.Trace{Steps: []policy.Step{{Name: "first factor", Took: 10 * time.Millisecond}, {Name: "remembered?"}, {Name: "Duo push", Took: time.Duration(1+i%2) * time.Second}}}, Factor: factor.Push, Reason: policy.ReasonApproved})
	}
	end := now.Add(199 * time.Minute)
	s := a.summary("vpn", end)
	if s.Logins != 60 || s.Rejects != 30 || len(s.Steps) != 2 {
		t.Fatalf("%+v", s)
	}
	first, push := s.Steps[0], s.Steps[1]
	if first.Name != "first factor" || first.Mean != 10*time.Millisecond || push.Name != "Duo push" || push.Mean != 1500*time.Millisecond {
		t.Errorf("%+v", s.Steps)
	}
	plot := string(push.Plot) // half of its bars are half as high
	if strings.Count(plot, `height="40"`) != 30 || strings.Count(plot, `height="20"`) != 30 || !strings.Contains(plot, "at most 2 s") {
		t.Errorf("the plot of the push: %s", plot)
	}
	if n := strings.Count(string(s.Plot), "<rect"); n != 60 {
		t.Errorf("%d bars", n)
	}
	if s := a.summary("vpn", end.Add(time.Hour)); s.Logins != 0 {
		t.Errorf("an hour later: %+v", s)
	}
	if s := a.summary("other", end); s.Logins != 0 {
		t.Errorf("another client: %+v", s)
	}
	if got := a.outcomes(); len(got) != 1 || got[0] != (tally{"approved", 200}) {
		t.Errorf("%v", got)
	}
}
