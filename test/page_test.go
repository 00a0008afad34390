package test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"duoradiusd/test/fakeduo"
)

const withPage = "[admin]\naddress = \"127.0.0.1:0\"\n[[client]]\nremember = \"15m\"\n"

var pageInLog = regexp.MustCompile(`page=(https?://\S+)`)

// page returns the address of the status page; it ends in a slash.
func (d *daemon) page() string {
	d.t.Helper()
	return pageInLog.FindStringSubmatch(d.WaitLog("admin: listens"))[1]
}

// fetch returns what a program gets from a path of the page.
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

// TestMetricsOfLogins: each kind of login changes its metrics, with the real daemon.
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

// TestReadyz: a load balancer learns when no login can succeed, and why.
func TestReadyz(t *testing.T) {
	t.Parallel()
	for failmode, ready := range map[string]bool{"secure": false, "safe": true} {
		d := startDaemon(t, nil, withPage+fmt.Sprintf("[duo]\napi_host = \"127.0.0.1:9\"\nca = \"system\"\nfailmode = %q\n", failmode))
		login(t, d, "alice", "push") // the first server that can't be asked
		d.waitMetric(`duoradiusd_duo_state{application="[duo]",state="down"}`, "1")
		d.waitMetric("duoradiusd_ready", fmt.Sprint(btoi(ready)))
		status, body := d.fetch("readyz")
		if want := map[bool]int{true: 200, false: 503}[ready]; status != want {
			t.Errorf("failmode %s: %d, want %d", failmode, status, want)
		}
		if !ready && !strings.HasPrefix(body, "no login can be answered: Duo ping: dial tcp 127.0.0.1:9: ") {
			t.Errorf("it says %q", body)
		}
		if status, _ := d.fetch("healthz"); status != 200 {
			t.Errorf("/healthz: %d", status)
		}
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
	if status := post(right); status != 200 { // of the page to which it redirects
		t.Errorf("right: %d", status)
	}
	d.waitMetric("duoradiusd_approvals", "0")
}
