package radiusauth

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
	"unicode/utf8"

	"duoradiusd/policy"
	"duoradiusd/radiusd/wire"
)

// FuzzReply: whatever a reply with the right secret holds, it is read without a panic, and the result holds only what its
// code may carry. A reply with another secret changes nothing.
func FuzzReply(f *testing.F) {
	u, err := New(Config{Servers: []string{one}, Secret: shared})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(byte(2), byte(0), octets(at{18, "hi"}, at{25, "c"}, vsa(311, at{16, "0123456789abcdef01"}), at{69, "\x01xx"}))
	f.Add(byte(3), byte(2), octets(at{18, "no"}, vsa(311, at{2, "E=691"})))
	f.Add(byte(11), byte(3), octets(at{24, "s"}, at{79, "\x01\x01\x00\x05\x19"}, at{27, "\x00\x00\x00\x1e"}))
	f.Add(byte(2), byte(3), octets(at{1, "jo"}, at{79, "\x03\x01\x00\x04"}, at{26, "\x00\x00\x01\xad"}))
	f.Fuzz(func(t *testing.T, code, method byte, body []byte) {
		authenticator := [16]byte{1, 2, 3}
		b := append([]byte{code, 7, 0, 0}, authenticator[:]...)
		b = append(b, octets(at{80, string(make([]byte, 16))})...)
		b = append(b, body...)
		if len(b) > wire.MaxLength {
			return
		}
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		signFor(b, authenticator)
		whole, ok := wire.Packet(b)
		if !ok {
			return
		}
		list, ok := wire.Attributes(whole[wire.HeaderLength:])
		if !ok {
			return
		}
		if validate(u.secret, whole, list, wire.AccessRequest, authenticator, true) != replyValid {
			return
		}
		if validate(u.secret, flip(whole, 4), list, wire.AccessRequest, authenticator, false) == replyValid {
			t.Error("a wrong authenticator is taken")
		}
		r := policy.FirstRequest{User: "jo", Typed: "jo", Method: policy.Method(method % 4)}
		a, err := u.interpret(parseReply(bytes.Clone(whole), authenticator), r, conversation{server: one, serverMethod: 4, peerMethod: 4})
		mustBeLegal(t, code, a, err)
	})
}

func mustBeLegal(t *testing.T, code byte, a policy.Account, err error) {
	for _, at := range append(a.Attributes, a.Proof...) {
		if at.Vendor == 0 && (requestOnly[at.Type] || len(at.Value) > wire.MaxValue) || isHidden(at.AttributeID) || msRequestOnly(at.AttributeID) {
			t.Errorf("an Accept with %+v", at)
		}
	}
	if err == nil && code != wire.AccessAccept {
		t.Errorf("code %d is a yes", code)
	}
	if no, ok := errors.AsType[*policy.Refusal](err); ok {
		for _, at := range no.Attributes {
			if at.AttributeID != msCHAPError {
				t.Errorf("a Reject with %+v", at)
			}
		}
		if !utf8.ValidString(no.Message) || len(no.Message) > maxMessage || code != wire.AccessReject {
			t.Errorf("code %d says %q", code, no.Message)
		}
	}
	if back, ok := errors.AsType[*policy.AskBack](err); ok {
		for _, at := range back.Attributes {
			if at.Vendor == 0 && at.Type != wire.IdleTimeout && at.Type != wire.Prompt && at.Type != wire.VendorSpecific || isProof(at.AttributeID) {
				t.Errorf("a Challenge with %+v", at)
			}
		}
		if !utf8.ValidString(back.Message) || len(back.Message) > maxMessage || code != wire.AccessChallenge {
			t.Errorf("code %d asks %q", code, back.Message)
		}
	}
}

// FuzzRequest: whatever a client sends, the request to the upstream is a valid packet of one method, with 4096 octets at
// most.
func FuzzRequest(f *testing.F) {
	u, err := New(Config{Servers: []string{one}, Secret: shared})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(byte(0), "x", "", octets(at{4, "1234"}, at{26, "\x00\x00\x01\x37"}))
	f.Add(byte(1), "", "s", octets(at{3, "12345678901234567"}))
	f.Add(byte(2), "", "", octets(vsa(311, msChallenge, ms2Response)))
	f.Add(byte(3), "", "", octets(at{79, "\x02\x01\x00\x05\x01"}))
	f.Fuzz(func(t *testing.T, method byte, password, state string, list []byte) {
		if len(state) > wire.MaxValue {
			return
		}
		r := policy.FirstRequest{User: "jo", Typed: "jo", Method: policy.Method(method % 4), Password: password, Attributes: list, State: state}
		before := bytes.Clone(list)
		b, err := u.request(r, state)
		if !bytes.Equal(before, list) {
			t.Fatal("the client's attributes are changed")
		}
		if err != nil {
			return
		}
		u.secret.SignRequest(b)
		if why := unfit(b, shared); why != "" || len(b) > wire.MaxLength {
			t.Fatalf("%s, %d octets", why, len(b))
		}
		got, ok := wire.Attributes(b[wire.HeaderLength:])
		if !ok {
			t.Fatalf("% x", b)
		}
		count := make(map[byte]int)
		for _, a := range got {
			count[a.Type]++
		}
		if count[1] != 1 || count[80] != 1 || count[24] > 1 || count[33] > 0 || count[69] > 0 ||
			r.Method != policy.MethodPassword && count[2] > 0 || r.Method == policy.MethodPassword && count[2] != 1 ||
			r.Method != policy.MethodCHAP && count[3]+count[60] > 0 || r.Method != policy.MethodEAP && count[79] > 0 {
			t.Errorf("by %v: %v", r.Method, count)
		}
		_ = eapPacket(list)
		var tk conversation
		_ = tk.fromPeer(eapPacket(list), "jo")
		_, _ = conversationOf(r)
	})
}
