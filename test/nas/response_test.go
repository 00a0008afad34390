package nas

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2869"
)

// answered returns the reply to r that holds these attributes, signed; unsigned stands for a Message-Authenticator.
func answered(r *Request, code byte, attributes ...Attribute) []byte {
	b := append([]byte{code, r.Identifier, 0, 0}, r.Authenticator[:]...)
	macAt := 0
	for _, a := range attributes {
		b = append(b, a.Type, byte(2+len(a.Value)))
		if a.Type == MessageAuthenticator && len(a.Value) == macLen && macAt == 0 {
			macAt = len(b)
		}
		b = append(b, a.Value...)
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	if macAt > 0 {
		copy(b[macAt:], hmacMD5(r.Secret, b))
	}
	sum := md5.Sum(append(slices.Clone(b), r.Secret...))
	copy(b[4:], sum[:])
	return b
}

var unsigned = Attribute{Type: MessageAuthenticator, Value: make([]byte, macLen)}

func text(typ byte, value string) Attribute { return Attribute{Type: typ, Value: []byte(value)} }

// TestVerify takes what another library has made.
func TestVerify(t *testing.T) {
	r := AccessRequest("secret", "jo", "hunter2").Sign(First).ProxyState("one").ProxyState("two")
	q, err := radius.Parse(r.Bytes(), []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	c := q.Response(radius.CodeAccessChallenge)
	rfc2869.MessageAuthenticator_Set(c, make([]byte, 16))
	rfc2865.ReplyMessage_AddString(c, "Passcode or ")
	rfc2865.ReplyMessage_AddString(c, "option (1-3):")
	rfc2865.State_AddString(c, "state")
	c.Add(VendorSpecific, unhex(t, "00 00 61 79 05 06 76 69 70 73")) // Palo Alto Networks
	rfc2865.ProxyState_AddString(c, "one")
	rfc2865.ProxyState_AddString(c, "two")
	mac, err := c.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	rfc2869.MessageAuthenticator_Set(c, hmacMD5([]byte("secret"), mac))
	b, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}

	p, err := r.Verify(b)
	if err != nil {
		t.Fatal(err)
	}
	if p.Code != CodeAccessChallenge || p.Identifier != r.Identifier || !bytes.Equal(p.Raw, b) {
		t.Errorf("got %+v", p)
	}
	if got := p.String(); got != `Access-Challenge "Passcode or option (1-3):"` {
		t.Errorf("String: %s", got)
	}
	if string(p.State()) != "state" || len(p.Get(ReplyMessage)) != 2 || p.Get(Class) != nil {
		t.Errorf("State %q, %d Reply-Messages, Class %q", p.State(), len(p.Get(ReplyMessage)), p.Get(Class))
	}
	if got := p.VSA(24953, 5); len(got) != 1 || string(got[0]) != "vips" || p.VSA(24953, 6) != nil || p.VSA(9, 5) != nil {
		t.Errorf("VSA: %q", got)
	}
}

// TestVerifyRefuses: whatever is wrong with a reply is an error that says so.
func TestVerifyRefuses(t *testing.T) {
	r := AccessRequest("secret", "jo", "hunter2").Sign(First).ProxyState("one").ProxyState("two")
	r.Bytes()
	one, two := text(ProxyState, "one"), text(ProxyState, "two")
	good := answered(r, CodeAccessReject, unsigned, one, two)
	if p, err := r.Verify(good); err != nil || p.String() != "Access-Reject" || p.State() != nil {
		t.Fatalf("the right one: %v, %v", p, err)
	}
	accept := func(attributes ...Attribute) []byte { return answered(r, CodeAccessAccept, attributes...) }
	changed := func(at int, to byte) []byte {
		b := slices.Clone(good)
		b[at] = to
		return b
	}
	for _, tt := range []struct {
		name string
		b    []byte
		want string
	}{
		{"nothing", nil, "reply of 0 octets"},
		{"short", good[:19], "reply of 19 octets"},
		{"cut", good[:len(good)-1], "octets with Length"},
		{"junk behind", append(slices.Clone(good), 0), "octets with Length"},
		{"attribute too long", changed(len(good)-4, 6), "malformed attribute at octet"},
		{"empty attribute", accept(unsigned, text(ReplyMessage, "")), "malformed attribute at octet 38: 12 02"},
		{"type 0", accept(unsigned, text(0, "x")), "malformed attribute at octet 38: 00 03"},
		{"Identifier", changed(1, good[1]^1), "reply with Identifier"},
		{"Code", changed(0, 5), "reply with Code 5 to Code 1"},
		{"Authenticator", changed(4, good[4]^1), "Access-Reject: wrong Response Authenticator"},
		{"Reject made Accept", changed(0, 2), "Access-Accept: wrong Response Authenticator"},
		{"unsigned", accept(one, two), "Access-Accept: 0 Message-Authenticators, want 1"},
		{"signed twice", accept(unsigned, unsigned, one, two), "2 Message-Authenticators, want 1"},
		{"signed last", accept(one, two, unsigned), "attribute 33 first, want Message-Authenticator"},
		{"signature short", accept(text(MessageAuthenticator, "123456789012345")), "Message-Authenticator of 15 octets"},
		{"signature wrong", accept(text(MessageAuthenticator, "1234567890123456")), "wrong Message-Authenticator"},
		{"Proxy-State lost", accept(unsigned, two), `Access-Accept: Proxy-State ["two"], want ["one" "two"]`},
		{"Proxy-States turned", accept(unsigned, two, one), `Proxy-State ["two" "one"], want ["one" "two"]`},
		{"Proxy-State added", accept(unsigned, one, two, two), `Proxy-State ["one" "two" "two"], want ["one" "two"]`},
	} {
		if p, err := r.Verify(tt.b); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, %v; want an error with %q", tt.name, p, err, tt.want)
		}
	}
	r.BareReply = true
	if _, err := r.Verify(good); err == nil || !strings.Contains(err.Error(), "a Message-Authenticator, want none") {
		t.Errorf("BareReply: got %v", err)
	}
	other := AccessRequest("other", "jo", "x")
	other.Identifier, other.Authenticator = r.Identifier, r.Authenticator
	if _, err := other.Verify(good); err == nil || !strings.Contains(err.Error(), "wrong Response Authenticator") {
		t.Errorf("another secret: got %v", err)
	}
	status := StatusServer("secret")
	status.Bytes()
	if _, err := status.Verify(answered(status, CodeAccessReject, unsigned)); err == nil ||
		!strings.Contains(err.Error(), "reply with Code 3 to Code 12") {
		t.Errorf("Status-Server: got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	r := AccessRequest("secret", "jo", "hunter2").Sign(First)
	f.Add(r.Bytes())
	f.Add(answered(r, CodeAccessAccept, unsigned, text(VendorSpecific, "\x00\x00\x00\x09\x01\x00")))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Parse(b)
		if err != nil {
			return
		}
		n := header
		for _, a := range p.Attributes {
			n += 2 + len(a.Value)
		}
		if n != len(b) {
			t.Errorf("attributes of %d octets in %d", n, len(b))
		}
		p.VSA(9, 1)
	})
}
