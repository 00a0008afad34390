package nas

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2869"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The examples of RFC 2865 §7.1 and RFC 5997 §6.1, both with the secret xyzzy5461.
const (
	rfcSecret = "xyzzy5461"
	loginAsk  = `01 00 00 38 0f 40 3f 94 73 97 80 57 bd 83 d5 cb 98 f4 22 7a 01 06 6e 65 6d 6f 02 12 0d be 70 8d
		93 d4 13 ce 31 96 e4 3f 78 2a 0a ee 04 06 c0 a8 01 10 05 06 00 00 00 03`
	loginReply = `02 00 00 26 86 fe 22 0e 76 24 ba 2a 10 05 f6 bf 9b 55 e0 b2 06 06 00 00 00 01 0f 06 00 00 00 00
		0e 06 c0 a8 01 03`
	statusAsk = `0c da 00 26 8a 54 f4 68 6f b3 94 c5 28 66 e3 02 18 5d 06 23 50 12 5a 66 5e 2e 1e 84 11 f3 e2 43
		82 20 97 c8 4f a3`
	statusReply = "02 da 00 14 ef 0d 55 2a 4b f2 d6 93 ec 2b 6f e8 b5 41 1d 66"
)

// example returns a request with the Identifier and Authenticator of a packet.
func example(t *testing.T, r *Request, packet string) *Request {
	t.Helper()
	b := unhex(t, packet)
	r.Identifier = b[1]
	copy(r.Authenticator[:], b[4:])
	return r
}

func TestRFCExamples(t *testing.T) {
	login := example(t, AccessRequest(rfcSecret, "nemo", "arctangent"), loginAsk).
		Add(NASIPAddress, []byte{192, 168, 1, 16}).AddUint32(NASPort, 3)
	for _, tt := range []struct {
		name       string
		r          *Request
		ask, reply string
	}{
		{"RFC 2865 7.1", login, loginAsk, loginReply},
		{"RFC 5997 6.1", example(t, StatusServer(rfcSecret), statusAsk), statusAsk, statusReply},
	} {
		if got, want := tt.r.Bytes(), unhex(t, tt.ask); !bytes.Equal(got, want) {
			t.Errorf("%s: request\n got % x\nwant % x", tt.name, got, want)
		}
		if _, err := tt.r.Verify(unhex(t, tt.reply)); err == nil {
			t.Errorf("%s: a reply without Message-Authenticator was taken", tt.name)
		}
		tt.r.BareReply = true // both are from before RFC 3579's advice
		p, err := tt.r.Verify(unhex(t, tt.reply))
		if err != nil || p.Code != CodeAccessAccept {
			t.Errorf("%s: reply %v, %v; want Access-Accept", tt.name, p, err)
		}
	}
}

func TestBytesStay(t *testing.T) {
	r := AccessRequest("secret", "jo", "hunter2").Sign(First)
	first := r.Bytes()
	if !bytes.Equal(first, r.Bytes()) {
		t.Error("the second Bytes differ from the first")
	}
	if r.Authenticator == ([16]byte{}) || !bytes.Equal(first[4:20], r.Authenticator[:]) {
		t.Errorf("Authenticator % x, on the wire % x", r.Authenticator, first[4:20])
	}
	if other := AccessRequest("secret", "jo", "hunter2"); other.Identifier != r.Identifier+1 {
		t.Errorf("Identifier %d after %d", other.Identifier, r.Identifier)
	}
}

// TestAgainstLayeh: another library reads what was meant.
func TestAgainstLayeh(t *testing.T) {
	for _, password := range []string{"", "x", "hunter2, and äöü", strings.Repeat("y", 16), strings.Repeat("z", 128)} {
		r := AccessRequest("secret", "jo", password).Sign(Last).AddString(CallingStationID, "192.0.2.7").
			AddVSA(311, 11, []byte("challenge")).ProxyState("one").ProxyState("two").State([]byte("state"))
		p, err := radius.Parse(r.Bytes(), []byte("secret"))
		if err != nil {
			t.Fatal(err)
		}
		if got := rfc2865.UserPassword_GetString(p); got != password {
			t.Errorf("User-Password %q, want %q", got, password)
		}
		if got := rfc2865.UserName_GetString(p); got != "jo" || p.Code != radius.CodeAccessRequest || p.Identifier != r.Identifier {
			t.Errorf("User-Name %q, Code %v, Identifier %d", got, p.Code, p.Identifier)
		}
		states, _ := rfc2865.ProxyState_GetStrings(p)
		if !slices.Equal(states, []string{"one", "two"}) || rfc2865.State_GetString(p) != "state" {
			t.Errorf("Proxy-State %q, State %q", states, rfc2865.State_GetString(p))
		}
		vendor, value, err := radius.VendorSpecific(p.Get(VendorSpecific))
		if err != nil || vendor != 311 || string(value) != "\x0b\x0bchallenge" {
			t.Errorf("vendor %d, % x, %v", vendor, value, err)
		}
	}
}

