package test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"duoradiusd/test/fakeduo"
)

const withPage = "[admin]\naddress = \"127.0.0.1:0\"\n[[client]]\nremember = \"15m\"\n"

var pageInLog = regexp.MustCompile(`page=(http://\S+)`)

// page is the address of the status page; it ends in a slash.
func (d *daemon) page() string {
	d.t.Helper()
	return pageInLog.FindStringSubmatch(d.WaitLog("admin: listens"))[1]
}

// fetch returns what a program reads at a path of the page.
func (d *daemon) fetch(path string) (status int, body string) {
	d.t.Helper()
	r, err := http.Get(d.page() + path)
	if err != nil {
		d.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

// waitMetric waits until a series has a value.
func (d *daemon) waitMetric(series, value string) {
	d.t.Helper()
	var got string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if _, got = d.fetch("metrics"); strings.Contains(got, "\n"+series+" "+value+"\n") {
			return
		}
	}
	d.t.Fatalf("%s never is %s:\n%s", series, value, got)
}

// TestMetricsOfLogins: a login can be followed to its numbers, on the daemon as it is built.
func TestMetricsOfLogins(t *testing.T) {
	t.Parallel()
	duo := startDuo(t, fakeduo.User{Username: "alice"}, fakeduo.User{Username: "bob", Tap: fakeduo.Fraud})
	d := startDaemon(t, duo, withPage)
	for path, want := range map[string]string{"healthz": "serving\n", "readyz": "ready\n"} {
		if status, body := d.fetch(path); status != 200 || body != want {
			t.Errorf("/%s: %d %q", path, status, body)
		}
	}
	d.waitMetric(`duoradiusd_fraud_reports_total`, "0")
	login(t, d, "alice", "push")
	login(t, d, "alice", "push")
	login(t, d, "bob", "push")
	for series, value := range map[string]string{
		`duoradiusd_logins_total{client="vpn",outcome="accept",reason="approved"}`:   "1",
		`duoradiusd_logins_total{client="vpn",outcome="accept",reason="remembered"}`: "1",
		`duoradiusd_remembered_hits_total{client="vpn"}`:                             "1",
		`duoradiusd_logins_total{client="vpn",outcome="reject",reason="fraud"}`:      "1",
		`duoradiusd_fraud_reports_total`:                                             "1",
		`duoradiusd_login_duration_seconds_count{client="vpn"}`:                      "3",
		`duoradiusd_duo_duration_seconds_count{client="vpn"}`:                        "2",
		`duoradiusd_requests_total{client="vpn",message_authenticator="valid"}`:      "3",
		`duoradiusd_approvals`:                                 "1",
		`duoradiusd_duo_state{application="[duo]",state="up"}`: "1",
	} {
		d.waitMetric(series, value)
	}
}

// TestReadyz: who balances load learns when no login can end well, and why.
func TestReadyz(t *testing.T) {
	t.Parallel()
	for failmode, ready := range map[string]bool{"secure": false, "safe": true} {
		d := startDaemon(t, nil, withPage+fmt.Sprintf("[duo]\napi_host = \"127.0.0.1:9\"\nca = \"system\"\nfailmode = %q\n", failmode))
		login(t, d, "alice", "push") // the first that can't be asked
		d.waitMetric(`duoradiusd_duo_state{application="[duo]",state="down"}`, "1")
		d.waitMetric("duoradiusd_ready", fmt.Sprint(btoi(ready)))
		status, body := d.fetch("readyz")
		if want := map[bool]int{true: 200, false: 503}[ready]; status != want {
			t.Errorf("failmode %s: %d, want %d", failmode, status, want)
		}
		if !ready && !strings.HasPrefix(body, "no login can be answered: Duo can't be asked: duo: /auth/v2/ping: dial tcp 127.0.0.1:9: ") {
			t.Errorf("it says %q", body)
		}
		if status, _ := d.fetch("healthz"); status != 200 {
			t.Errorf("/healthz: %d", status)
		}
	}
}

// TestPageInBrowser: what a person sees, on a desk and on a phone, by day and by night.
func TestPageInBrowser(t *testing.T) {
	t.Parallel()
	b := openBrowser(t)
	duo := startDuo(t, fakeduo.User{Username: "alice"}, fakeduo.User{Username: "bob", Tap: fakeduo.Deny},
		fakeduo.User{Username: "carol", Tap: fakeduo.Ignore})
	d := startDaemon(t, duo, withPage)
	login(t, d, "alice", "push")
	login(t, d, "alice", "push", withUserIP("203.0.113.8"))
	login(t, d, "bob", "push")
	login(t, d, `<i>o'neil</i>`, "push")
	var carol sync.WaitGroup
	carol.Go(func() { try(t, d, "carol", "push") })
	t.Cleanup(carol.Wait)
	d.waitMetric("duoradiusd_logins_in_flight", "1")

	b.screen(1200, 900, false)
	b.open(d.page())
	for selector, want := range map[string]string{
		"header":    "ready",
		".tiles":    "1 logins pending 1 waiting for Duo’s answer 2 approvals kept",
		"#health":   "Duo " + duo.Addr() + " up",
		"#clients":  "vpn 100 % of 5 requests",
		"#pending":  "carol vpn",
		"#logins":   "bob 203.0.113.7 vpn reject denied · push",
		"#ends":     "approved 2",
		"#drops":    "None since the start.",
		"#logins  ": "<i>o'neil</i>",
	} {
		if got := b.text(strings.TrimSpace(selector)); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", selector, got, want)
		}
	}
	grounds := make(map[string]bool)
	for _, screen := range []struct {
		width int
		dark  bool
	}{{1200, false}, {1200, true}, {390, false}, {320, true}} {
		b.screen(screen.width, 844, screen.dark)
		b.open(d.page())
		var wide float64
		b.ask("document.documentElement.scrollWidth", &wide)
		if int(wide) > screen.width {
			t.Errorf("at %d the page is %v wide", screen.width, wide)
		}
		var cut []string
		b.ask(`[...document.querySelectorAll("section")].filter(e => e.scrollWidth > e.clientWidth).map(e => e.id)`, &cut)
		if len(cut) > 0 {
			t.Errorf("at %d these must be scrolled sideways: %q", screen.width, cut)
		}
		var ground string
		b.ask("getComputedStyle(document.body).backgroundColor", &ground)
		grounds[fmt.Sprint(screen.dark, ground)] = true
		var faint []string
		b.ask(contrast, &faint)
		if len(faint) > 0 {
			t.Errorf("at %d, dark %v, hard to read: %q", screen.width, screen.dark, faint)
		}
	}
	if len(grounds) != 2 {
		t.Errorf("grounds: %v, want one by day and one by night", grounds)
	}
	if c := b.complaints(); len(c) > 0 {
		t.Errorf("the console shows %s", c)
	}
}

