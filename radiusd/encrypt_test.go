package radiusd

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"layeh.com/radius"

	"duoradiusd/policy"
	"duoradiusd/radiusd/wire"
	"duoradiusd/test/nas"
)

func vendors(vendor uint32, kind byte, value string) policy.Attribute {
	return policy.Attribute{AttributeID: policy.AttributeID{Vendor: vendor, Type: kind}, Value: value}
}

func standard(kind byte, value string) policy.Attribute { return vendors(0, kind, value) }

// replyTo returns the reply to r that holds attributes, read back by a strict client.
func replyTo(t *testing.T, r *nas.Request, v policy.Verdict) (*nas.Response, error) {
	t.Helper()
	p, why := walk(r.Bytes())
	if why != notDropped {
		t.Fatal(why)
	}
	b, err := p.answer(nil, testClient(), &v)
	if err != nil {
		return nil, err
	}
	reply, err := r.Verify(b) // Message-Authenticator first
	if err != nil {
		t.Fatal(err)
	}
	return reply, nil
}

func acceptWith(list ...policy.Attribute) policy.Verdict {
	return policy.Verdict{Outcome: policy.OutcomeAccept, Attributes: list}
}

const (
	key       = "0123456789abcdef0123456789abcdef"
	mppeKeys  = 12
	mppeSend  = 16
	mppeRecv  = 17
	tunnelPwd = 69
)

// TestEncryptKeys: a client that knows the secret and sent this Request Authenticator can decrypt MS-MPPE keys of any
// length. Each has its own Salt whose first bit is set (RFC 2548 §2.4.2, RFC 2868 §3.5).
func TestEncryptKeys(t *testing.T) {
	for _, clear := range []string{key, key[:16], "x", "", strings.Repeat("k", 15), strings.Repeat("k", 239), "zero\x00\x00", "\x00"} {
		r := signedLogin()
		reply, err := replyTo(t, r, acceptWith(vendors(wire.Microsoft, mppeSend, clear), vendors(wire.Microsoft, mppeRecv, clear)))
		if err != nil {
			t.Fatal(err)
		}
		var salts []string
		for _, kind := range []byte{mppeSend, mppeRecv} {
			got := reply.VSA(wire.Microsoft, kind)
			if len(got) != 1 {
				t.Fatalf("%d of type %d, want 1", len(got), kind)
			}
			if bytes.Contains(reply.Raw, []byte(clear)) && len(clear) > 4 {
				t.Error("the key stands in clear")
			}
			plain, salt, err := radius.TunnelPassword(got[0], []byte(testSecret), r.Authenticator[:])
			if err != nil || string(plain) != clear || salt[0]&0x80 == 0 {
				t.Errorf("%q of type %d: read as %q, Salt % x: %v", clear, kind, plain, salt, err)
			}
			salts = append(salts, string(salt))
			if len(clear) <= 4 {
				continue // one wrong decryption in 256 gives an empty value
			}
			if plain, _, err := radius.TunnelPassword(got[0], []byte("another secret"), r.Authenticator[:]); err == nil && string(plain) == clear {
				t.Error("the secret does not matter")
			}
			if plain, _, err := radius.TunnelPassword(got[0], []byte(testSecret), make([]byte, 16)); err == nil && string(plain) == clear {
				t.Error("the Request Authenticator does not matter")
			}
		}
		if salts[0] == salts[1] {
			t.Errorf("the Salt % x twice", salts[0])
		}
	}
}

// TestEncryptTunnelPassword: the Tag is not encrypted and stands before the Salt (RFC 2868 §3.5).
func TestEncryptTunnelPassword(t *testing.T) {
	for _, tag := range []byte{0, 1, 0x1f} {
		r := signedLogin()
		reply, err := replyTo(t, r, acceptWith(standard(tunnelPwd, string(tag)+"tunnel"), standard(tunnelPwd, string(tag)+"")))
		if err != nil {
			t.Fatal(err)
		}
		got := reply.Get(tunnelPwd)
		if len(got) != 2 {
			t.Fatalf("%d Tunnel-Passwords", len(got))
		}
		for i, want := range []string{"tunnel", ""} {
			plain, salt, err := radius.TunnelPassword(got[i][1:], []byte(testSecret), r.Authenticator[:])
			if err != nil || string(plain) != want || got[i][0] != tag || salt[0]&0x80 == 0 {
				t.Errorf("Tag %d, read as %q, Salt % x: %v; want Tag %d, %q", got[i][0], plain, salt, err, tag, want)
			}
		}
	}
	reply, err := replyTo(t, signedLogin(), acceptWith(standard(tunnelPwd, ""), standard(nas.Class, "c")))
	if err != nil || len(reply.Get(tunnelPwd)) != 0 || len(reply.Get(nas.Class)) != 1 {
		t.Errorf("without even a Tag: %v, %v", reply, err)
	}
}

