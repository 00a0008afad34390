package wire

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"layeh.com/radius"
)

func TestPacket(t *testing.T) {
	header := func(length, size int) []byte {
		b := make([]byte, size)
		b[0], b[2], b[3] = AccessRequest, byte(length>>8), byte(length)
		return b
	}
	for _, tt := range []struct {
		name string
		b    []byte
		ok   bool
	}{
		{"empty", nil, false},
		{"short", header(20, 20)[:19], false},
		{"header", header(20, 20), true},
		{"padded", header(20, 30), true},
		{"Length under 20", header(19, 20), false},
		{"truncated", header(21, 20), false},
		{"largest", header(4096, 4096), true},
		{"larger", header(4097, 4097), false},
	} {
		b, ok := Packet(tt.b)
		if ok != tt.ok || ok && (len(b) != int(tt.b[2])<<8|int(tt.b[3]) || cap(b) != len(b)) {
			t.Errorf("%s: %d octets, %v", tt.name, len(b), ok)
		}
	}
}

// TestAttributes: an attribute of no octets is one (RFC 6929 §2.8); type 0, a length under 2 and one past the end are not.
func TestAttributes(t *testing.T) {
	for _, tt := range []struct {
		b    string
		all  string // what All yields
		ok   bool
		name string
	}{
		{"", "", true, "none"},
		{"\x01\x03a\x12\x02\x04\x04bc", "1=a 18= 4=bc", true, "three"},
		{"\x01", "", false, "one octet"},
		{"\x01\x03a\x00\x03b\x01\x03c", "1=a", false, "type 0"},
		{"\x01\x03a\x01\x00", "1=a", false, "length 0"},
		{"\x01\x03a\x01\x01", "1=a", false, "length 1"},
		{"\x01\x03a\x01\x04b", "1=a", false, "past the end"},
		{"\x01\xff" + strings.Repeat("x", 253), "1=" + strings.Repeat("x", 253), true, "longest"},
	} {
		var all []string
		for a := range All([]byte(tt.b)) {
			all = append(all, fmt.Sprintf("%d=%s", a.Type, a.Value))
		}
		if got := strings.Join(all, " "); got != tt.all {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.all)
		}
		list, ok := Attributes([]byte(tt.b))
		if ok != tt.ok || ok && len(list) != len(all) || !ok && list != nil {
			t.Errorf("%s: %v, %v", tt.name, list, ok)
		}
	}
	for range All([]byte("\x01\x02\x01\x02")) {
		break // and is not called again
	}
}

func TestAppend(t *testing.T) {
	b := AppendVendor(AppendUint32(Append(Append(nil, UserName, "jo"), State, []byte{7}), ServiceType, 10), Microsoft, MSCHAP2Success, "S=")
	const want = "\x01\x04jo\x18\x03\x07\x06\x06\x00\x00\x00\x0a\x1a\x0a\x00\x00\x01\x37\x1a\x04S="
	if string(b) != want {
		t.Errorf("% x, want % x", b, want)
	}
	longest := AppendVendor(nil, Microsoft, 1, strings.Repeat("x", MaxVendorValue))
	if a, rest, ok := Next(longest); !ok || len(rest) > 0 || len(a.Value) != MaxValue {
		t.Errorf("the longest has %d octets, %v", len(a.Value), ok)
	}
}

func TestVendor(t *testing.T) {
	for _, tt := range []struct {
		value  string
		vendor uint32
		subs   string
		ok     bool
	}{
		{"", 0, "", false},
		{"\x00\x00\x01", 0, "", false},
		{"\x00\x00\x01\x37", 311, "", true},
		{"\x00\x00\x01\x37\x01\x03x", 311, "\x01\x03x", true},
		{"\x01\x00\x01\x37\x01\x03x", 0, "", false}, // the first octet is 0 (RFC 2865 §5.26)
	} {
		vendor, subs, ok := Vendor([]byte(tt.value))
		if vendor != tt.vendor || string(subs) != tt.subs || ok != tt.ok {
			t.Errorf("%q: %d, %q, %v", tt.value, vendor, subs, ok)
		}
	}
}