// contrast lists the texts that stand out less than WCAG 2.1 §1.4.3 wants: 4.5 to 1.
const contrast = `(() => {
	const light = c => c.map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const rgb = s => s.match(/[\d.]+/g).map(Number);
	const ground = e => { for (; e; e = e.parentElement) {
		const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c.slice(0, 3); } return [255, 255, 255]; };
	return [...document.querySelectorAll("body *")].filter(e => [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim())).filter(e => {
		const a = light(rgb(getComputedStyle(e).color).slice(0, 3)), b = light(ground(e));
		return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5; }).map(e => e.outerHTML.slice(0, 80));
})()`

// TestForgetInBrowser: the button forgets, and another site's button does not.
func TestForgetInBrowser(t *testing.T) {
	t.Parallel()
	b := openBrowser(t)
	duo := startDuo(t, fakeduo.User{Username: "alice"}, fakeduo.User{Username: "bob"})
	d := startDaemon(t, duo, withPage)
	login(t, d, "alice", "push")
	login(t, d, "alice", "push", withUserIP("203.0.113.8"))
	login(t, d, "bob", "push")
	d.waitMetric("duoradiusd_approvals", "3")
	b.screen(1200, 900, false)
	b.open(d.page())
	var token string
	b.ask(`document.querySelector("input[name=token]").value`, &token)
	d.forbid(token)

	// To whom 127.0.0.1 is another site than localhost. That it knows the token is more than it ever will.
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<form method="post" action="%sforget"><input name="user" value="bob"><input name="token" value="%s"><button>win</button></form>`,
			d.page(), token)
	}))
	defer evil.Close()
	b.open(strings.Replace(evil.URL, "127.0.0.1", "localhost", 1))
	b.leads(func() { b.click("button") })
	if got := b.text("body"); got != "Another page's form is not ours." {
		t.Errorf("the other site's form: %q", got)
	}
	d.waitMetric("duoradiusd_approvals", "3")
	b.complaints() // of the 403

	b.open(d.page())
	b.leads(func() { b.click(`button[aria-label="Forget the approvals of alice"]`) })
	if got := b.text(".notice"); got != "2 approvals forgotten." {
		t.Errorf("the page says %q", got)
	}
	if got := b.text("#approvals"); strings.Contains(got, "alice") || !strings.Contains(got, "bob") {
		t.Errorf("the approvals: %q", got)
	}
	d.waitMetric("duoradiusd_approvals", "1")
	b.ask(`(document.querySelector(".by-name input[name=user]").value = "BOB", 1)`, new(int))
	b.leads(func() { b.click(".by-name button") })
	d.waitMetric("duoradiusd_approvals", "0")
	pushes := duo.Pushes()
	login(t, d, "alice", "push")
	if duo.Pushes() != pushes+1 {
		t.Error("alice was not asked again")
	}
	if c := b.complaints(); len(c) > 0 {
		t.Errorf("the console shows %s", c)
	}
}

// TestForgetByProgram: without the page's token nothing is forgotten.
func TestForgetByProgram(t *testing.T) {
	t.Parallel()
	duo := startDuo(t, fakeduo.User{Username: "alice"})
	d := startDaemon(t, duo, withPage)
	login(t, d, "alice", "push")
	_, page := d.fetch("")
	token := regexp.MustCompile(`name="token" value="(\w+)"`).FindStringSubmatch(page)[1]
	post := func(form url.Values, headers ...string) int {
		t.Helper()
		r, err := http.NewRequest("POST", d.page()+"forget", strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return answer.StatusCode
	}
	right := url.Values{"user": {"alice"}, "token": {token}}
	for _, tt := range []struct {
		name    string
		form    url.Values
		headers []string
	}{
		{"no token", url.Values{"user": {"alice"}}, nil},
		{"a wrong token", url.Values{"user": {"alice"}, "token": {token[1:] + "A"}}, nil},
		{"another site", right, []string{"Sec-Fetch-Site", "cross-site"}},
		{"another origin", right, []string{"Origin", "http://evil.example"}},
	} {
		if status := post(tt.form, tt.headers...); status != 403 {
			t.Errorf("%s: %d, want 403", tt.name, status)
		}
	}
	d.waitMetric("duoradiusd_approvals", "1")
	if status := post(right); status != 200 { // of the page that it leads to
		t.Errorf("right: %d", status)
	}
	d.waitMetric("duoradiusd_approvals", "0")
}
