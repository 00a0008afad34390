package fakeduo_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"duoradiusd/test/fakeduo"
)

// browser is somebody in front of the phone page.
type browser struct {
	t   *testing.T
	url string
	c   *http.Client
}

func opened(t *testing.T, s *fakeduo.Server) *browser {
	t.Helper()
	web := httptest.NewServer(http.StripPrefix("/jo", s.Phone()))
	t.Cleanup(web.Close)
	return &browser{t, web.URL + "/jo/", web.Client()}
}

func (b *browser) get(path string) string {
	b.t.Helper()
	resp, err := b.c.Get(b.url + path)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		b.t.Fatalf("%s: got %s, %v", path, resp.Status, err)
	}
	return string(body)
}

// press submits the first form of the page with a button, and returns the status and where it led.
func (b *browser) press(button string, more ...string) (int, string) {
	b.t.Helper()
	page := b.get("")
	form := params(append([]string{"answer", button}, more...)...)
	for _, name := range []string{"token", "txid"} {
		m := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(page)
		if m == nil {
			b.t.Fatalf("no %s in the page", name)
		}
		form.Set(name, m[1])
	}
	resp, err := b.c.PostForm(b.url+"answer", form)
	if err != nil {
		b.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode, resp.Request.URL.Path
}

func TestPhoneButtons(t *testing.T) {
	for button, want := range map[string]string{"approve": "allow allow", "deny": "deny deny", "fraud": "deny fraud"} {
		s := withJo(fakeduo.User{Tap: fakeduo.Ask})
		b := opened(t, s)
		if page := b.get(""); !strings.Contains(page, "No login requests") {
			t.Errorf("before: got %s", page)
		}
		txid := pushed(t, s, "type", "VPN", "ipaddr", "192.0.2.1", "pushinfo", "Server=gate&Note=a%26b", "hostname", "gate-1")
		for _, want := range []string{"VPN request", "<strong>jo</strong>", "Phone (XXX-XXX-0100)", "192.0.2.1", "gate-1",
			"<dt>Server</dt><dd>gate</dd><dt>Note</dt><dd>a&amp;b</dd>", s.Passcode("jo")[:3] + " " + s.Passcode("jo")[3:]} {
			if state := b.get("state"); !strings.Contains(state, want) {
				t.Errorf("page lacks %q: %s", want, state)
			}
		}
		if status, path := b.press(button); status != 200 || path != "/jo/" {
			t.Errorf("%s: got %d at %s, want the page again", button, status, path)
		}
		if got, _ := polled(t, s, txid); got != want {
			t.Errorf("%s: got %s, want %s", button, got, want)
		}
		if page := b.get(""); !strings.Contains(page, "No login requests") || !strings.Contains(page, "Recent") {
			t.Errorf("after: got %s", page)
		}
	}
}

// TestPhoneShowsAddressOnce: an address that pushinfo has is not shown a second time.
func TestPhoneShowsAddressOnce(t *testing.T) {
	s := withJo(fakeduo.User{Tap: fakeduo.Ask})
	pushed(t, s, "ipaddr", "192.0.2.1", "pushinfo", "User+address=192.0.2.1")
	if page := opened(t, s).get(""); strings.Count(page, "192.0.2.1") != 1 || !strings.Contains(page, "<dt>User address</dt><dd>192.0.2.1</dd>") {
		t.Errorf("want the address once: %s", page)
	}
}

func TestPhoneHidesIgnored(t *testing.T) {
	s := withJo(fakeduo.User{Tap: fakeduo.Ignore})
	pushed(t, s)
	if page := opened(t, s).get(""); !strings.Contains(page, "No login requests") {
		t.Errorf("got %s", page)
	}
}

func TestPhoneEscapes(t *testing.T) {
	const evil = `<script>alert("x")</script>'"&`
	s := withJo(fakeduo.User{Tap: fakeduo.Ask, Devices: []fakeduo.Device{{Name: evil, Number: evil}}})
	s.SetUser(fakeduo.User{Username: evil})
	pushed(t, s, "type", evil, "hostname", evil, "display_username", evil, "pushinfo", url.Values{evil: {evil}}.Encode())
	auth(t, s, "username", evil, "factor", "passcode", "passcode", "1")
	b := opened(t, s)
	for _, page := range []string{b.get(""), b.get("state")} {
		if strings.Contains(page, "alert(\"") || strings.Contains(page, "<script>") {
			t.Errorf("unescaped: %s", page)
		}
		if strings.Count(page, "alert(&#34;x&#34;)") < 7 {
			t.Errorf("something is missing: %s", page)
		}
	}
}

func TestPhoneVerificationCode(t *testing.T) {
	s := withJo(fakeduo.User{Tap: fakeduo.Ask, VerifiedPush: true})
	pre := post(t, s, "/auth/v2/preauth", "username", "jo", "client_supports_verified_push", "1").Response
	txid := pushed(t, s, "txid", pre.Txid)
	b := opened(t, s)
	if page := b.get(""); strings.Contains(page, ">"+pre.Code+"<") || !strings.Contains(page, `name="code"`) {
		t.Errorf("want a field for the code, and not the code: %s", page)
	}
	if status, _ := b.press("approve", "code", "000"); status != http.StatusBadRequest {
		t.Errorf("wrong code: got %d", status)
	}
	b.press("approve", "code", pre.Code)
	if got, _ := polled(t, s, txid); got != "allow allow" {
		t.Errorf("got %s", got)
	}
}

// Who may press the buttons: our own page, by the name it is served under.
func TestPhoneRefusals(t *testing.T) {
	s := withJo(fakeduo.User{Tap: fakeduo.Ask})
	txid := pushed(t, s)
	b := opened(t, s)
	token := regexp.MustCompile(`name="token" value="([^"]*)"`).FindStringSubmatch(b.get(""))[1]
	for _, tt := range []struct {
		name, method, path, host string
		form                     url.Values
		want                     int
	}{
		{"no token", "POST", "answer", "", params("txid", txid, "answer", "approve"), 403},
		{"wrong token", "POST", "answer", "", params("txid", txid, "answer", "approve", "token", "x"), 403},
		{"token of another page", "POST", "answer", "", params("txid", txid, "answer", "approve", "token", strings.Repeat("A", len(token))), 403},
		{"token in the query", "POST", "answer?token=" + token, "", params("txid", txid, "answer", "approve"), 403},
		{"GET", "GET", "answer?answer=approve&txid=" + txid + "&token=" + token, "", nil, 405},
		{"PUT", "PUT", "answer", "", params("txid", txid, "answer", "approve", "token", token), 405},
		{"POST to the page", "POST", "", "", params("token", token), 405},
		{"other path", "GET", "nothing", "", nil, 404},
		{"other answer", "POST", "answer", "", params("txid", txid, "answer", "ask", "token", token), 400},
		{"unknown txid", "POST", "answer", "", params("txid", "x", "answer", "deny", "token", token), 404},
		{"rebound name", "GET", "", "evil.example", nil, 403},
		{"rebound name, POST", "POST", "answer", "evil.example:80", params("txid", txid, "answer", "approve", "token", token), 403},
		{"other address", "GET", "", "192.0.2.1", nil, 403},
		{"localhost", "GET", "", "localhost:1", nil, 200},
		{"loopback", "GET", "", "[::1]:80", nil, 200},
	} {
		r, err := http.NewRequest(tt.method, b.url+tt.path, strings.NewReader(tt.form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Host = tt.host
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := b.c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, resp.StatusCode, tt.want)
		}
	}
	if tx := s.Transactions()[0]; !tx.Pending() {
		t.Errorf("somebody got through: %+v", tx)
	}
}

func TestPhoneHeaders(t *testing.T) {
	s := withJo(fakeduo.User{})
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/", nil)
	r.Host = "127.0.0.1:8080"
	s.Phone().ServeHTTP(w, r)
	policy, nonce := w.Header().Get("Content-Security-Policy"), ""
	if m := regexp.MustCompile(`script-src 'nonce-(\w+)'`).FindStringSubmatch(policy); m != nil {
		nonce = m[1]
	}
	if nonce == "" || strings.Count(w.Body.String(), `nonce="`+nonce+`"`) != 2 || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("got %v, nonce %q", w.Header(), nonce)
	}
}

// A page with more pushes than fit says so and stays small.
func TestPhoneMany(t *testing.T) {
	s := withJo(fakeduo.User{Tap: fakeduo.Ask, Delay: time.Hour})
	for range 30 {
		pushed(t, s)
	}
	if page := opened(t, s).get(""); strings.Count(page, "<form") != 20 || !strings.Contains(page, "and 10 more") {
		t.Errorf("got %d forms", strings.Count(page, "<form"))
	}
}
