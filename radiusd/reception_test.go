package radiusd_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"duoradiusd/policy"
	"duoradiusd/test/nas"
)

// withLength returns b with another Length in its header.
func withLength(b []byte, n int) []byte {
	b = slices.Clone(b)
	binary.BigEndian.PutUint16(b[2:], uint16(n))
	return b
}

// withOctets returns an unsigned login with more octets among its attributes, and with the right Length.
func withOctets(more ...byte) []byte {
	b := append(unsigned().Bytes(), more...)
	return withLength(b, len(b))
}

func TestP1_ShortOrWrongLength(t *testing.T) {
	b := unsigned().Bytes()
	for _, tt := range []struct {
		name string
		b    []byte
	}{
		{"empty", []byte{}},
		{"one octet", b[:1]},
		{"19 octets", b[:19]},
		{"Length 0", withLength(b, 0)},
		{"Length 19", withLength(b, 19)},
		{"Length 4097", withLength(b, 4097)},
		{"Length 65535", withLength(b, 65535)},
		{"Length one more", withLength(b, len(b)+1)},
		{"Length 4097 in full", withLength(unsigned().PadTo(4096).Bytes(), 4097)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := open(t, house{decide: always(accept)})
			d.drops(d.nas(""), "malformed", tt.b)
		})
	}
}

func TestP2_Acceptance7_PaddingIsIgnored(t *testing.T) {
	d := open(t, house{decide: always(accept)})
	n := d.nas("")
	for _, r := range []*nas.Request{login(), unsigned(), login().Sign(nas.Last)} {
		for _, padding := range []string{"\x00", "abc", strings.Repeat("\xff", 600)} {
			r.Authenticator = [16]byte{}
			d.sendOctets(n, append(r.Bytes(), padding...))
			if p := d.reply(n, r); p.Code != nas.CodeAccessAccept {
				t.Errorf("%q behind the packet: %v", padding, p)
			}
		}
	}
	// The padding is not a part of the request: the same request without padding is a copy.
	r := login()
	d.sendOctets(n, append(r.Bytes(), "padding"...))
	first, calls := d.reply(n, r), len(d.decider.calls())
	if again := d.ask(n, r); !bytes.Equal(again.Raw, first.Raw) || len(d.decider.calls()) != calls {
		t.Error("without its padding it is another request")
	}
	// With padding, a datagram may be as long as 4096 octets.
	r = login()
	d.sendOctets(n, append(r.Bytes(), make([]byte, 4096-len(r.Bytes()))...))
	d.reply(n, r)
}

func TestP3_Acceptance7_LargeDatagrams(t *testing.T) {
	const reason = "larger than 4096 octets"
	d := open(t, house{decide: always(accept)})
	n := d.nas("")
	whole := login().PadTo(4096).Bytes()
	d.drops(n, reason, append(slices.Clone(whole), 0), append(slices.Clone(whole), make([]byte, 104)...),
		append(slices.Clone(whole), make([]byte, 50_000)...), append(login().Bytes(), make([]byte, 4096)...))
	d.wants(nas.CodeAccessAccept, n, login().PadTo(4096))
}

func TestP4_Acceptance22_UnexpectedCodes(t *testing.T) {
	var all [][]byte
	for code := range 256 {
		if code != nas.CodeAccessRequest && code != nas.CodeStatusServer {
			r := login()
			r.Code = byte(code)
			all = append(all, r.Bytes())
		}
	}
	d := open(t, house{decide: always(accept), clients: nil})
	d.drops(d.nas(""), "unexpected code", all...)
	if got := d.log.lines("unexpected code"); len(got) != 1 {
		t.Errorf("%d lines in the log, want 1:\n%s", len(got), strings.Join(got, ""))
	}
}

func TestP5_MalformedAttributes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		octets []byte
	}{
		{"type without length", []byte{77}},
		{"length 0", []byte{77, 0}},
		{"length 1", []byte{77, 1}},
		{"length 1 and more", []byte{77, 1, 77, 3, 'x'}},
		{"one octet missing", []byte{77, 5, 'x', 'y'}},
		{"overrun by far", []byte{77, 255, 'x'}},
		{"one octet left over", []byte{77, 3, 'x', 77}},
		{"Vendor-Specific, length 0", []byte{26, 0, 0, 0, 0, 9, 1, 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := open(t, house{decide: always(accept)})
			d.drops(d.nas(""), "malformed", withOctets(tt.octets...))
		})
	}
}

func TestP6_Acceptance11_WrongLengthForType(t *testing.T) {
	d := open(t, house{decide: always(accept)})
	n := d.nas("")
	for _, tt := range []struct {
		typ   byte
		value []byte
	}{
		{nas.NASIPAddress, []byte{10, 0, 0}},
		{nas.NASIPAddress, []byte{10, 0, 0, 1, 2}},
		{nas.NASPort, []byte{1}},
		{nas.ServiceType, []byte{10}},
		{nas.ServiceType, []byte{0, 0, 0, 0, 17}},
		{nas.ServiceType, nil},
		{nas.NASIPv6Address, []byte{1}},
		{nas.SessionTimeout, nil},
		{nas.VendorSpecific, []byte{0, 0, 9}},
		{nas.VendorSpecific, nil},
		{nas.State, nil}, // a State of no octets counts as none: the login is a new one
	} {
		p := d.ask(n, login().Add(tt.typ, tt.value))
		if p.Code != nas.CodeAccessAccept {
			t.Errorf("attribute %d with % x: %v", tt.typ, tt.value, p)
		}
	}
}

func TestP7_Acceptance11_UnknownAttributes(t *testing.T) {
	d := open(t, house{decide: always(accept)})
	r := login()
	for _, typ := range []byte{17, 21, 54, 200, 223, 241, 245, 255} {
		r.Add(typ, []byte("whatever"))
	}
	d.wants(nas.CodeAccessAccept, d.nas(""), r)
}

