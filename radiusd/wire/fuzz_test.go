package wire

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"layeh.com/radius"
)

// FuzzAttributes: whatever comes, All and Attributes agree, lie within the octets, and other code reads the same.
func FuzzAttributes(f *testing.F) {
	f.Add(octets(f, "0106 6e656d6f 0212 0dbe708d93d413ce3196e43f782a0aee"))
	f.Add([]byte("\x1a\x0c\x00\x00\x01\x37\x19\x04xx\x01\x02"))
	f.Add([]byte("\x1a\x0a\x00\x00\x00\x09\x01\x00\x50\x02"))
	f.Add([]byte("\x01\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		at, count := 0, 0
		for a := range All(b) {
			if b[at] != a.Type || int(b[at+1]) != 2+len(a.Value) || !bytes.Equal(b[at+2:at+2+len(a.Value)], a.Value) || cap(a.Value) != len(a.Value) {
				t.Fatalf("%d % x at %d of % x", a.Type, a.Value, at, b)
			}
			at += 2 + len(a.Value)
			count++
			if vendor, subs, ok := Vendor(a.Value); ok && a.Type == VendorSpecific {
				for s := range All(subs) {
					if vendor > 0xffffff || len(s.Value) > MaxVendorValue {
						t.Fatalf("vendor %d, %d octets", vendor, len(s.Value))
					}
				}
			}
		}
		list, ok := Attributes(b)
		if ok != (at == len(b)) || ok && len(list) != count {
			t.Fatalf("%d of %d octets, %d attributes and %d, %v", at, len(b), count, len(list), ok)
		}
		if theirs, err := radius.ParseAttributes(b); ok && (err != nil || len(theirs) != count) {
			t.Fatalf("layeh reads %d attributes of %d: %v", len(theirs), count, err)
		}
		var again []byte
		for _, a := range list {
			again = Append(again, a.Type, a.Value)
		}
		if ok && !bytes.Equal(again, b) || !bytes.Equal(b, before) {
			t.Fatal("the octets were changed")
		}
	})
}

// FuzzPacket: nothing breaks on a datagram, and only the secret makes a packet that is taken.
func FuzzPacket(f *testing.F) {
	f.Add(octets(f, exchanges[0].request))
	f.Add(octets(f, exchanges[2].reply))
	f.Add(append(octets(f, "0cda0026 8a54f4686fb394c52866e302185d0623 50125a665e2e1e8411f3e243822097c84fa3"), "padding"...))
	secret, other := NewSecret(rfcSecret), NewSecret("other")
	f.Fuzz(func(t *testing.T, datagram []byte) {
		b, ok := Packet(datagram)
		if !ok {
			return
		}
		if len(b) > MaxLength || len(b) < HeaderLength {
			t.Fatalf("%d octets", len(b))
		}
		authenticator := [16]byte(b[4:HeaderLength])
		signed := bytes.Clone(b)
		at := HeaderLength + 2
		if len(signed) < HeaderLength+SignatureLength || signed[HeaderLength] != MessageAuthenticator || signed[HeaderLength+1] != SignatureLength {
			return
		}
		secret.SignRequest(signed)
		if !secret.Signed(signed, at, authenticator) || other.Signed(signed, at, authenticator) {
			t.Fatalf("% x", signed)
		}
		secret.SignReply(signed)
		if !secret.Signed(signed, at, authenticator) || !secret.Answers(signed, authenticator) || other.Answers(signed, authenticator) {
			t.Fatalf("% x", signed)
		}
	})
}

// FuzzHidden: what is hidden is revealed, and noise breaks nothing.
func FuzzHidden(f *testing.F) {
	for _, clear := range []string{"", "hunter2", "a\x00b", strings.Repeat("x", 128), strings.Repeat("x", 239)} {
		f.Add([]byte(clear), []byte("0123456789abcdef"), rfcSecret, uint16(0x1234))
	}
	f.Add(octets(f, sendKey), []byte{}, "", uint16(0xffff))
	f.Fuzz(func(t *testing.T, clear, random []byte, text string, salt uint16) {
		var authenticator [16]byte
		copy(authenticator[:], random)
		secret := NewSecret(text)
		secret.RevealPassword(nil, clear, authenticator)
		secret.RevealSalted(clear, authenticator)
		if hidden, err := secret.HidePassword(string(clear), authenticator); err == nil {
			got, ok := secret.RevealPassword(nil, hidden, authenticator)
			if !ok || !bytes.Equal(got[:len(clear)], clear) || strings.Trim(string(got[len(clear):]), "\x00") != "" {
				t.Fatalf("%q, want %q", got, clear)
			}
		}
		if hidden, err := secret.HideSalted(string(clear), salt, authenticator); err == nil {
			if got, ok := secret.RevealSalted(hidden, authenticator); !ok || got != string(clear) || hidden[0]&0x80 == 0 {
				t.Fatalf("%q, want %q", got, clear)
			}
		}
	})
}

// FuzzMessages: Reply-Messages of legal length, whole runes where there are runes, and nothing lost.
func FuzzMessages(f *testing.F) {
	for _, s := range []string{"", "Passcode:", "a\nb", strings.Repeat("€", 400), "\xff\xfe\ufffd", strings.Repeat("x", 252) + "ä", strings.Repeat("\x80", 300)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var list []string
		for part := range SplitMessage(text) {
			if part == "" || len(part) > MaxValue || utf8.ValidString(text) && !utf8.ValidString(part) {
				t.Fatalf("%q of %q", part, text)
			}
			list = append(list, part)
		}
		if strings.Join(list, "") != text {
			t.Fatalf("%q became %q", text, list)
		}
		if JoinMessages(list) != text {
			t.Fatalf("%q is read as %q", text, JoinMessages(list))
		}
	})
}