// TestMessageAuthenticator: wherever it stands, in requests and replies, and for no other packet, place or secret (RFC 3579
// §3.2).
func TestMessageAuthenticator(t *testing.T) {
	secret := NewSecret(rfcSecret)
	authenticator := [16]byte{1, 2, 3}
	request := Append(NewRequest(AccessRequest, authenticator), UserName, "jo")
	secret.SignRequest(request)
	if request[HeaderLength] != MessageAuthenticator || !secret.Signed(request, HeaderLength+2, authenticator) {
		t.Fatalf("% x", request)
	}
	reply := Append(AppendReply(nil, AccessReject, request, true), ReplyMessage, "no")
	secret.SignReply(reply)
	if !radius.IsAuthenticResponse(reply, request, []byte(rfcSecret)) || !secret.Answers(reply, authenticator) {
		t.Errorf("the Response Authenticator of % x is refused", reply)
	}
	if !secret.Signed(reply, HeaderLength+2, authenticator) {
		t.Errorf("the Message-Authenticator of % x is refused", reply)
	}
	for _, b := range [][]byte{request, reply} {
		for bit := range 8 * len(b) {
			if at := bit / 8; at >= 4 && at < HeaderLength {
				continue // the header's authenticator is given to Signed, not read
			}
			other := bytes.Clone(b)
			other[bit/8] ^= 1 << (bit % 8)
			if secret.Signed(other, HeaderLength+2, authenticator) {
				t.Errorf("bit %d of % x can be turned", bit, b)
			}
		}
		if secret.Signed(b, HeaderLength+2, [16]byte{1}) || NewSecret("other").Signed(b, HeaderLength+2, authenticator) {
			t.Errorf("% x is taken for another request, or by another secret", b)
		}
	}
	last := Append(Append(AppendReply(nil, AccessAccept, request, false), UserName, "jo"), MessageAuthenticator, zeros[:])
	at := len(last) - 16
	m := secret.mac()
	last[3] = byte(len(last))
	m.Write(last) // holds the Request Authenticator and zeros
	copy(last[at:], m.Sum(nil))
	secret.macs.Put(m)
	if !secret.Signed(last, at, authenticator) {
		t.Error("as the last attribute it is refused")
	}
}

// TestSecret: it is told by nothing that a log may do with it.
func TestSecret(t *testing.T) {
	secret := NewSecret("hunter2")
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", secret)
	shown := fmt.Sprintf("%v %s %q %+v %#v", secret, secret, secret, secret, secret) + log.String()
	if strings.Contains(shown, "hunter2") || !strings.Contains(shown, "(secret)") {
		t.Error(shown)
	}
	if !secret.Equal(NewSecret("hunter2")) || secret.Equal(NewSecret("hunter3")) || secret.Equal(NewSecret("")) {
		t.Error("secrets are not compared")
	}
	if secret.Empty() || !NewSecret("").Empty() || !(*Secret)(nil).Empty() {
		t.Error("an empty one is not told")
	}
}

// TestHiddenAgainstLayeh: other code reads what is hidden here, and hides what is read here, of every length.
func TestHiddenAgainstLayeh(t *testing.T) {
	authenticator := [16]byte{9, 8, 7}
	for _, text := range []string{"x", rfcSecret, strings.Repeat("long", 60)} {
		secret := NewSecret(text)
		for n := range maxSalted + 1 {
			clear := strings.Repeat("k", n)
			salted, err := secret.HideSalted(clear, uint16(n), authenticator)
			if err != nil {
				t.Fatal(n, err)
			}
			plain, salt, err := radius.TunnelPassword(salted, []byte(text), authenticator[:])
			if err != nil || string(plain) != clear || salt[0]&0x80 == 0 || int(salt[1]) != n {
				t.Errorf("salted, %d octets: layeh reads %d, Salt % x, %v", n, len(plain), salt, err)
			}
			theirs, err := radius.NewTunnelPassword([]byte(clear), salt, []byte(text), authenticator[:])
			if got, ok := secret.RevealSalted(theirs, authenticator); err != nil || !ok || got != clear {
				t.Errorf("salted by layeh, %d octets: %d, %v", n, len(got), err)
			}
			if n == 0 || n > MaxPassword {
				continue
			}
			hidden, err := secret.HidePassword(clear, authenticator)
			if want, _ := radius.NewUserPassword([]byte(clear), []byte(text), authenticator[:]); err != nil || !bytes.Equal(hidden, want) {
				t.Errorf("password, %d octets: % x, want % x", n, hidden, want)
			}
			got, ok := secret.RevealPassword([]byte("before "), hidden, authenticator)
			if want := "before " + clear + strings.Repeat("\x00", len(hidden)-n); !ok || string(got) != want {
				t.Errorf("password, %d octets: %q, want %q", n, got, want)
			}
		}
	}
}

