package radiusd

import (
	"bytes"
	"encoding/hex"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"

	"duoradiusd/policy"
	"duoradiusd/radiusd/wire"
	"duoradiusd/test/nas"
)

// vector reads a packet of testdata.
func vector(t testing.TB, file string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const rfcSecret = "xyzzy5461"

func TestRFC2865_7_1(t *testing.T) {
	p, why := walk(vector(t, "rfc2865-7.1-access-request.hex"))
	if why != notDropped {
		t.Fatal(why)
	}
	if p.code() != wire.AccessRequest || p.identifier() != 0 || string(p.value(p.userName)) != "nemo" || p.methods() != 1 {
		t.Errorf("code %d, Identifier %d, User-Name %q, %d methods", p.code(), p.identifier(), p.value(p.userName), p.methods())
	}
	password, ok := decodes(p.value(p.userPassword), p.authenticator(), []byte(rfcSecret), false)
	if password != "arctangent" || !ok {
		t.Errorf("User-Password %q, %v; want arctangent", password, ok)
	}
	if password, ok := decodes(p.value(p.userPassword), p.authenticator(), []byte("wrong"), false); ok {
		t.Errorf("with a wrong secret: %q", password)
	}
}

func TestRFC5997_6_1(t *testing.T) {
	p, why := walk(vector(t, "rfc5997-6.1-status-server.hex"))
	if why != notDropped || p.code() != wire.StatusServer {
		t.Fatal(why, p.code())
	}
	if !p.authentic(&Client{Secret: wire.NewSecret(rfcSecret)}) {
		t.Error("its Message-Authenticator is refused")
	}
	if p.authentic(&Client{Secret: wire.NewSecret("wrong")}) {
		t.Error("a wrong secret is taken")
	}
	c := &Client{Secret: wire.NewSecret(rfcSecret), OmitReplyAuthenticator: true}
	got, want := p.startReply(nil, c, wire.AccessAccept), vector(t, "rfc5997-6.1-access-accept.hex")
	if c.Secret.SignReply(got); !bytes.Equal(got, want) {
		t.Errorf("got % x, want % x", got, want)
	}
}

// TestSealAgainstLayeh: every reply has the Response Authenticator that another library computes.
func TestSealAgainstLayeh(t *testing.T) {
	for _, omit := range []bool{false, true} {
		c := &Client{Secret: wire.NewSecret(testSecret), OmitReplyAuthenticator: omit}
		for _, v := range []policy.Verdict{{}, {Outcome: policy.OutcomeAccept, Message: "Hello"}, {Outcome: policy.OutcomeChallenge,
			Message: strings.Repeat("x", 600), State: "state", Wait: time.Minute}} {
			request := signedLogin().ProxyState("one").ProxyState("two").Bytes()
			p, why := walk(request)
			if why != notDropped {
				t.Fatal(why)
			}
			for range 3 { // the keyed hash is used again
				reply, err := p.answer(nil, c, &v)
				if err != nil {
					t.Fatal(err)
				}
				if !radius.IsAuthenticResponse(reply, request, []byte(testSecret)) {
					t.Errorf("layeh refuses % x", reply)
				}
				q, err := radius.Parse(reply, []byte(testSecret))
				if err != nil {
					t.Fatal(err)
				}
				states, _ := rfc2865.ProxyState_GetStrings(q)
				if strings.Join(states, " ") != "one two" || len(rfc2865.ReplyMessage_Get(q)) != min(len(v.Message), wire.MaxValue) {
					t.Errorf("layeh reads Proxy-States %q and a Reply-Message of %d octets", states, len(rfc2865.ReplyMessage_Get(q)))
				}
			}
		}
	}
}

// decodes decodes a User-Password that was hidden with secret.
func decodes(field []byte, authenticator [16]byte, secret []byte, latin1 bool) (string, bool) {
	password, _, fault := decodePassword(field, authenticator, &Client{Secret: wire.NewSecret(string(secret)), Latin1: latin1})
	return password, fault == ""
}

// TestPasswordHints: the line names the fault. It doubts the secret only if nothing has proved the secret and a wrong one
// could be the cause.
func TestPasswordHints(t *testing.T) {
	hide := func(plain string) []byte {
		if len(plain) > wire.MaxPassword {
			return make([]byte, 144)
		}
		b, err := wire.NewSecret(testSecret).HidePassword(plain, [16]byte{})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, tt := range []struct {
		field  []byte
		latin1 bool
		word   string
		doubts bool // of the secret, in an unsigned packet
	}{
		{hide("pw")[:15], false, "15 octets", false},
		{hide(strings.Repeat("x", 129)), false, "longer than the 128 octets", false},
		{hide("x\x00y"), false, "NUL", true},
		{hide("caf\xe9"), false, "password_charset", true},
		{hide("caf\x81"), true, "Windows-1252", true},
		{hide("a\tb"), false, "control character", true},
	} {
		_, _, fault := decodePassword(tt.field, [16]byte{}, &Client{Secret: wire.NewSecret(testSecret), Latin1: tt.latin1})
		for _, authentic := range []bool{true, false} {
			hint := fault.hint(authentic)
			if !strings.Contains(hint, tt.word) || strings.Contains(hint, "secret") != (tt.doubts && !authentic) {
				t.Errorf("signed %v: %q, want %q", authentic, hint, tt.word)
			}
		}
	}
}

func TestDecodePassword(t *testing.T) {
	var authenticator [16]byte
	copy(authenticator[:], "0123456789abcdef")
	secret := []byte(testSecret)
	hidden := func(plain string) []byte {
		b := make([]byte, max(16, (len(plain)+15)/16*16))
		copy(b, plain)
		a, err := radius.NewUserPassword(b, secret, authenticator[:])
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	for _, tt := range []struct {
		plain  string
		latin1 bool
		want   string
		ok     bool
	}{
		{"", false, "", true},
		{strings.Repeat("\x00", 128), false, "", true},
		{"x", false, "x", true},
		{strings.Repeat("x", 128), false, strings.Repeat("x", 128), true},
		{"päss €", false, "päss €", true},
		{" blank ", false, " blank ", true},
		{"\x00x", false, "", false},
		{"x\x00y", false, "", false},
		{strings.Repeat("x", 16) + "\x00" + "y", false, "", false},
		{strings.Repeat("\x00", 16) + "y", false, "", false},
		{"caf\xe9", false, "", false},
		{"caf\xe9", true, "café", true},
		{"caf\x85", true, "caf…", true},
		{"zehn\x80 \x96 \x92", true, "zehn€ – ’", true},
		{"caf\x81", true, "", false}, {"\x8d\x8f\x90\x9d\xe9", true, "", false}, // undefined in Windows-1252
		{"café", true, "café", true}, // UTF-8 is read as UTF-8 in every charset
		{"a\tb", false, "", false},
		{"a\x7f", false, "", false},
		{"\u0085", false, "", false},
		{"\xed\xa0\x80", false, "", false}, // a surrogate
	} {
		if got, ok := decodes(hidden(tt.plain), authenticator, secret, tt.latin1); got != tt.want || ok != tt.ok {
			t.Errorf("%q: %q, %v; want %q, %v", tt.plain, got, ok, tt.want, tt.ok)
		}
	}
	for size := range 300 {
		_, ok := decodes(hidden("x")[:min(size, 16)], authenticator, secret, false)
		if size > 0 && size < 16 && ok {
			t.Errorf("%d octets are a password", size)
		}
		long := bytes.Repeat(hidden("x"), 19)[:size]
		if _, ok := decodes(long, authenticator, secret, false); ok && (size > 128 || size%16 != 0) {
			t.Errorf("%d octets are a password", size)
		}
	}
}

// TestWrongSecretIsNoticed: a password that a wrong secret decodes is hardly ever a valid one (radius.md §3 no. 3).
func TestWrongSecretIsNoticed(t *testing.T) {
	taken := 0
	for range 20_000 {
		p, _ := walk(nas.AccessRequest(testSecret, "jo", "hunter2").Bytes())
		if _, ok := decodes(p.value(p.userPassword), p.authenticator(), []byte("another secret"), false); ok {
			taken++
		}
	}
	if taken > 5 { // one in 200 000 is expected
		t.Errorf("%d of 20 000 taken", taken)
	}
}

func TestWalkFindsAttributes(t *testing.T) {
	b := nas.AccessRequest(testSecret, "jo", "hunter2").State([]byte("state")).AddUint32(nas.ServiceType, 10).
		ProxyState("one").ProxyState("three").AddVSA(wire.Microsoft, wire.MSCHAP2Response, make([]byte, 50)).Sign(nas.Middle).Bytes()
	p, why := walk(append(b, "padding"...))
	if why != notDropped || !bytes.Equal(p.b, b) {
		t.Fatalf("%v, % x", why, p.b)
	}
	if string(p.value(p.userName)) != "jo" || string(p.value(p.state)) != "state" || p.service() != 10 || p.proxyState != 5+7 ||
		!p.msCHAP || p.arap || p.chapPassword.present() || p.eap.present() || p.methods() != 2 || !p.resumes() {
		t.Errorf("found %+v", p)
	}
	if !p.authentic(testClient()) {
		t.Error("its Message-Authenticator is refused")
	}
	if cap(p.b) != len(b) {
		t.Error("the packet reaches into the padding")
	}
}

func TestMicrosoftAttributes(t *testing.T) {
	for _, tt := range []struct {
		value string
		want  bool
	}{
		{"\x00\x00\x01\x37\x01\x04xx", true},
		{"\x00\x00\x01\x37\x19\x02", true},
		{"\x00\x00\x01\x37\x0b\x12challenge-of-16.\x19\x04xx", true},
		{"\x00\x00\x01\x37\x0b\x02\x01\x02", true},
		{"\x00\x00\x01\x37\x0b\x04xx", false},
		{"\x00\x00\x01\x37\x01\x00", false},
		{"\x00\x00\x01\x37\x01\x05xx", false},
		{"\x00\x00\x01\x37\x01", false},
		{"\x00\x00\x01\x38\x01\x04xx", false},
		{"\x01\x00\x01\x37\x01\x04xx", false},
		{"\x00\x00\x01", false},
		{"", false},
	} {
		if got := isMSCHAP([]byte(tt.value)); got != tt.want {
			t.Errorf("% x: %v, want %v", tt.value, got, tt.want)
		}
	}
}

// TestA12_LinesStayWhole: a message is split at line ends, so that a client that shows each Reply-Message by itself shows
// whole lines.
func TestA12_LinesStayWhole(t *testing.T) {
	line := strings.Repeat("ä", 40) + "\n" // 81 octets
	for _, tt := range []struct {
		message string
		want    []int // octets
	}{
		{strings.Repeat(line, 4), []int{243, 81}}, {strings.Repeat(line, 7) + "end:", []int{243, 243, 85}},
		{strings.Repeat(line, 15), []int{243, 243, 243, 243}}, // four Reply-Messages at most
		{strings.Repeat("ä", 130), []int{252, 8}},
	} {
		reply, err := replyTo(t, signedLogin(), policy.Verdict{Message: tt.message})
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, m := range reply.Get(nas.ReplyMessage) {
			got = append(got, len(m))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%.20q: %v, want %v", tt.message, got, tt.want)
		}
	}
}
