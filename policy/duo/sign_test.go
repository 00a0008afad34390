package duo_test

import (
	"crypto/hmac"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/duo"
	"duoradiusd/policy/factor"
)

// encode is the parameter line: sorted, all escaped but A-Z a-z 0-9 _ . ~ -, a space as %20.
func encode(params url.Values) string {
	var pairs []string
	for name, values := range params {
		pairs = append(pairs, escape(name)+"="+escape(values[0]))
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

func escape(s string) string {
	const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.~-"
	var b strings.Builder
	for _, c := range []byte(s) {
		if strings.IndexByte(plain, c) >= 0 {
			b.WriteByte(c)
		} else {
			b.WriteString("%" + strings.ToUpper(hex.EncodeToString([]byte{c})))
		}
	}
	return b.String()
}

// authorization is signature version 2 with SHA-512, from its description.
func authorization(ikey, skey, date, method, host, path string, params url.Values) string {
	mac := hmac.New(sha512.New, []byte(skey))
	io.WriteString(mac, strings.Join([]string{date, method, host, path, encode(params)}, "\n"))
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(ikey+":"+hex.EncodeToString(mac.Sum(nil))))
}

// Parameter lines that Duo publishes: duo_hmac_python/test/test_canonicalization.py, duo_api_golang/duo_test.go.
var parameterVectors = []struct {
	params url.Values
	line   string
}{
	{url.Values{}, ""},
	{url.Values{"realname": {"First Last"}}, "realname=First%20Last"},
	{url.Values{"username": {"root"}, "realname": {"First Last"}}, "realname=First%20Last&username=root"},
	{url.Values{"words": {"First Last"}, "success": {"true"}, "digit": {"5"}}, "digit=5&success=true&words=First%20Last"},
	{url.Values{"foo_bar": {"2"}, "foo": {"1"}}, "foo=1&foo_bar=2"},
	{url.Values{
		"digits": {"0123456789"}, "letters": {"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"},
		"punctuation": {"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"}, "whitespace": {"\t\n\x0b\x0c\r "},
	}, "digits=0123456789&letters=abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ&punctuation=%21%22%23%24%25%26%27%28" +
		"%29%2A%2B%2C-.%2F%3A%3B%3C%3D%3E%3F%40%5B%5C%5D%5E_%60%7B%7C%7D~&whitespace=%09%0A%0B%0C%0D%20"},
	{url.Values{"bar": {"⠕ꪣ㟏䮷㛩찅暎腢슽ꇱ"}, "baz": {"ෳ蒽噩馅뢤갺篧潩鍊뤜"}},
		"bar=%E2%A0%95%EA%AA%A3%E3%9F%8F%E4%AE%B7%E3%9B%A9%EC%B0%85%E6%9A%8E%E8%85%A2%EC%8A%BD%EA%87%B1&" +
			"baz=%E0%B7%B3%E8%92%BD%E5%99%A9%E9%A6%85%EB%A2%A4%EA%B0%BA%E7%AF%A7%E6%BD%A9%E9%8D%8A%EB%A4%9C"},
}

// The yardstick of this file first: it holds for what Duo publishes.
func TestSignatureVectors(t *testing.T) {
	for _, tt := range parameterVectors {
		if got := encode(tt.params); got != tt.line {
			t.Errorf("got %s, want %s", got, tt.line)
		}
	}
	got := authorization("DIWJ8X6AEYOR5OMC6TQ1", "Zh5eGmUq9zpfQnyUIu5OL9iWoMMv5ZNmk3zLJ4Ep", "Tue, 21 Aug 2012 17:29:18 -0000",
		"POST", "api-xxxxxxxx.duosecurity.com", "/accounts/v1/account/list", url.Values{"realname": {"First Last"}, "username": {"root"}})
	want := "Basic RElXSjhYNkFFWU9SNU9NQzZUUTE6MWJmZmI4OTI0MzQ4ZjdkYjdkYTllN2Q3ZDc0OWRlZDkzYWFmZDAyZDhlOTA0OTYwZGE3Yjk2YzU3NTEwMjIw" +
		"MTg1YTY0YTI4MjdlZThmMjRhYzVkMzA4MDJhOWVlOTdlNTlkZTQ0YjMwNGIxODI0MmYwZDU5NmQxNWE4MTIyYWY="
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// byOtherHand are signatures by Python's hmac over the same five lines.
var byOtherHand = map[string]string{
	"/auth/v2/check?": "Basic RElBQkNERUZHSElKS0xNTk9QUVI6NmU1OWVlOTIwNzlhY2YwOGU4ZWZmMDI4ODA5YzExY2RiNDhkNjZiZmEwZDM4OTRk" +
		"OGI2MGUwZDgwYzFhZjY1ZmNiOGUxNDA0YWE0OWFlZmZiMTBjNjljZGRkYzQxMjU4MDQ1OTIzYzcyYWYwNzlhMDc5NTgyY2M2YzAwZWM4MGQ=",
	"/auth/v2/auth_status?txid=f22b1678-252a-4070-b176-0ca2be7319fd": "Basic RElBQkNERUZHSElKS0xNTk9QUVI6ZTliNGJlZDQyOTdl" +
		"ZjhhMTMyNWY4NDUzN2JiOGI3YzY2YTQxNjYyNzAwZDYwODgzYjM0NDU5OTcwZjA0MTVhODY1MmRiNDVkNzYzMWNlMzc0NGIxYWY2ZGVkYjg0Zjkz" +
		"OGY0NjI2YTBiODU0NWQwYzNlYTZhM2IyMjEzNWMwZDY=",
	"/auth/v2/preauth?ipaddr=192.0.2.1&username=First%20Last": "Basic RElBQkNERUZHSElKS0xNTk9QUVI6OTFhNjQxZjU0NDRhMDc2NjJi" +
		"MWNhNDU4ODczZmFmODJiZGRlZDM4MWRkMDU3NmIxYTVmOGM0NmE2MGUwZWM1NGQ4YzY4NzJkN2JlYTQ2Y2I4MWE3ZmRlOGJhMGZiYjRmYTI2Mjgw" +
		"NDg0ZTA0YzNlMGVkZjdjOWE2NDlmMmZlMzY=",
}

// sent is one request as Duo saw it.
type sent struct {
	method, path, host, date, authorization, agent string
	params                                         url.Values
}

// What the client sends is signed so, with the keys, host and moment of duo_hmac_python's vectors (whose zone is -0000
// where ours is +0000; Duo takes both) and each of the texts above as a value.
func TestSignatures(t *testing.T) {
	const ikey, skey, host = "DIABCDEFGHIJKLMNOPQR", "testtesttesttesttesttesttesttesttesttest", "api-xxxxxxxx.duosecurity.com"
	const date = "Fri, 24 May 2024 12:00:00 +0000"
	var list []sent
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2024, 5, 24, 12, 0, 0, 0, time.UTC)))
		c, err := duo.New(duo.Config{Host: "API-XXXXXXXX.duosecurity.com", IntegrationKey: ikey, SecretKey: skey})
		if err != nil {
			t.Fatal(err)
		}
		listen(t, c, func(w http.ResponseWriter, r *http.Request) {
			r.ParseForm()
			list = append(list, sent{r.Method, r.URL.Path, r.Host, r.Header.Get("Date"), r.Header.Get("Authorization"), r.UserAgent(), r.Form})
			io.WriteString(w, `{"stat":"OK","response":{"result":"deny","txid":"f22b1678-252a-4070-b176-0ca2be7319fd","time":1}}`)
		})
		c.Check(t.Context())
		c.Ping(t.Context())
		for _, tt := range parameterVectors {
			for _, values := range tt.params {
				user := policy.Identity{Username: values[0]}
				c.Preauth(t.Context(), policy.PreauthRequest{User: user, IP: netip.MustParseAddr("192.0.2.1")})
				c.Auth(t.Context(), &policy.AuthRequest{User: user, Factor: factor.Push, Name: values[0], Info: [][2]string{{"k k", values[0]}}})
			}
		}
	})
	seen := map[string]bool{}
	for _, s := range list {
		call := s.path + "?" + encode(s.params)
		if want, ok := byOtherHand[call]; ok {
			seen[call] = true
			if s.authorization != want {
				t.Errorf("%s: got %s, want %s", call, s.authorization, want)
			}
		}
		want := authorization(ikey, skey, date, s.method, host, s.path, s.params)
		if s.path == pingPath {
			s.date, want = date, ""
		}
		if s.date != date || s.authorization != want || !strings.EqualFold(s.host, host) || s.agent != "duo_api_golang/0.2.0" {
			t.Errorf("%s: got %+v, want %s", s.path, s, want)
		}
	}
	if len(seen) != len(byOtherHand) {
		t.Errorf("seen %v", seen)
	}
}

// listen lets handler answer c in a bubble, in the clear.
func listen(t *testing.T, c *duo.Client, handler http.HandlerFunc) {
	w := &world{conns: make(chan net.Conn), closed: make(chan struct{})}
	c.Model().DialTLSContext = w.dial
	front := &http.Server{Handler: handler}
	go front.Serve(w)
	t.Cleanup(func() { c.Close(); front.Close() })
}
