package admin

import (
	"fmt"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/factor"
	"duoradiusd/policy/guard"
	"duoradiusd/radiusd"
)

// words is what a person reads of a page: its text without tags, white space as one space.
func words(page string) string {
	page = regexp.MustCompile(`(?s)<style>.*?</style>`).ReplaceAllString(page, "")
	return strings.Join(strings.Fields(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(page, " ")), " ")
}

func reads(t *testing.T, page string, phrases ...string) {
	t.Helper()
	text := words(page)
	for _, p := range phrases {
		if !strings.Contains(text, p) {
			t.Errorf("the page does not say %q:\n%s", p, text)
		}
	}
}

func TestPage_Empty(t *testing.T) {
	h := newHouse(t)
	page := h.get("/")
	reads(t, page, "duoradiusd v1.2.3", "ready", "listens on nothing · 1 client, 2 users · up 0 s", "0 logins pending", "0 approvals kept",
		"Duo api-1.duosecurity.com up", "vpn no requests yet auto: not required yet no request has come yet never seen to ask again",
		"Pending logins None.", "Held back Nobody.", "None since the start.", "Remembered approvals None.", "Packets without reply None since the start.")
	if strings.Contains(page, "<script") || strings.Contains(page, "javascript") || regexp.MustCompile(`\son\w+=`).MatchString(page) {
		t.Error("the page has a script")
	}
	for _, m := range regexp.MustCompile(`(?:src|href|action|url\()="?([^">)]*)`).FindAllStringSubmatch(page, -1) {
		if m[1] != "data:," && !strings.HasPrefix(m[1], "/") {
			t.Errorf("the page asks for %s", m[1])
		}
	}
	if want := "<style>" + style + "</style>"; !strings.Contains(page, want) {
		t.Error("the style is not as its hash in the Content-Security-Policy says")
	}
}

func TestPage(t *testing.T) {
	h := newHouse(t)
	h.duo = []Application{{Host: "api-1.duosecurity.com", State: "slow", Degraded: 1},
		{Name: "contractors", Host: "api-2.duosecurity.com", State: "down", Degraded: 2, Err: "ping: connection refused"}}
	h.first = []FirstFactor{{Name: "directory", Server: "ldaps://dc1.example.com", Up: true},
		{Name: "directory", Server: "ldaps://dc2.example.com", Err: "dial: no route"}}
	now := time.Now()
	h.approvals = []policy.Approval{{User: "alice", Service: "vpn", UserIP: netip.MustParseAddr("203.0.113.7"), ApprovedAt: now,
		EndsAt: now.Add(15 * time.Minute), Uses: 3}}
	h.guard = []guard.Count{{Limit: "wrong_passwords", Person: "carol", Count: 10, HeldUntil: now.Add(30 * time.Second)},
		{Limit: "wrong_per_source", Source: "203.0.113.7", Count: 50, HeldUntil: now.Add(20 * time.Second)},
		{Limit: "wrong_passcodes", Person: "dave", Source: "203.0.113.7", Count: 1}}
	h.Observe(event(func(e *radiusd.Event) { e.Time = now }))
	h.Observe(event(func(e *radiusd.Event) {
		e.User, e.Code, e.Reason, e.Factor, e.Txid, e.Took, e.DuoTook = "bob", "Access-Reject", policy.ReasonNoFirstFactor, "", "", 350*time.Microsecond, 0
		e.Err = "directory: bind: connection reset"
	}))
	page := h.get("/?forgotten=1&refresh=10")
	reads(t, page, "1 approval forgotten.", "refreshed every 10 s",
		"Duo api-1.duosecurity.com slow became slow or down 1 time",
		"Duo contractors api-2.duosecurity.com down ping: connection refused",
		"First factor directory ldaps://dc1.example.com up", "First factor directory ldaps://dc2.example.com down dial: no route",
		"alice 203.0.113.7 vpn accept approved · push Why Duo allowed it after a push, a call or a passcode. Duo’s txid 11111111-2222-3333-4444-555555555555 . 4.2 s first factor 12 ms, Duo 4.1 s",
		"bob 203.0.113.7 vpn reject first-factor-unavailable directory: bind: connection reset Why The first factor could not be asked. duoradiusd status shows which server does not answer; duoradiusd check shows why. &lt; 1 ms first factor 12 ms",
		"carol others than known ones wrong_passwords", "new users 203.0.113.7 wrong_per_source",
		"alice service vpn from 203.0.113.7", "3 × Forget")
	if strings.Contains(page, "dave") {
		t.Error("the page shows a user who is not held back")
	}
	if strings.Index(page, ">bob<") > strings.Index(page, ">alice<") {
		t.Error("the newest is not the first")
	}
	if n := strings.Count(page, `name="token" value="`+token(h)+`"`); n != 4 {
		t.Errorf("%d forms with the token, want 4", n)
	}
	if got := h.ask("GET", "/?refresh=10", nil).Header.Get("Refresh"); got != "10" {
		t.Errorf("Refresh: %q", got)
	}
	for _, path := range []string{"/", "/?refresh=0", "/?refresh=1", "/?refresh=10;url=http://evil.example", "/?refresh=x"} {
		if got := h.ask("GET", path, nil).Header.Get("Refresh"); got != "" {
			t.Errorf("%s: Refresh: %q", path, got)
		}
	}
}

