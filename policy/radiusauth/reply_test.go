package radiusauth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"layeh.com/radius"

	"duoradiusd/policy"
	"duoradiusd/radiusd/wire"
)

// answered returns the result of an upstream's reply to r.
func answered(t *testing.T, r policy.FirstRequest, answer func(q *query)) (a policy.Account, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve(one).does(answer)
		u := w.upstream(Config{RequireMessageAuthenticator: true}, one)
		defer u.Close()
		a, err = u.Authenticate(t.Context(), r)
	})
	return a, err
}

func replying(code radius.Code, list ...at) func(q *query) {
	return func(q *query) { q.reply(code, list...) }
}

// names lists attributes as vendor.type=value.
func names(list []policy.Attribute) (out []string) {
	for _, a := range list {
		out = append(out, fmt.Sprintf("%d.%d=%q", a.Vendor, a.Type, a.Value))
	}
	return out
}

// TestAcceptAttributes: an Access-Accept keeps the attributes that RFC 2865 §5.44 and its successors allow, and no others.
func TestAcceptAttributes(t *testing.T) {
	carried := []at{{6, "\x00\x00\x00\x06"}, {8, "\x0a\x00\x00\x01"}, {11, "full"}, {22, "route"}, {25, "c1"}, {25, "c2"}, {27, "\x00\x00\x0e\x10"},
		{28, "\x00\x00\x00\x3c"}, {29, "\x00\x00\x00\x01"}, {62, "\x00\x00\x00\x01"}, {64, "\x00\x00\x00\x0d"}, {81, "\x01vlan"}, {85, "\x00\x00\x00\x3c"},
		{88, "pool"}, {89, "cui"}, {97, "\x00\x40abc"}, {100, "v6pool"}, {123, "\x00\x40"}, {168, strings.Repeat("6", 16)}, {200, "new"}, {241, "\x05x"}, {1, "Jo"}}
	dropped := []at{{2, strings.Repeat("p", 16)}, {3, "x"}, {4, "\x0a\x00\x00\x01"}, {5, "x"}, {24, "state"}, {30, "x"}, {31, "x"}, {32, "x"}, {33, "proxy"},
		{40, "x"}, {44, "x"}, {55, "x"}, {60, "x"}, {61, "x"}, {76, "\x00\x00\x00\x01"}, {77, "x"}, {79, "\x03\x01\x00\x04"}, {87, "x"}, {95, "x"},
		{101, "x"}, {103, "x"}, {121, "HA1"}, {143, "key"}, {214, "secret"}, {241, "\x04x"}, {241, ""},
		vsa(311, msChallenge), vsa(311, at{2, "\x01E=691"}), vsa(529, at{214, "s"}), vsa(14823, at{44, "psk"}), vsa(24757, at{5, "\x00msk"}),
		{26, "\x00\x00\x12\xee\x00\xd6\x05s"}, {26, "\x00\x00\x01\x37\x10"}, {26, "\x00\x00\x60\xb5\x05\xff"}, {26, "\x00\x00\x01"}}
	a, err := answered(t, pap("jo", "hunter2"), replying(2, append(slices.Clone(carried), dropped...)...))
	var want []string
	for _, c := range carried {
		want = append(want, fmt.Sprintf("0.%d=%q", c.kind, c.value))
	}
	if got := names(a.Attributes); err != nil || !slices.Equal(got, want) || a.Proof != nil || a.EAP != "" || a.User != "" {
		t.Errorf("%v\ngot  %s\nwant %s", err, got, want)
	}
}

// TestAcceptVendor: ordinary vendor attributes are split, and others stay whole.
func TestAcceptVendor(t *testing.T) {
	usr := at{26, "\x00\x00\x01\xad\x00\x00\x90\x01usr"}
	starent := at{26, "\x00\x00\x1f\xe4\x01\x04\x00\x06\x05\x02"} // it could be read as two attributes, but is one
	odd := at{26, "\x00\x00\x00\x09\x01\xffx"}
	high := at{26, "\x01\x00\x00\x09\x01\x03x"}
	a, err := answered(t, pap("jo", "hunter2"), replying(2, vsa(9, at{1, "a=b"}, at{2, ""}, at{1, "c=d"}), vsa(14122, at{5, "x"}), usr, starent, odd, high, at{26, "\x00\x00\x00\x09"},
		at{18, "hello"}))
	want := []string{`9.1="a=b"`, `9.2=""`, `9.1="c=d"`, `14122.5="x"`, fmt.Sprintf("0.26=%q", usr.value), fmt.Sprintf("0.26=%q", starent.value), fmt.Sprintf("0.26=%q", odd.value),
		fmt.Sprintf("0.26=%q", high.value), `0.26="\x00\x00\x00\t"`, `0.18="hello"`}
	if got := names(a.Attributes); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v\ngot  %s\nwant %s", err, got, want)
	}
}