// TestP8_M7_OrderOfAttributes: the order of attributes changes nothing, and a request's Message-Authenticator may stand
// anywhere.
func TestP8_M7_OrderOfAttributes(t *testing.T) {
	d := open(t, house{decide: always(accept), clients: nil})
	n := d.nas("")
	attributes := login().AddString(nas.CallingStationID, "192.0.2.7").AddUint32(nas.NASPort, 1).Attributes
	for turn := range attributes {
		for _, place := range []nas.Placement{nas.First, nas.Middle, nas.Last} {
			r := login().Sign(place)
			r.Attributes = append(slices.Clone(attributes[turn:]), attributes[:turn]...)
			d.wants(nas.CodeAccessAccept, n, r)
			r = login().Sign(place)
			r.Attributes = slices.Clone(attributes)
			slices.Reverse(r.Attributes)
			d.wants(nas.CodeAccessAccept, n, r)
		}
	}
	for _, a := range d.decider.calls() {
		if a.User != "jo" || a.Password != "hunter2" || !a.Authentic {
			t.Fatalf("the Decider was asked %+v", a)
		}
	}
}

func TestP9_EmptyValues(t *testing.T) {
	d := open(t, house{decide: always(policy.Verdict{Outcome: policy.OutcomeAccept})})
	n := d.nas("")
	d.wants(nas.CodeAccessReject, n, login().EAP(nil)) // EAP-Start, and EAP is off
	d.wants(nas.CodeAccessAccept, n, login().Add(nas.ConnectInfo, nil).Add(nas.CallingStationID, nil))
	// A reply of the daemon never has an empty text: nas refuses such a reply.
	p := d.wants(nas.CodeAccessAccept, n, login())
	if len(p.Attributes) != 1 {
		t.Errorf("an Accept without message has %d attributes, want Message-Authenticator only", len(p.Attributes))
	}
}

func TestP10_NULInUserName(t *testing.T) {
	d := open(t, house{decide: always(reject)})
	for _, name := range []string{"a\x00b", "\x00", "jo\x00"} {
		r := nas.AccessRequest(secret, name, "hunter2").Sign(nas.First)
		d.wants(nas.CodeAccessReject, d.nas(""), r)
		calls := d.decider.calls()
		if got := calls[len(calls)-1].User; got != name {
			t.Errorf("the Decider was asked for %q, want %q whole", got, name)
		}
	}
}

func TestP11_ManyAttributes(t *testing.T) {
	const reason = "too many attributes"
	many := func(n int) *nas.Request {
		r := login() // three with the Message-Authenticator
		for range n - 3 {
			r.Add(nas.ConnectInfo, nil)
		}
		return r
	}
	d := open(t, house{decide: always(accept)})
	n := d.nas("")
	most := withLength(append(make([]byte, 20), bytes.Repeat([]byte{77, 2}, 2038)...), 4096)
	most[0] = nas.CodeAccessRequest
	d.wants(nas.CodeAccessAccept, n, many(200))
	d.drops(n, reason, many(201).Bytes(), many(1500).Bytes(), most)
	if got := d.log.lines(reason); len(got) != 1 {
		t.Errorf("%d lines in the log, want 1", len(got))
	}
}

func TestP12_AttributesTwice(t *testing.T) {
	const reason = "an attribute twice that may come once"
	for _, tt := range []struct {
		name string
		r    *nas.Request
	}{
		{"User-Name", login().AddString(nas.UserName, "jo")},
		{"User-Name, another", login().AddString(nas.UserName, "root")},
		{"User-Password", login().Add(nas.UserPassword, make([]byte, 16))},
		{"CHAP-Password", login().CHAP("x").Add(nas.CHAPPassword, make([]byte, 17))},
		{"State", login().State([]byte("a")).State([]byte("b"))},
		{"State, one empty", login().State(nil).State([]byte("b"))},
		{"Message-Authenticator", login().Add(nas.MessageAuthenticator, make([]byte, 16))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := open(t, house{decide: always(accept)})
			d.drops(d.nas(""), reason, tt.r.Bytes())
		})
	}
	d := open(t, house{decide: always(accept)})
	d.wants(nas.CodeAccessAccept, d.nas(""), login().AddString(nas.ConnectInfo, "a").AddString(nas.ConnectInfo, "b"))
}

func TestP13_AttributeTypeZero(t *testing.T) {
	d := open(t, house{decide: always(accept)})
	d.drops(d.nas(""), "malformed", withOctets(0, 3, 'x'), withOctets(0, 2), login().AddString(0, "x").Bytes())
}

// TestAcceptance23_VendorSpecific: wrong lengths of sub-attributes cause no endless loop and no panic.
func TestAcceptance23_VendorSpecific(t *testing.T) {
	d := open(t, house{decide: always(accept)})
	n := d.nas("")
	for _, vendor := range []uint32{9, 311, 12356, 25461, 0xff000009} {
		for _, size := range []byte{0, 1, 2, 3, 200, 255} {
			value := append(binary.BigEndian.AppendUint32(nil, vendor), 25, size, 'x')
			want := byte(nas.CodeAccessAccept)
			if vendor == 311 && (size == 2 || size == 3) {
				d.drops(n, "more than one of User-Password, CHAP-Password and EAP-Message",
					login().Add(nas.VendorSpecific, value).Bytes())
				continue
			}
			if p := d.ask(n, login().Add(nas.VendorSpecific, value)); p.Code != want {
				t.Errorf("%s: %v", fmt.Sprintf("vendor %d, sub-length %d", vendor, size), p)
			}
		}
	}
}
