package duo

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	duoapi "github.com/duosecurity/duo_api_golang"
)

// bySDK is what Duo's SDK sends for a call.
func bySDK(t *testing.T, ikey, skey, host, agent, method, path string, values url.Values) (*http.Request, []byte) {
	t.Helper()
	var sent *http.Request
	var body []byte
	sdk := duoapi.NewDuoApi(ikey, skey, host, agent)
	sdk.SetCustomHTTPClient(&http.Client{Transport: taker(func(r *http.Request) {
		sent = r
		if r.Body != nil {
			body, _ = io.ReadAll(r.Body)
		}
	})})
	call := sdk.SignedCall
	if path == pingPath {
		call = sdk.Call
	}
	if _, _, err := call(method, path, values); err != nil {
		t.Fatal(err)
	}
	return sent, body
}

// taker takes requests and answers them all.
type taker func(*http.Request)

func (take taker) RoundTrip(r *http.Request) (*http.Response, error) {
	take(r)
	return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
}

// wantAsSDK holds that we send what the SDK sends at the same moment: over HTTP/1.1 as net/http gets it, over HTTP/2 as
// it is decoded.
func wantAsSDK(t *testing.T, ikey, skey, host, agent, method, path string, values url.Values) {
	t.Helper()
	want, body := bySDK(t, ikey, skey, host, agent, method, path, values)
	c, err := New(Config{Host: host, IntegrationKey: ikey, SecretKey: skey, UserAgent: agent})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var p params
	for name, list := range values {
		p.add(name, list[0])
	}
	r := c.request(method, path, p)
	if path != pingPath {
		at, err := time.Parse(time.RFC1123Z, want.Header.Get("Date"))
		if err != nil {
			t.Fatal(err)
		}
		r.date, r.authorization = c.signer.sign(at, method, path, r.params)
	}
	got := r.overHTTP1(t.Context(), host+":443")
	if got.Method != want.Method || got.Host != want.URL.Host || got.URL.RequestURI() != want.URL.RequestURI() ||
		!bytes.Equal(r.body(), body) {
		t.Errorf("%s %s:\n got %s %s %s\nwant %s %s %s", method, path, got.Host, got.URL.RequestURI(), r.body(),
			want.URL.Host, want.URL.RequestURI(), body)
	}
	if len(got.Header) != len(want.Header) {
		t.Errorf("%s %s: got %v, want %v", method, path, got.Header, want.Header)
	}
	decoded := fieldsOf(t, r)
	for name, list := range want.Header {
		if got.Header.Get(name) != list[0] || decoded.Get(name) != list[0] {
			t.Errorf("%s %s: %s: got %s and %s, want %s", method, path, name, got.Header.Get(name), decoded.Get(name), list[0])
		}
	}
	if decoded.Get(":method") != want.Method || decoded.Get(":authority") != want.URL.Host || decoded.Get(":path") != want.URL.RequestURI() ||
		decoded.Get(":scheme") != "https" {
		t.Errorf("%s %s: got %v", method, path, decoded)
	}
}

// What we send is what Duo's SDK would: octet for octet, for the same parameters at the same moment.
func TestAsTheSDK(t *testing.T) {
	const ikey, skey, host = "DIABCDEFGHIJKLMNOPQR", "testtesttesttesttesttesttesttesttesttest", "api-xxxxxxxx.duosecurity.com"
	for _, tt := range []struct {
		host, agent, method, path string
		values                    url.Values
	}{
		{host, "", "GET", pingPath, nil},
		{host, "duoradiusd/1", "GET", pingPath, nil},
		{host, "duoradiusd/1", "GET", checkPath, nil},
		{"API-XXXXXXXX.DuoSecurity.com", "", "GET", checkPath, nil},
		{host, "", "GET", pollPath, url.Values{"txid": {"f22b1678-252a-4070-b176-0ca2be7319fd"}}},
		{host, "", "GET", pollPath, url.Values{"txid": {"a b+c&d=e%f/g?h#ü\x00\xff"}}},
		{host, "", "POST", preauthPath, url.Values{"username": {"jo"}, "ipaddr": {"192.0.2.1"}}},
		{host, "", "POST", authPath, url.Values{
			"username": {"CORP\\jo müller"}, "factor": {"push"}, "device": {"auto"}, "async": {"1"}, "display_username": {"jo@example.com"},
			"pushinfo": {"Service=VPN+%26+more&User+address=203.0.113.7"}, "ipaddr": {"203.0.113.7"},
		}},
		{host, "", "POST", authPath, url.Values{"a": {"1"}, "a_b": {"2"}, "a-b": {"3"}, "A": {"4"}, "aa": {"5"}, "a.b~c": {"-_.~"}, "ü": {"ÿ"}}},
	} {
		wantAsSDK(t, ikey, skey, tt.host, tt.agent, tt.method, tt.path, tt.values)
	}
}

func FuzzAsTheSDK(f *testing.F) {
	f.Add("DI", "secret", "username", "jo", "pushinfo", "a=b c&d=%41+ü\x00", true)
	f.Add("", "", "b", "~", "a", "/", false)
	f.Fuzz(func(t *testing.T, ikey, skey, name1, value1, name2, value2 string, post bool) {
		method, path := "GET", pollPath
		if post {
			method, path = "POST", authPath
		}
		values := url.Values{}
		for name, value := range map[string]string{name1: value1, name2: value2} {
			if value != "" { // what has no value is not sent
				values.Set(name, value)
			}
		}
		wantAsSDK(t, ikey, skey, "api-xxxxxxxx.duosecurity.com", "", method, path, values)
	})
}

// Signing many at once shares the keyed MACs.
func TestSignTogether(t *testing.T) {
	s := newSigner("DI", "secret", "h")
	now := time.Now()
	done := make(chan map[string]bool)
	for range 8 {
		go func() {
			seen := map[string]bool{}
			for range 500 {
				_, authorization := s.sign(now, "GET", pollPath, []byte("txid=1"))
				seen[authorization] = true
			}
			done <- seen
		}()
	}
	all := map[string]bool{}
	for range 8 {
		for authorization := range <-done {
			all[authorization] = true
		}
	}
	if len(all) != 1 {
		t.Errorf("%d signatures of one call", len(all))
	}
}
