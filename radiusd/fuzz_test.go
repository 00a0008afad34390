package radiusd

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"layeh.com/radius"

	"duoradiusd/policy"
	"duoradiusd/radiusd/wire"
	"duoradiusd/test/nas"
)

// FuzzWalk: no datagram causes a panic. Another library can read each packet that is accepted, and the reply to it is a
// valid packet.
func FuzzWalk(f *testing.F) {
	f.Add(vector(f, "rfc2865-7.1-access-request.hex"))
	f.Add(vector(f, "rfc5997-6.1-status-server.hex"))
	f.Add(signedLogin().ProxyState("p").State([]byte("s")).AddUint32(nas.ServiceType, 17).Bytes())
	f.Add(signedLogin().EAP(make([]byte, 600)).Bytes())
	f.Add(signedLogin().MSCHAPv2().CHAP("x").PadTo(4096).Bytes())
	f.Add(append(signedLogin().Bytes(), "padding"...))
	f.Add(signedLogin().Add(nas.VendorSpecific, []byte("\x00\x00\x01\x37\x19\x00")).Add(66, nil).Bytes())
	c := testClient()
	names := []string{"Tunnel-Client-Endpoint", "PaloAlto-Client-Source-IP", "Fortinet-Client-IP", "Calling-Station-Id"}
	challenge := policy.Verdict{Outcome: policy.OutcomeChallenge, Message: strings.Repeat("ä", 600), State: strings.Repeat("s", 253), Wait: time.Minute}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		p, why := walk(b)
		if why != notDropped {
			return
		}
		octets := wire.HeaderLength
		for a := range p.attributes() {
			octets += 2 + len(a.Value)
		}
		if octets != len(p.b) || octets > wire.MaxLength {
			t.Fatalf("attributes up to %d of %d", octets, len(p.b))
		}
		q, err := radius.Parse(p.b, []byte(testSecret))
		if err != nil {
			t.Fatalf("layeh: %v", err)
		}
		for _, s := range []field{p.userName, p.userPassword, p.chapPassword, p.state, p.serviceType} {
			if s.present() && !bytes.Equal(p.value(s), q.Get(radius.Type(p.b[s.offset-2]))) && s != p.serviceType {
				t.Fatalf("attribute %d differs from layeh's", p.b[s.offset-2])
			}
		}
		p.form()
		p.method()
		p.userIP(sources(names))
		decodePassword(p.value(p.userPassword), p.authenticator(), c)
		if p.messageAuthenticator.present() {
			p.authentic(c)
		}
		for _, v := range []policy.Verdict{{}, challenge} {
			reply, err := p.answer(nil, c, &v)
			if err != nil {
				if v.Outcome == policy.OutcomeReject {
					t.Fatalf("a reject can't be built: %v", err)
				}
				continue
			}
			if len(reply) > wire.MaxLength || !radius.IsAuthenticResponse(reply, p.b, []byte(testSecret)) {
				t.Fatalf("a reply of %d octets: % x", len(reply), reply)
			}
			if _, err := nas.Parse(reply); err != nil && p.proxyState == 0 {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(b, before) {
			t.Fatal("the datagram was changed")
		}
	})
}

// FuzzDecodePassword: a password that layeh hides is decoded, and random octets cause no panic.
func FuzzDecodePassword(f *testing.F) {
	for _, password := range []string{"", "hunter2", "pässwörd", "\x00", "a\x00b", strings.Repeat("x", 128)} {
		f.Add([]byte(password), []byte("0123456789abcdef"), []byte(testSecret), false)
		f.Add([]byte(password), []byte{}, []byte("x"), true)
	}
	f.Fuzz(func(t *testing.T, b, random, secret []byte, latin1 bool) {
		var authenticator [16]byte
		copy(authenticator[:], random)
		c := &Client{Secret: wire.NewSecret(string(secret)), Latin1: latin1}
		check := func(got string, _ bool, fault passwordFault) {
			if fault != "" && got != "" || !utf8.ValidString(got) || strings.ContainsAny(got, "\x00\n\x1b\x7f") {
				t.Fatalf("%q, %v", got, fault)
			}
		}
		check(decodePassword(b, authenticator, c))
		if len(b) == 0 || len(b) > 128 || len(secret) == 0 {
			return
		}
		hidden, err := radius.NewUserPassword(b, secret, authenticator[:])
		if err != nil {
			t.Fatal(err)
		}
		got, _, fault := decodePassword(hidden, authenticator, c)
		check(got, false, fault)
		if want := strings.TrimRight(string(b), "\x00"); fault == "" && !latin1 && got != want {
			t.Fatalf("%q, want %q", got, want)
		}
	})
}

// FuzzUserIP: a text that is read as an address is one that a user can have, and reads the same again.
func FuzzUserIP(f *testing.F) {
	for _, s := range []string{"192.0.2.1", "\x01192.0.2.1[4500]", "[2001:db8::1]:443", "a=b,ip=192.0.2.1", "::ffff:1.2.3.4%x", "=", "[", "]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		for _, ip := range []interface {
			String() string
			IsValid() bool
			IsUnspecified() bool
			IsMulticast() bool
			Is4In6() bool
			Zone() string
		}{text(b), tagged(b), octets(b)} {
			if !ip.IsValid() {
				continue
			}
			if ip.IsUnspecified() || ip.IsMulticast() || ip.Is4In6() || ip.Zone() != "" {
				t.Fatalf("%q is taken for %v", b, ip)
			}
			if again := text([]byte(ip.String())); again.String() != ip.String() {
				t.Fatalf("%v reads as %v", ip, again)
			}
		}
		if !bytes.Equal(b, before) {
			t.Fatal("the value was changed")
		}
	})
}

// FuzzMessage: each Reply-Message has a legal length and whole runes, and holds the text in order.
func FuzzMessage(f *testing.F) {
	for _, s := range []string{"", "Passcode:", "a\nb", "<>&\"", strings.Repeat("€", 400), "\xff\xfe\ufffd", strings.Repeat("x", 252) + "ä"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, message string) {
		var list []string
		for a := range wire.All(appendMessage(nil, message, 0)) {
			list = append(list, string(a.Value))
		}
		if len(list) > maxMessages || slices.Contains(list, "") {
			t.Fatalf("%q", list)
		}
		whole := strings.Join(list, "")
		if !strings.HasPrefix(plain(message), whole) || len(list) < maxMessages && whole != plain(message) {
			t.Fatalf("%q became %q", message, list)
		}
		for _, part := range list {
			if len(part) > wire.MaxValue || !utf8.ValidString(part) || strings.ContainsAny(part, "\x00\x1b\r<>\"") {
				t.Fatalf("%q", part)
			}
		}
	})
}
