package radiusauth

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"layeh.com/radius"

	"duoradiusd/policy"
	"duoradiusd/radiusd/wire"
)

// handedOn returns the request that a fake got for r, and the result.
func handedOn(t *testing.T, r policy.FirstRequest) (q *query, answer string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		f := w.serve(one).does(func(q *query) { q.reply(radius.CodeAccessReject) })
		u := w.upstream(Config{RequireMessageAuthenticator: true}, one)
		defer u.Close()
		answer = said(u.Authenticate(t.Context(), r))
		if got := f.queries(); len(got) == 1 {
			q = got[0]
		}
	})
	return q, answer
}

// shape returns the types and values of a request's attributes without the Message-Authenticator.
func (q *query) shape() (list []string) {
	all, _ := wire.Attributes(q.raw[20:])
	for _, a := range all[1:] {
		list = append(list, fmt.Sprintf("%d=%q", a.Type, a.Value))
	}
	return list
}

var (
	msChallenge  = at{11, strings.Repeat("C", 16)}
	msResponse   = at{1, strings.Repeat("1", 50)}
	ms2Response  = at{25, strings.Repeat("2", 50)}
	ms2Change    = at{27, strings.Repeat("3", 68)}
	msRASVersion = at{18, "x"}
	eapID        = at{79, "\x02\x01\x00\x07\x01Jo"}
	chapPassword = at{3, strings.Repeat("P", 17)}
)