// TestEncryptMSCHAPKeys: MS-CHAP-MPPE-Keys are hidden as a User-Password is (RFC 2548 §2.4.1).
func TestEncryptMSCHAPKeys(t *testing.T) {
	for _, clear := range []string{"lm-key..nt-key..........", "lm-key..nt-key.........." + "\x00\x00\x00\x00\x00\x00\x00\x00"} {
		r := signedLogin()
		reply, err := replyTo(t, r, acceptWith(vendors(wire.Microsoft, mppeKeys, clear)))
		if err != nil {
			t.Fatal(err)
		}
		got := reply.VSA(wire.Microsoft, mppeKeys)
		if len(got) != 1 || len(got[0]) != 32 {
			t.Fatalf("got %d octets in %d, want 32", len(got[0]), len(got))
		}
		plain, err := radius.UserPassword(got[0], []byte(testSecret), r.Authenticator[:])
		if err != nil || string(plain) != strings.TrimRight(clear, "\x00") {
			t.Errorf("read as %q: %v", plain, err)
		}
	}
}

// TestEncryptNothingElse: other attributes are not encrypted, even those of other vendors with the same numbers. Several of
// one kind are allowed, and the order stays.
func TestEncryptNothingElse(t *testing.T) {
	const cisco = 9
	reply, err := replyTo(t, signedLogin().ProxyState("one"), acceptWith(
		standard(nas.Class, "first"), vendors(cisco, mppeSend, "plain"), vendors(cisco, 1, "shell:priv-lvl=15"),
		vendors(wire.Microsoft, 26, "S=1"), standard(mppeSend, "plain"), standard(nas.Class, "second"), vendors(cisco, tunnelPwd, "p"),
		standard(nas.VendorSpecific, "\x00\x00\x02\x0dodd"), standard(nas.FilterID, ""), vendors(cisco, 2, ""),
		standard(nas.FilterID, strings.Repeat("f", 253)), vendors(cisco, 3, strings.Repeat("v", 247))))
	if err != nil {
		t.Fatal(err)
	}
	var types []byte
	for _, a := range reply.Attributes {
		types = append(types, a.Type)
	}
	if want := []byte{80, 25, 26, 26, 26, mppeSend, 25, 26, 26, 11, 26, 33}; !slices.Equal(types, want) {
		t.Errorf("attributes %v, want %v", types, want)
	}
	for what, got := range map[string][][]byte{
		"first second":           reply.Get(nas.Class),
		"plain":                  reply.VSA(cisco, mppeSend),
		"shell:priv-lvl=15":      reply.VSA(cisco, 1),
		"S=1":                    reply.VSA(wire.Microsoft, 26),
		"p":                      reply.VSA(cisco, tunnelPwd),
		strings.Repeat("v", 247): reply.VSA(cisco, 3),
	} {
		if string(bytes.Join(got, []byte(" "))) != what {
			t.Errorf("got %q, want %q", got, what)
		}
	}
	if got := reply.Get(nas.VendorSpecific); string(got[4]) != "\x00\x00\x02\x0dodd" {
		t.Errorf("a vendor's own format became %q", got[4])
	}
}

// TestSalts: all Salts of a packet differ, although they begin at a random number and wrap around.
func TestSalts(t *testing.T) {
	first := map[salts]bool{}
	for range 50 {
		first[newSalts(make([]policy.Attribute, 1))] = true
	}
	if len(first) < 40 {
		t.Errorf("%d of 50 begin alike", 50-len(first))
	}
	for _, begin := range []salts{0, 1, 0x7fff, 0x8000, 0xfff0, 0xffff} {
		s, seen := begin, map[uint16]bool{}
		for range 200 {
			salt := s.next() & 0x7fff // the first bit is always set
			if seen[salt] {
				t.Fatalf("from %x: %x", begin, salt)
			}
			seen[salt] = true
		}
	}
	var many []policy.Attribute
	for range 60 {
		many = append(many, vendors(wire.Microsoft, mppeSend, "k"), standard(tunnelPwd, "\x01k"))
	}
	reply, err := replyTo(t, signedLogin(), acceptWith(many...))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, v := range reply.VSA(wire.Microsoft, mppeSend) {
		seen[string(v[:2])] = true
	}
	for _, v := range reply.Get(tunnelPwd) {
		seen[string(v[1:3])] = true
	}
	if len(seen) != 120 {
		t.Errorf("%d Salts in 120 attributes", len(seen))
	}
}