// TestPage_Hostile: what comes from the network is text, wherever it stands.
func TestPage_Hostile(t *testing.T) {
	h := newHouse(t)
	evil := `"><script>alert(1)</script><b onclick='x'>{{.Token}}`
	h.notReady = fmt.Errorf("%s", evil)
	h.duo[0].Err, h.duo[0].State = evil, "down"
	h.approvals = []policy.Approval{{User: evil}}
	h.Observe(event(func(e *radiusd.Event) {
		e.User, e.Txid, e.Err, e.Factor, e.Service = evil, evil, evil, factor.Factor(evil), evil
	}))
	page := h.get("/?forgotten=%3Cscript%3E&refresh=%3Cscript%3E")
	for _, tag := range []string{"<script", "<b onclick"} {
		if strings.Contains(page, tag) {
			t.Errorf("the page holds %s", tag)
		}
	}
	if n := strings.Count(page, "&lt;script&gt;"); n < 8 {
		t.Errorf("%d times as text, want 8 at least", n)
	}
}

// TestPage_Long: what may be long is cut, and the page says so.
func TestPage_Long(t *testing.T) {
	h := newHouse(t)
	for i := range 3 * shownLogins {
		h.Observe(event(func(e *radiusd.Event) { e.User = fmt.Sprintf("user%d.", i) }))
	}
	page := h.get("/")
	if n := strings.Count(page, `<td data-label="Answer"`); n != shownLogins {
		t.Errorf("%d logins, want %d", n, shownLogins)
	}
	reads(t, page, "user599.", "user400.")
	if strings.Contains(page, "user399.") {
		t.Error("an old login")
	}
	v := &view{Approvals: make([]policy.Approval, shownApprovals), Kept: shownApprovals + 5}
	if v.More() != 5 {
		t.Errorf("%d more", v.More())
	}
}

func TestClientRow(t *testing.T) {
	required, learning := radiusd.RatchetReport{Ratchet: radiusd.Ratchet{Required: true}}, radiusd.RatchetReport{Ratchet: radiusd.Ratchet{With: 7}}
	for _, tt := range []struct {
		report radiusd.ClientReport
		want   string
	}{
		{radiusd.ClientReport{}, "no requests yet / auto: not required yet / never seen to ask again / "},
		{radiusd.ClientReport{Packets: 3, Authenticated: 2, Wrong: 1, MessageAuthenticator: radiusd.Require},
			"66 % of 3 requests; 1 wrong / required / never seen to ask again / "},
		{radiusd.ClientReport{Packets: 1, MessageAuthenticator: radiusd.Accept}, "0 % of 1 request / not required / never seen to ask again / "},
		{radiusd.ClientReport{Packets: 1, Ratchets: []radiusd.RatchetReport{required}}, "0 % of 1 request / auto: required, because it always sent it / never seen to ask again / "},
		{radiusd.ClientReport{Packets: 1, Ratchets: []radiusd.RatchetReport{required, learning}}, "0 % of 1 request / auto: required of 1 of 2 addresses / never seen to ask again / "},
		{radiusd.ClientReport{Packets: 1, Ratchets: []radiusd.RatchetReport{learning}, Patience: radiusd.PatienceReport{Silent: 1}},
			"0 % of 1 request / auto: not required yet, seen 7 times in a row / 1 repetition / "},
		{radiusd.ClientReport{Patience: radiusd.PatienceReport{Silent: 5, Served: 1, Interval: 2 * time.Second, Longest: 2 * time.Second, GaveUp: 1, After: 6 * time.Second}},
			"no requests yet / auto: not required yet / asks again every 2 s (6 repetitions) / gave up 1 time, after 6 s"},
		{radiusd.ClientReport{Patience: radiusd.PatienceReport{Silent: 5, Interval: 2800 * time.Millisecond, Longest: 5400 * time.Millisecond, GaveUp: 3,
			Advice: "gives up after 14 s: raise its timeout to 60 s"}},
			"no requests yet / auto: not required yet / asks again every 2.8 s, up to 5.4 s (5 repetitions) / gives up after 14 s: raise its timeout to 60 s"},
	} {
		c := clientRow{ClientReport: tt.report}
		if got := strings.Join([]string{c.Share(), c.Ratchet(), c.Rhythm(), c.Stamina()}, " / "); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "< 1 ms", 999 * time.Microsecond: "< 1 ms", 12 * time.Millisecond: "12 ms", 4200 * time.Millisecond: "4.2 s",
		60 * time.Second: "1 min 0 s", 2 * time.Second: "2 s", 90 * time.Minute: "1 h 30 min", 49 * time.Hour: "2 d 1 h",
	} {
		if got := took(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.FixedZone("CET", 3600))
	for at, want := range map[string]string{
		"2026-11-21T10:59:58Z": "11:59:58", "2026-11-20T23:30:00Z": "00:30:00", "2026-11-20T22:30:00Z": "2026-11-20 23:30",
		"2025-11-21T10:59:58Z": "2025-11-21 11:59",
	} {
		parsed, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := clock(now, parsed); got != want {
			t.Errorf("%s: %q, want %q", at, got, want)
		}
	}
}

// token is what the forms of h carry where nobody has to log in.
func token(h *house) string { return h.formToken(httptest.NewRequest("GET", "/", nil)) }