// hide encrypts by RFC 2868 §3.5, with another library's code.
func hide(t *testing.T, q *query, salt byte, clear string) string {
	b, err := radius.NewTunnelPassword([]byte(clear), []byte{0x80, salt}, []byte(q.secret), q.Authenticator[:])
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

// TestDecrypted: what is hidden with the upstream's secret is decrypted, and keys belong to the method.
func TestDecrypted(t *testing.T) {
	send, recv := strings.Repeat("s", 32), strings.Repeat("r", 16)
	keys := strings.Repeat("l", 8) + strings.Repeat("n", 16)
	for _, password := range []string{"", "x", strings.Repeat("p", 15), strings.Repeat("p", 16), strings.Repeat("p", 239)} {
		a, err := answered(t, pap("jo", "hunter2"), func(q *query) {
			hidden, err := radius.NewUserPassword([]byte(keys), []byte(q.secret), q.Authenticator[:])
			if err != nil {
				t.Error(err)
			}
			q.reply(2, at{69, "\x01" + hide(t, q, 1, password)}, vsa(311, at{16, hide(t, q, 2, send)}, at{17, hide(t, q, 3, recv)}),
				vsa(311, at{12, string(hidden)}), vsa(311, at{7, "\x00\x00\x00\x01"}), vsa(311, at{8, "\x00\x00\x00\x06"}),
				vsa(311, at{26, "\x01S=ABC"}, at{10, "\x01DOMAIN"}), at{102, "keyname"})
		})
		if want := []string{fmt.Sprintf("0.69=%q", "\x01"+password), `311.10="\x01DOMAIN"`}; err != nil || !slices.Equal(names(a.Attributes), want) {
			t.Errorf("%v: got %s, want %s", err, names(a.Attributes), want)
		}
		want := []string{fmt.Sprintf("311.16=%q", send), fmt.Sprintf("311.17=%q", recv), fmt.Sprintf("311.12=%q", keys),
			`311.7="\x00\x00\x00\x01"`, `311.8="\x00\x00\x00\x06"`, `311.26="\x01S=ABC"`, `0.102="keyname"`}
		if !slices.Equal(names(a.Proof), want) {
			t.Errorf("got  %s\nwant %s", names(a.Proof), want)
		}
	}
}

// TestUndecryptable: a key that can't be decrypted fails the login, and not only the session after it.
func TestUndecryptable(t *testing.T) {
	for _, tt := range []struct {
		name string
		bad  at
	}{
		{"short key", vsa(311, at{16, "\x80\x01short"})},
		{"uneven key", vsa(311, at{17, strings.Repeat("k", 35)})},
		{"empty key", vsa(311, at{16, ""})},
		{"CHAP keys", vsa(311, at{12, strings.Repeat("k", 24)})},
		{"Tunnel-Password", at{69, ""}},
		{"Tunnel-Password of a tag", at{69, "\x01"}},
	} {
		_, err := answered(t, pap("jo", "hunter2"), replying(2, tt.bad))
		if err == nil || errors.Is(err, policy.ErrRejected) || !strings.HasSuffix(err.Error(), "can't be decrypted") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	_, err := answered(t, pap("jo", "hunter2"), func(q *query) {
		q.reply(2, at{69, "\x01" + hide(t, &query{Packet: q.Packet, secret: "another"}, 1, strings.Repeat("x", 15))})
	})
	if err != nil && !strings.Contains(err.Error(), "can't be decrypted") { // its length may be valid by chance
		t.Error(err)
	}
}

// TestA11Reject: an Access-Reject keeps its Reply-Message, EAP-Failure and MS-CHAP-Error.
func TestA11Reject(t *testing.T) {
	_, err := answered(t, pap("jo", "hunter2"), replying(3, at{18, "no"}, at{18, "way"}, at{8, "\x0a\x00\x00\x01"}, at{25, "c"}, at{24, "s"}, at{79, "\x04\x07\x00\x04"},
		vsa(311, at{2, "\x01E=691 R=1"}, at{26, "x"}), vsa(9, at{1, "x"}), at{33, "p"}))
	no, ok := errors.AsType[*policy.Refusal](err)
	if !ok || !errors.Is(err, policy.ErrRejected) {
		t.Fatal(err)
	}
	if no.Message != "no\nway" || !no.Relayed || no.Proven || no.EAP != "\x04\x07\x00\x04" || no.Why != "the upstream rejects the login" ||
		!slices.Equal(names(no.Attributes), []string{`311.2="\x01E=691 R=1"`}) {
		t.Errorf("got %+v", no)
	}
	_, err = answered(t, pap("jo", "hunter2"), replying(3, at{79, "\x03\x07\x00\x04"}))
	if no, _ := errors.AsType[*policy.Refusal](err); no == nil || no.EAP != "" {
		t.Errorf("an EAP-Success in a reject: %+v", no)
	}
}

// TestA10Challenge: an Access-Challenge keeps only the attributes that it may carry.
func TestA10Challenge(t *testing.T) {
	_, err := answered(t, pap("jo", "hunter2"), replying(11, at{18, "Code?"}, at{24, "state"}, at{25, "class"}, at{11, "filter"}, at{27, "\x00\x00\x00\x1e"},
		at{28, "\x00\x00\x00\x05"}, at{76, "\x00\x00\x00\x00"}, at{8, "\x0a\x00\x00\x01"}, at{33, "p"}, vsa(9, at{1, "x"}), vsa(311, at{16, strings.Repeat("k", 34)}, at{26, "s"}, at{10, "d"}),
		at{69, "\x00\x80\x01"}, at{1, "other"}, at{95, "x"}))
	back, ok := errors.AsType[*policy.AskBack](err)
	if !ok {
		t.Fatal(err)
	}
	want := []string{`0.28="\x00\x00\x00\x05"`, `0.76="\x00\x00\x00\x00"`, `9.1="x"`, `311.10="d"`}
	if back.Message != "Code?" || back.Wait != 30*time.Second || back.EAP != "" || !slices.Equal(names(back.Attributes), want) {
		t.Errorf("got %+v", back)
	}
}

// TestImpossible: a reply that is signed but makes no sense is not an answer.
func TestImpossible(t *testing.T) {
	eap := pap("jo", "")
	eap.Method, eap.Attributes = policy.MethodEAP, octets(at{79, "\x02\x01\x00\x07\x01jo"})
	for _, tt := range []struct {
		name string
		r    policy.FirstRequest
		does func(q *query)
		want string
	}{
		{"two States", pap("jo", "x"), replying(11, at{24, "a"}, at{24, "b"}), "an Access-Challenge with more than one State"},
		{"EAP to a password", pap("jo", "x"), replying(11, at{24, "a"}, at{79, "\x01\x01\x00\x05\x01"}), "an Access-Challenge with EAP to a login by password"},
		{"words to EAP", eap, replying(11, at{24, "a"}, at{18, "Code?"}), "an Access-Challenge without an EAP request"},
		{"EAP-Success in a challenge", eap, replying(11, at{24, "a"}, at{79, "\x03\x01\x00\x04"}), "an Access-Challenge without an EAP request"},
		{"EAP truncated", eap, replying(11, at{24, "a"}, at{79, "\x01\x01\x00\x06\x01"}), "an Access-Challenge without an EAP request"},
		{"accept without EAP", eap, replying(2, at{1, "jo"}), "an Access-Accept without EAP-Success"},
		{"accept with EAP-Failure", eap, replying(2, at{1, "jo"}, at{79, "\x04\x01\x00\x04"}), "an Access-Accept without EAP-Success"},
		{"accept with an EAP request", eap, replying(2, at{1, "jo"}, at{79, "\x01\x01\x00\x05\x01"}), "an Access-Accept without EAP-Success"},
		{"accept with two names", eap, replying(2, at{1, "jo"}, at{1, "ann"}, at{79, "\x03\x01\x00\x04"}), "an Access-Accept with more than one User-Name"},
	} {
		_, err := answered(t, tt.r, tt.does)
		if want := "upstream: ask " + one + ": " + tt.want; err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", tt.name, err, want)
		}
	}
}

func TestMessages(t *testing.T) {
	long := strings.Repeat("ä", 600)
	for _, tt := range []struct {
		name string
		sent []string
		want string
	}{
		{"one", []string{"hello"}, "hello"},
		{"two", []string{"hello", "world"}, "hello\nworld"},
		{"cut between runes", []string{long[:252], long[252:504], long[504:600]}, long[:600]},
		{"cut within a rune", []string{long[:253], long[253:506], long[506:600]}, long[:600]},
		{"not UTF-8", []string{"a\xff\xfeb"}, "ab"},
		{"control characters", []string{"a\x1b[31m\x00\x07b\tc\nd\u009b"}, "a[31mbc\nd"},
		{"long", []string{long[:253], long[253:506], long[506:759], long[759:1012], long[1012:1200]}, long[:1012]},
		{"none", nil, ""},
	} {
		var list []at
		for _, s := range tt.sent {
			list = append(list, at{18, s})
		}
		_, err := answered(t, pap("jo", "x"), replying(3, list...))
		no, ok := errors.AsType[*policy.Refusal](err)
		if !ok || no.Message != tt.want || !utf8.ValidString(no.Message) {
			t.Errorf("%s: got %+v, want %q", tt.name, err, tt.want)
		}
		a, err := answered(t, pap("jo", "x"), replying(2, list...))
		got := ""
		for _, m := range a.Attributes {
			if m.Type != wire.ReplyMessage || len(m.Value) > 253 || !utf8.ValidString(m.Value) {
				t.Errorf("%s: attribute %d %q", tt.name, m.Type, m.Value)
			}
			got += m.Value
		}
		if err != nil || got != tt.want {
			t.Errorf("%s: accepted with %q, %v; want %q", tt.name, got, err, tt.want)
		}
	}
}