// TestA17Credentials: the proof of each method is passed on as the method requires, and that of no other method.
func TestA17Credentials(t *testing.T) {
	all := []at{
		{1, "Jo"}, {2, strings.Repeat("z", 16)}, chapPassword, {60, "challenge"}, {4, "\xc0\x00\x02\x09"},
		vsa(311, msChallenge, ms2Response), eapID, {102, "\x00"}, {24, "the client's state"}, {33, "proxy"}, {33, "proxy2"},
		{80, strings.Repeat("m", 16)}, {70, strings.Repeat("a", 16)}, {103, "digest"}, {122, "digest"},
	}
	const who, nas = `1="jo"`, `4="\xc0\x00\x02\t"`
	ms := fmt.Sprintf("26=%q", vsa(311, msChallenge, ms2Response).value)
	for _, tt := range []struct {
		method policy.Method
		want   []string
	}{
		{policy.MethodPassword, []string{who, "2=...", nas}},
		{policy.MethodCHAP, []string{who, fmt.Sprintf("3=%q", chapPassword.value), `60="challenge"`, nas}},
		{policy.MethodMSCHAP, []string{`1="Jo"`, ms, nas}},
		{policy.MethodEAP, []string{`1="Jo"`, fmt.Sprintf("79=%q", eapID.value), `102="\x00"`, nas}},
	} {
		t.Run(tt.method.String(), func(t *testing.T) {
			r := pap("jo", "hunter2")
			r.Typed, r.Method, r.Attributes = "Jo", tt.method, octets(all...)
			q, answer := handedOn(t, r)
			if q == nil {
				t.Fatal(answer)
			}
			got := q.shape()
			if tt.method == policy.MethodPassword {
				got[1] = "2=..."
				if clear, err := radius.UserPassword(radius.Attribute(q.value(2)), []byte(shared), q.Authenticator[:]); err != nil || string(clear) != "hunter2" {
					t.Errorf("password %q, %v", clear, err)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestA17Passwords: passwords of every length are decoded by another library's code.
func TestA17Passwords(t *testing.T) {
	for _, n := range []int{1, 15, 16, 17, 31, 32, 33, 127, 128} {
		password := strings.Repeat("é", n/2) + strings.Repeat("x", n%2)
		q, answer := handedOn(t, pap("jo", password))
		if q == nil {
			t.Fatalf("%d octets: %s", n, answer)
		}
		field := q.value(2)
		clear, err := radius.UserPassword(radius.Attribute(field), []byte(shared), q.Authenticator[:])
		if err != nil || string(clear) != password || len(field) != (n+15)/16*16 {
			t.Errorf("%d octets: %q in %d, %v", n, clear, len(field), err)
		}
	}
	for name, password := range map[string]string{"empty": "", "129 octets": strings.Repeat("x", 129), "NUL": "good\x00more"} {
		q, answer := handedOn(t, pap("jo", password))
		if q != nil || answer != "no" {
			t.Errorf("%s: got %s and asked %v, want no and nothing asked", name, answer, q != nil)
		}
	}
}

// TestA17CHAP: without a CHAP-Challenge, the challenge is the client's Request Authenticator (RFC 2865 §2.2).
func TestA17CHAP(t *testing.T) {
	r := pap("jo", "")
	r.Method, r.Attributes, r.Authenticator = policy.MethodCHAP, octets(chapPassword), [16]byte{1, 2, 3}
	q, answer := handedOn(t, r)
	if q == nil {
		t.Fatal(answer)
	}
	if got := q.value(60); got != string(r.Authenticator[:]) || q.value(3) != chapPassword.value {
		t.Errorf("CHAP-Challenge %q", got)
	}
	if bytes.Equal(q.Authenticator[:], r.Authenticator[:]) {
		t.Error("the client's authenticator is used again")
	}
}

// TestA17Unchanged: attributes that do not belong to one hop are passed on unchanged and in order, whether known or not.
func TestA17Unchanged(t *testing.T) {
	list := []at{
		{32, "vpn"}, {5, "\x00\x00\x00\x07"}, {61, "\x00\x00\x00\x05"}, {87, "eth0"}, {30, "called"}, {31, "203.0.113.7"},
		{6, "\x00\x00\x00\x02"}, {7, "\x00\x00\x00\x01"}, {12, "\x00\x00\x05\xdc"}, {66, "\x01203.0.113.7"}, {77, "CONNECT"},
		vsa(9, at{1, "ip:source-ip=203.0.113.7"}), vsa(9, at{1, "a"}, at{2, "b"}), vsa(311, msRASVersion),
		{26, "\x00\x00\x00"}, {26, "\x00\x00\x01\xad\x00\x00\x90\x01usr"}, {26, "\x00\x00\x00\x09\x01\xffcisco"},
		{200, "unknown"}, {241, "\x07x"}, {44, "session"}, {4, "bad"}, {250, ""},
	}
	r := pap("jo", "hunter2")
	r.Attributes = octets(list...)
	q, answer := handedOn(t, r)
	if q == nil {
		t.Fatal(answer)
	}
	if !bytes.HasSuffix(q.raw, r.Attributes) {
		t.Errorf("got % x\nwant the end % x", q.raw, r.Attributes)
	}
}

// TestA17Vendor: only those parts of a vendor's attribute that may not be passed on are removed.
func TestA17Vendor(t *testing.T) {
	for _, tt := range []struct {
		name   string
		method policy.Method
		sent   []at
		want   []at // after User-Name and, for a password, User-Password
	}{
		{"another method's proof", policy.MethodPassword, []at{vsa(311, msChallenge, msRASVersion, msResponse)}, []at{vsa(311, msRASVersion)}},
		{"proof and rest", policy.MethodMSCHAP, []at{vsa(311, msRASVersion, msChallenge, msResponse)},
			[]at{vsa(311, msChallenge, msResponse), vsa(311, msRASVersion)}},
		{"proof in two", policy.MethodMSCHAP, []at{vsa(311, msChallenge), vsa(9, at{1, "x"}), vsa(311, ms2Response)},
			[]at{vsa(311, msChallenge), vsa(311, ms2Response), vsa(9, at{1, "x"})}},
		{"a password change", policy.MethodMSCHAP, []at{vsa(311, msChallenge), vsa(311, ms2Change), vsa(311, at{6, "piece 1"}), vsa(311, at{6, "piece 2"})},
			[]at{vsa(311, msChallenge), vsa(311, ms2Change), vsa(311, at{6, "piece 1"}), vsa(311, at{6, "piece 2"})}},
		{"a password change, but the method is another", policy.MethodPassword, []at{vsa(311, msChallenge), vsa(311, ms2Change), vsa(311, at{6, "piece"})}, nil},
		{"a password change beside a response", policy.MethodMSCHAP, []at{vsa(311, msChallenge, ms2Response, ms2Change)},
			[]at{vsa(311, msChallenge, ms2Response)}},
		{"Microsoft's, malformed", policy.MethodMSCHAP, []at{vsa(311, msChallenge, ms2Response), {26, "\x00\x00\x01\x37\x19\x32x"}},
			[]at{vsa(311, msChallenge, ms2Response)}},
		{"hidden with the client's secret", policy.MethodPassword, []at{vsa(311, at{16, strings.Repeat("k", 34)}), {69, "\x00\x80\x01xx"}, {214, "secret"},
			vsa(529, at{214, "s"}, at{1, "x"})}, []at{vsa(529, at{1, "x"})}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := pap("jo", "hunter2")
			r.Method, r.Attributes = tt.method, octets(append([]at{{32, "vpn"}}, tt.sent...)...)
			q, answer := handedOn(t, r)
			if q == nil {
				t.Fatal(answer)
			}
			got := slices.DeleteFunc(q.shape(), func(s string) bool {
				return strings.HasPrefix(s, "1=") || strings.HasPrefix(s, "2=") || strings.HasPrefix(s, "32=")
			})
			var want []string
			for _, a := range tt.want {
				want = append(want, fmt.Sprintf("%d=%q", a.kind, a.value))
			}
			if !slices.Equal(got, want) {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// TestNASAddress: a request tells where it came from (RFC 2865 §4.1).
func TestNASAddress(t *testing.T) {
	for _, tt := range []struct {
		from string
		sent []at
		want string
	}{
		{"192.0.2.7", nil, `4="\xc0\x00\x02\a"`},
		{"::ffff:192.0.2.7", nil, `4="\xc0\x00\x02\a"`},
		{"2001:db8::1", nil, `95=" \x01\r\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"`},
		{"192.0.2.7", []at{{32, "vpn"}}, `32="vpn"`},
		{"192.0.2.7", []at{{4, "\x0a\x00\x00\x01"}}, `4="\n\x00\x00\x01"`},
		{"192.0.2.7", []at{{95, strings.Repeat("6", 16)}}, `95="6666666666666666"`},
	} {
		r := pap("jo", "hunter2")
		r.ClientAddr, r.Attributes = netip.MustParseAddr(tt.from), octets(tt.sent...)
		q, answer := handedOn(t, r)
		if q == nil {
			t.Fatal(answer)
		}
		if got := q.shape()[2:]; !slices.Equal(got, []string{tt.want}) {
			t.Errorf("from %s: got %s, want %s", tt.from, got, tt.want)
		}
	}
}

// TestUnfit: a login that can't be sent is an error, and nothing is sent.
func TestUnfit(t *testing.T) {
	var long []at
	for range 17 {
		long = append(long, at{77, strings.Repeat("x", 253)})
	}
	for _, tt := range []struct {
		name string
		r    policy.FirstRequest
		want string
	}{
		{"too long", policy.FirstRequest{User: "jo", Password: "x", Attributes: octets(long[:16]...)}, "upstream: a request of 4140 octets; want 4096 at most, which is what a RADIUS packet holds"},
		{"malformed", policy.FirstRequest{User: "jo", Password: "x", Attributes: []byte{1}}, "upstream: the client's attributes are malformed"},
		{"no name", policy.FirstRequest{Password: "x"}, "upstream: a User-Name of 0 octets; want 1 to 253"},
		{"long name", policy.FirstRequest{User: strings.Repeat("x", 254), Password: "x"}, "upstream: a User-Name of 254 octets; want 1 to 253"},
		{"no CHAP", policy.FirstRequest{User: "jo", Method: policy.MethodCHAP}, "upstream: no attribute of chap in the request"},
		{"no MS-CHAP", policy.FirstRequest{Typed: "jo", Method: policy.MethodMSCHAP}, "upstream: no attribute of ms-chap in the request"},
		{"no EAP", policy.FirstRequest{Typed: "jo", Method: policy.MethodEAP}, "upstream: no attribute of eap in the request"},
		{"State of others", policy.FirstRequest{User: "jo", Password: "x", State: "abc"}, "upstream: a State that this daemon did not send"},
	} {
		if q, answer := handedOn(t, tt.r); q != nil || answer != tt.want {
			t.Errorf("%s: got %q and asked %v, want %q", tt.name, answer, q != nil, tt.want)
		}
	}
}

// TestTicket: a State gives back what was put into it, and no other text is accepted as a State.
func TestTicket(t *testing.T) {
	for _, want := range []conversation{
		{server: "nps1.example.com:1812", addr: netip.MustParseAddrPort(one), state: "\x00\x01state"},
		{server: strings.Repeat("x", 300), addr: netip.MustParseAddrPort("[2001:db8::1]:1812"), eap: true, serverMethod: 25, peerMethod: 254},
	} {
		r := policy.FirstRequest{State: want.encode()}
		if want.eap {
			r.Method = policy.MethodEAP
		}
		if got, err := conversationOf(r); err != nil || got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
		for n := range len(want.encode()) - len(want.state) {
			r.State = want.encode()[:n]
			if _, err := conversationOf(r); n > 0 && err == nil {
				t.Errorf("the first %d octets of a State are taken", n)
			}
		}
		if r.Method = policy.MethodEAP; want.eap {
			r.Method = policy.MethodMSCHAP
		}
		r.State = want.encode()
		if _, err := conversationOf(r); !errors.Is(err, policy.ErrRejected) {
			t.Errorf("the State of another method: %v", err)
		}
	}
}
