package fakeduo_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"duoradiusd/test/fakeduo"
)

// The signatures that Duo's own test files publish: duo_hmac_python/test/test_hmac.py (5) and
// duo_api_golang/duo_test.go (2 and 5).
func TestSignatureVectors(t *testing.T) {
	const (
		pyKey  = "testtesttesttesttesttesttesttesttesttest"
		pyHost = "api-xxxxxxxx.duosecurity.com"
		pyDate = "Fri, 24 May 2024 12:00:00 -0000"
		goKey  = "Zh5eGmUq9zpfQnyUIu5OL9iWoMMv5ZNmk3zLJ4Ep"
		goDate = "Tue, 21 Aug 2012 17:29:18 -0000"
	)
	header := http.Header{"X-Duo-Date": {pyDate}, "Content-Type": {"application/json"}}
	more := header.Clone()
	more.Set("X-Duo-Foo", "bar")
	more.Set("X-Duo-Bar", "foo")
	more.Set("Non-Duo-Bar", "duo")
	name := url.Values{"realname": {"First Last"}, "username": {"root"}}
	for _, tt := range []struct{ name, key, canon, want string }{
		{"python GET", pyKey, fakeduo.CanonicalV5(pyDate, "GET", pyHost, "/api/path", nil, nil, header),
			"c454639d75b4e3d99b8b1d5e41cd7bb2d2d8ba55f6811f786dfb0edd4facd2f3a5e6d6c837f31f6826706325b4ed7dcdc5f11164948e57a7032a524990e01583"},
		{"python GET foo=bar", pyKey, fakeduo.CanonicalV5(pyDate, "GET", pyHost, "/api/path", url.Values{"foo": {"bar"}}, nil, header),
			"88fe80f3b242b992f4b301408d524a886274d3ed0c4c7bd184e1b4ff378e68ea05d9433c09938078c49517a6c4264c950be9ff5cc28ad2d448cea24bc93887ca"},
		{"python POST foo=bar", pyKey, fakeduo.CanonicalV5(pyDate, "POST", pyHost, "/api/path", nil, []byte(`{"foo":"bar"}`), header),
			"643770af31006c584a758d926250e46a90d79100d21f7a0313c3e77d64fa3c5d2c94e2c9081a2b65343cc3d5f2ed21f7300ea50b00640cb1760f323192307d37"},
		{"python GET with headers", pyKey, fakeduo.CanonicalV5(pyDate, "GET", pyHost, "/api/path",
			url.Values{"foo": {"bar"}, "one": {"1"}, "bool": {"true"}}, nil, more),
			"d46556726800415dc78cefc3fb4e11dcf3ee1342904f276ed5c8e3427878bd5376ea6c5551b90bf707fab53f6f1d20a114898898705d28268824edd0be5f1d53"},
		{"go v2 POST", goKey, fakeduo.CanonicalV2(goDate, "POST", pyHost, "/accounts/v1/account/list", name),
			"1bffb8924348f7db7da9e7d7d749ded93aafd02d8e904960da7b96c57510220185a64a2827ee8f24ac5d30802a9ee97e59de44b304b18242f0d596d15a8122af"},
	} {
		if got := fakeduo.Sign(tt.key, tt.canon); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// Each way to get the signing wrong, and its code.
func TestSigning(t *testing.T) {
	form := func(body string) func(*http.Request) {
		return func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
		}
	}
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for _, tt := range []struct {
		name   string
		spoil  func(*http.Request)
		code   int
		detail string
	}{
		{"as it should be", func(*http.Request) {}, 0, ""},
		{"no credentials", func(r *http.Request) { r.Header.Del("Authorization") }, 40101, ""},
		{"bearer", set("Authorization", "Bearer x"), 40101, ""},
		{"other key", func(r *http.Request) { r.SetBasicAuth("DIOTHEROTHEROTHER000", "00") }, 40102, ""},
		{"no signature", func(r *http.Request) { r.SetBasicAuth("DIFAKEFAKEFAKEFAKE00", "") }, 40103, ""},
		{"capitals", func(r *http.Request) {
			ikey, sig, _ := r.BasicAuth()
			r.SetBasicAuth(ikey, strings.ToUpper(sig))
		}, 40103, ""},
		{"other parameter", form("username=al"), 40103, ""},
		{"other path", func(r *http.Request) { r.URL.Path = "/auth/v2/auth" }, 40103, ""},
		{"other X-Duo-Date", set("X-Duo-Date", time.Now().Add(time.Minute).UTC().Format(time.RFC1123Z)), 40103, ""},
		{"other host", func(r *http.Request) { r.Host = "localhost" }, 40103, ""},
		{"unknown host", func(r *http.Request) { r.Host = "duo.example" }, 40103, "host: not ours"},
		{"no host", func(r *http.Request) { r.Host = "" }, 40103, "host: not ours"},
		{"no date", func(r *http.Request) { r.Header.Del("Date") }, 40104, ""},
		{"no date at all", set("Date", "noon"), 40105, "not an RFC 2822 date"},
		{"yesterday", set("Date", "Tue, 21 Aug 2012 17:29:18 -0000"), 40105, ""},
		{"no content type", func(r *http.Request) { r.Header.Del("Content-Type") }, 40106, ""},
		{"plain text", set("Content-Type", "text/plain"), 40106, ""},
		{"charset", set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"), 0, ""},
		{"form as JSON", set("Content-Type", "application/json"), 40002, "malformed JSON; want an object of strings"},
		{"no length", func(r *http.Request) { r.ContentLength = -1 }, 41101, "a body without Content-Length"},
		{"twice", form("username=jo&username=jo"), 40002, "username: given twice"},
		{"unknown parameter", form("username=jo&ip=192.0.2.1"), 40002, "ip: unknown parameter"},
		{"malformed", form("username=%zz"), 40002, "malformed parameters"},
		{"query", func(r *http.Request) { r.URL.RawQuery = "username=jo" }, 40002, "a POST with a query"},
		{"too much", form("username=jo&ipaddr=" + strings.Repeat("9", 200_000)), 41301, ""},
		{"GET", func(r *http.Request) { r.Method = "GET" }, 40501, ""},
		{"no such path", func(r *http.Request) { r.URL.Path = "/auth/v2/enroll" }, 40401, ""},
	} {
		s := withJo(fakeduo.User{})
		r := signed(s, "POST", "/auth/v2/preauth", params("username", "jo"))
		tt.spoil(r)
		got := serve(t, s, r)
		wantHTTP, wantStat := tt.code/100, "FAIL"
		if tt.code == 0 {
			wantHTTP, wantStat = 200, "OK"
		}
		if got.HTTP != wantHTTP || got.Stat != wantStat || got.Code != tt.code || got.Detail != tt.detail {
			t.Errorf("%s: got %d %s %d %q, want %d %s %d %q", tt.name, got.HTTP, got.Stat, got.Code, got.Detail,
				wantHTTP, wantStat, tt.code, tt.detail)
		}
		if last := s.Requests()[0]; last.Status != got.HTTP || last.Code != got.Code {
			t.Errorf("%s: remembered %d %d, want %d %d", tt.name, last.Status, last.Code, got.HTTP, got.Code)
		}
	}
}

// Official clients write the zone in three ways, and X-Duo-Date goes before Date.
func TestDateForms(t *testing.T) {
	s := withJo(fakeduo.User{})
	now := time.Now().UTC()
	for _, date := range []string{
		now.Format("Mon, 02 Jan 2006 15:04:05 -0000"),
		now.Format(time.RFC1123Z),
		now.Format(http.TimeFormat),
		now.In(time.FixedZone("", 7200)).Format(time.RFC1123Z),
	} {
		r := signed(s, "GET", "/auth/v2/check", nil)
		r.Header.Set("Date", "Tue, 21 Aug 2012 17:29:18 -0000")
		r.Header.Set("X-Duo-Date", date)
		r.SetBasicAuth(s.IntegrationKey(),
			fakeduo.Sign(s.SecretKey(), fakeduo.CanonicalV2(date, "GET", "127.0.0.1", "/auth/v2/check", nil)))
		if got := serve(t, s, r); got.Stat != "OK" {
			t.Errorf("%s: got %+v", date, got)
		}
	}
}

func TestJSONParameters(t *testing.T) {
	s := withJo(fakeduo.User{})
	for body, want := range map[string]string{
		`{"username":"jo","ipaddr":"192.0.2.1"}`: "",
		`{"username":"jo","username":"jo"}`:      "username: given twice",
		`{"username":1}`:                         "malformed JSON; want an object of strings",
		`{"username":"jo"`:                       "malformed JSON; want an object of strings",
		`{"username":"jo"} x`:                    "malformed JSON; want an object of strings",
		`["jo"]`:                                 "malformed JSON; want an object of strings",
		``:                                       "malformed JSON; want an object of strings",
	} {
		r := httptest.NewRequest("POST", "/auth/v2/preauth", bytes.NewReader([]byte(body)))
		date := time.Now().UTC().Format(time.RFC1123Z)
		r.Host = "127.0.0.1"
		r.Header.Set("X-Duo-Date", date)
		r.Header.Set("Content-Type", "application/json")
		r.SetBasicAuth(s.IntegrationKey(), fakeduo.Sign(s.SecretKey(),
			fakeduo.CanonicalV5(date, "POST", "127.0.0.1", "/auth/v2/preauth", nil, []byte(body), r.Header)))
		if got := serve(t, s, r); got.Detail != want || (want == "") != (got.Stat == "OK") {
			t.Errorf("%s: got %+v, want %q", body, got, want)
		}
	}
}

func TestSkew(t *testing.T) {
	s := withJo(fakeduo.User{})
	for skew, want := range map[time.Duration]int{
		0: 0, 290 * time.Second: 0, -290 * time.Second: 0, 310 * time.Second: 40105, -310 * time.Second: 40105,
	} {
		s.Skew(skew)
		if got := serve(t, s, signed(s, "GET", "/auth/v2/check", nil)); got.Code != want {
			t.Errorf("skew %v: got code %d, want %d", skew, got.Code, want)
		}
		ping := serve(t, s, httptest.NewRequest("GET", "/auth/v2/ping", nil))
		if off := time.Duration(ping.Response.Time-time.Now().Unix())*time.Second - skew; off.Abs() > 2*time.Second {
			t.Errorf("skew %v: ping's time is %v off", skew, off)
		}
	}
}