// TestHiddenLengths: what can't be of RFC 2865 §5.2 or RFC 2868 §3.5 is refused.
func TestHiddenLengths(t *testing.T) {
	secret := NewSecret(rfcSecret)
	for n := range 300 {
		b := make([]byte, n)
		if _, ok := secret.RevealPassword(nil, b, [16]byte{}); ok != (n > 0 && n <= 128 && n%16 == 0) {
			t.Errorf("a User-Password of %d octets: %v", n, ok)
		}
		if _, ok := secret.RevealSalted(b, [16]byte{}); ok && (n < 18 || n%16 != 2) {
			t.Errorf("a salted value of %d octets: %v", n, ok)
		}
		if _, err := secret.HidePassword(string(b), [16]byte{}); (err == nil) != (n <= 128) {
			t.Errorf("a password of %d octets: %v", n, err)
		}
		if value, err := secret.HideSalted(string(b), 0, [16]byte{}); (err == nil) != (n <= 239) || len(value) > MaxValue-1 {
			t.Errorf("a salted value of %d octets becomes %d: %v", n, len(value), err)
		}
	}
	empty, _ := secret.HidePassword("", [16]byte{})
	if len(empty) != 16 {
		t.Errorf("an empty password has %d octets", len(empty))
	}
	// The length that is hidden is longer than the value.
	long := append([]byte{0x80, 1, 16}, make([]byte, 15)...)
	secret.hide(long[2:], make([]byte, 16), long[:2])
	if _, ok := secret.RevealSalted(long, [16]byte{}); ok {
		t.Error("16 octets are read of 15")
	}
}

// TestRevealLeavesTheValue: the packet may be read again.
func TestRevealLeavesTheValue(t *testing.T) {
	secret := NewSecret(rfcSecret)
	value := bytes.Repeat([]byte("0123456789abcdef"), 3)
	before := bytes.Clone(value)
	secret.RevealPassword(nil, value, [16]byte{})
	secret.RevealSalted(value[:34], [16]byte{})
	if !bytes.Equal(value, before) {
		t.Error("the value was changed")
	}
}

// TestSplitMessage: at line ends, then between runes (RFC 2865 §5.18), and what is no text at all too.
func TestSplitMessage(t *testing.T) {
	line := strings.Repeat("ä", 40) + "\n" // 81 octets
	for _, tt := range []struct {
		text string
		want []int // octets
	}{
		{"", nil}, {"hello", []int{5}}, {strings.Repeat("x", 253), []int{253}}, {strings.Repeat("x", 254), []int{253, 1}},
		{strings.Repeat(line, 3), []int{243}}, {strings.Repeat(line, 4), []int{243, 81}}, {strings.Repeat(line, 7) + "end:", []int{243, 243, 85}},
		{strings.Repeat("ä", 130), []int{252, 8}}, {"head\n" + strings.Repeat("x", 300), []int{5, 253, 47}},
		{strings.Repeat("\U0001F511", 64), []int{252, 4}}, {strings.Repeat("\x80", 600), []int{253, 253, 94}},
	} {
		var got []int
		for part := range SplitMessage(tt.text) {
			got = append(got, len(part))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%.20q: %v, want %v", tt.text, got, tt.want)
		}
	}
	for part := range SplitMessage(strings.Repeat("x", 1000)) {
		if len(part) != 253 {
			t.Errorf("%d octets", len(part))
		}
		break // and is not called again
	}
}

// TestJoinMessages: a Reply-Message that is full continues in the next, any other ends a line.
func TestJoinMessages(t *testing.T) {
	full := strings.Repeat("x", 253)
	for _, tt := range []struct {
		values []string
		want   string
	}{
		{nil, ""}, {[]string{"hello"}, "hello"}, {[]string{"hello", "world"}, "hello\nworld"}, {[]string{"hello\n", "world"}, "hello\nworld"},
		{[]string{full, "y"}, full + "y"}, {[]string{full[:250], "y"}, full[:250] + "y"}, {[]string{full[:249], "y"}, full[:249] + "\ny"},
		{[]string{"", "y"}, "\ny"},
	} {
		if got := JoinMessages(tt.values); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.values, got, tt.want)
		}
	}
}

// TestWalkAllocatesNothing: a packet is read where it lies, and its authenticators are checked, without memory of its own.
func TestWalkAllocatesNothing(t *testing.T) {
	secret := NewSecret(rfcSecret)
	hidden, _ := secret.HidePassword("hunter2", [16]byte{})
	b := Append(Append(NewRequest(AccessRequest, [16]byte{}), UserName, "jo"), UserPassword, hidden)
	b = AppendVendor(b, Microsoft, MSCHAP2Response, "x")
	secret.SignRequest(b)
	found := 0
	if got := testing.AllocsPerRun(1000, func() {
		whole, _ := Packet(b)
		for a := range All(whole[HeaderLength:]) {
			switch a.Type {
			case UserPassword:
				var buffer [MaxPassword]byte
				clear, _ := secret.RevealPassword(buffer[:0], a.Value, [16]byte{})
				found += len(clear)
			case VendorSpecific:
				_, subs, _ := Vendor(a.Value)
				for range All(subs) {
					found++
				}
			}
		}
	}); got != 0 || found == 0 {
		t.Errorf("%v allocations, %d found", got, found)
	}
}