// TestNoRoom: attributes are never left out or cut. A reply has all of them, or it is not sent.
func TestNoRoom(t *testing.T) {
	many := func(n int, a policy.Attribute) []policy.Attribute { return slices.Repeat([]policy.Attribute{a}, n) }
	full := standard(nas.Class, strings.Repeat("c", 253))
	for _, tt := range []struct {
		name string
		list []policy.Attribute
		fits bool
	}{
		{"254 octets", many(1, standard(nas.Class, strings.Repeat("c", 254))), false},
		{"a vendor's 248", many(1, vendors(9, 1, strings.Repeat("c", 248))), false},
		{"a key of 240, which takes 258", many(1, vendors(wire.Microsoft, mppeSend, strings.Repeat("k", 240))), false},
		{"a key of 250", many(1, vendors(wire.Microsoft, mppeSend, strings.Repeat("k", 250))), false},
		{"a Tunnel-Password of 239", many(1, standard(tunnelPwd, "\x01"+strings.Repeat("k", 239))), true},
		{"a Tunnel-Password of 240", many(1, standard(tunnelPwd, "\x01"+strings.Repeat("k", 240))), false},
		{"MS-CHAP-MPPE-Keys of 129", many(1, vendors(wire.Microsoft, mppeKeys, strings.Repeat("k", 129))), false},
		{"15 of 255 octets", many(15, full), true},                                                                    // 20+18+15*255 = 3863
		{"to the last octet", append(many(15, full), standard(nas.FilterID, strings.Repeat("f", 4096-3863-2))), true}, // 4096
		{"one more", append(many(15, full), standard(nas.FilterID, strings.Repeat("f", 4096-3863-1))), false},         // 4097
		{"16", many(16, full), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := acceptWith(tt.list...)
			v.Message = "Hello" // which is what may be left out
			reply, err := replyTo(t, signedLogin(), v)
			if (err == nil) != tt.fits {
				t.Fatalf("%v, %v", reply, err)
			}
			if err == nil && len(reply.Get(nas.Class))+len(reply.Get(nas.FilterID))+len(reply.Get(tunnelPwd)) != len(tt.list) {
				t.Errorf("%v: not all", reply)
			}
			if err != nil && strings.Contains(err.Error(), "kkkk") {
				t.Errorf("the error tells the key: %v", err)
			}
		})
	}
	_, err := replyTo(t, signedLogin().ProxyState("p"), acceptWith(append(many(15, full), standard(nas.FilterID, strings.Repeat("f", 231)))...))
	if !errors.Is(err, errTooLong) {
		t.Errorf("beside a Proxy-State: %v", err)
	}
}

// TestA10_A13_Challenge: a challenge holds one State, the time that the user has, and a Prompt that echoes unless the first
// factor says otherwise. It holds none of these where nobody can be prompted.
func TestA10_A13_Challenge(t *testing.T) {
	ask := policy.Verdict{Outcome: policy.OutcomeChallenge, Message: "Passcode:", State: "state", Wait: 90 * time.Second}
	with := func(change func(*policy.Verdict)) policy.Verdict { v := ask; change(&v); return v }
	const on, off = "\x00\x00\x00\x01", "\x00\x00\x00\x00"
	for _, tt := range []struct {
		name            string
		v               policy.Verdict
		timeout, prompt string
	}{
		{"ours", ask, "\x00\x00\x00\x5a", on},
		{"not said how long", with(func(v *policy.Verdict) { v.Wait = 0 }), "", on},
		{"the upstream's Prompt", with(func(v *policy.Verdict) { v.Attributes = []policy.Attribute{standard(nas.Prompt, off)} }), "\x00\x00\x00\x5a", off},
		{"a vendor's of that number", with(func(v *policy.Verdict) { v.Attributes = []policy.Attribute{vendors(9, nas.Prompt, off)} }), "\x00\x00\x00\x5a", on},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reply, err := replyTo(t, signedLogin().ProxyState("one"), tt.v)
			if err != nil {
				t.Fatal(err)
			}
			for kind, want := range map[byte]string{nas.State: "state", nas.SessionTimeout: tt.timeout, nas.Prompt: tt.prompt, nas.ReplyMessage: "Passcode:"} {
				got := reply.Get(kind)
				if len(got) > 1 || string(bytes.Join(got, nil)) != want {
					t.Errorf("type %d: %q, want %q", kind, got, want)
				}
			}
			if reply.Code != nas.CodeAccessChallenge {
				t.Errorf("code %d", reply.Code)
			}
		})
	}
}