func TestPlacement(t *testing.T) {
	for _, tt := range []struct {
		p    Placement
		want []byte // types
	}{
		{None, []byte{1, 2, 31}},
		{First, []byte{80, 1, 2, 31}},
		{Middle, []byte{1, 2, 80, 31}},
		{Last, []byte{1, 2, 31, 80}},
		{Wrong, []byte{80, 1, 2, 31}},
	} {
		b := AccessRequest("secret", "jo", "x").AddString(CallingStationID, "a").Sign(tt.p).Bytes()
		attributes, err := parseAttributes(b[header:])
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		for _, a := range attributes {
			got = append(got, a.Type)
		}
		if !bytes.Equal(got, tt.want) {
			t.Errorf("placement %d: attributes %d, want %d", tt.p, got, tt.want)
		}
		macs := values(attributes, MessageAuthenticator)
		if len(macs) == 0 {
			continue
		}
		mac := slices.Clone(macs[0])
		clear(macs[0]) // in b
		if right := bytes.Equal(mac, hmacMD5([]byte("secret"), b)); right != (tt.p != Wrong) {
			t.Errorf("placement %d: Message-Authenticator right: %v", tt.p, right)
		}
	}
}

func TestCHAP(t *testing.T) {
	r := AccessRequest("secret", "jo", "").CHAP("hunter2")
	p, err := radius.Parse(r.Bytes(), []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	chap, challenge := rfc2865.CHAPPassword_Get(p), rfc2865.CHAPChallenge_Get(p)
	if len(chap) != 17 || len(p.Get(UserPassword)) != 0 {
		t.Fatalf("CHAP-Password % x, User-Password % x", chap, p.Get(UserPassword))
	}
	if want := md5.Sum([]byte(string(chap[:1]) + "hunter2" + string(challenge))); !bytes.Equal(chap[1:], want[:]) {
		t.Errorf("CHAP-Password % x, want % x", chap[1:], want)
	}
}

func TestMSCHAPv2(t *testing.T) {
	r := AccessRequest("secret", "jo", "x").MSCHAPv2()
	challenge, response := vsa(r.Attributes, 311, 11), vsa(r.Attributes, 311, 25)
	if len(challenge) != 1 || len(challenge[0]) != 16 || len(response) != 1 || len(response[0]) != 50 {
		t.Errorf("MS-CHAP-Challenge % x, MS-CHAP2-Response % x; want 16 and 50 octets", challenge, response)
	}
	if values(r.Attributes, UserPassword) != nil {
		t.Error("User-Password is still there")
	}
}

func TestEAP(t *testing.T) {
	for _, tt := range []struct {
		packet []byte
		want   []int // lengths
	}{
		{nil, []int{0}},
		{EAPIdentity(7, "jo"), []int{7}},
		{make([]byte, 253), []int{253}},
		{make([]byte, 600), []int{253, 253, 94}},
	} {
		r := AccessRequest("secret", "jo", "x").EAP(tt.packet)
		var got []int
		for _, v := range values(r.Attributes, EAPMessage) {
			got = append(got, len(v))
		}
		if !slices.Equal(got, tt.want) || r.MessageAuthenticator != Last || values(r.Attributes, UserPassword) != nil {
			t.Errorf("%d octets: EAP-Messages %v, want %v; signed %v", len(tt.packet), got, tt.want, r.MessageAuthenticator)
		}
		if p, err := radius.Parse(r.Bytes(), []byte("secret")); err != nil {
			t.Error(err)
		} else if b, _ := rfc2869.EAPMessage_Lookup(p); !bytes.Equal(b, tt.packet) {
			t.Errorf("layeh reads % x, want % x", b, tt.packet)
		}
	}
	if got, want := EAPIdentity(7, "jo"), []byte("\x02\x07\x00\x07\x01jo"); !bytes.Equal(got, want) {
		t.Errorf("Response/Identity % x, want % x", got, want)
	}
}

func TestPadTo(t *testing.T) {
	least := AccessRequest("secret", "jo", "hunter2").Sign(First).length()
	for n := least; n <= 4096; n++ {
		if n == least+1 || n == least+2 {
			continue
		}
		b := AccessRequest("secret", "jo", "hunter2").Sign(First).PadTo(n).Bytes()
		if len(b) != n || int(binary.BigEndian.Uint16(b[2:])) != n {
			t.Fatalf("%d octets with Length %d, want %d", len(b), binary.BigEndian.Uint16(b[2:]), n)
		}
		if _, err := parseAttributes(b[header:]); err != nil {
			t.Fatalf("%d octets: %v", n, err)
		}
	}
}

func TestImpossiblePackets(t *testing.T) {
	for name, f := range map[string]func(){
		"long value":      func() { AccessRequest("s", strings.Repeat("x", 254), "x").Bytes() },
		"long packet":     func() { AccessRequest("s", "jo", "x").PadTo(4096).AddString(1, "x").Bytes() },
		"one octet short": func() { r := AccessRequest("s", "jo", "x"); r.PadTo(r.length() + 1) },
		"already longer":  func() { AccessRequest("s", "jo", "x").PadTo(20) },
		"beyond 4096":     func() { AccessRequest("s", "jo", "x").PadTo(4097) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}
