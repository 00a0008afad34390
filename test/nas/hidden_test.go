package nas

import (
	"bytes"
	"testing"

	"layeh.com/radius"
)

// TestReveal takes what another library has encrypted.
func TestReveal(t *testing.T) {
	r := AccessRequest("secret", "jo", "hunter2")
	r.Bytes()
	for n := range 100 {
		key := bytes.Repeat([]byte{byte(n)}, n)
		value, err := radius.NewTunnelPassword(key, []byte{0x80, byte(n)}, r.Secret, r.Authenticator[:])
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.Reveal(value); err != nil || !bytes.Equal(got, key) {
			t.Fatalf("%d octets: got % x, %v", n, got, err)
		}
		other := AccessRequest("secrets", "jo", "hunter2")
		other.Authenticator = r.Authenticator
		if got, err := other.Reveal(value); err == nil && bytes.Equal(got, key) {
			t.Errorf("%d octets: revealed by another secret", n)
		}
	}
}

func TestRevealRefuses(t *testing.T) {
	r := AccessRequest("secret", "jo", "hunter2")
	r.Bytes()
	good, err := radius.NewTunnelPassword([]byte("key"), []byte{0x80, 1}, r.Secret, r.Authenticator[:])
	if err != nil {
		t.Fatal(err)
	}
	unsalted, padded := bytes.Clone(good), bytes.Clone(good)
	unsalted[0] &= 0x7f
	padded[len(padded)-1] ^= 1
	for name, value := range map[string][]byte{
		"nothing": nil, "a salt alone": good[:2], "cut": good[:len(good)-1], "first bit": unsalted, "padding": padded,
	} {
		if got, err := r.Reveal(value); err == nil {
			t.Errorf("%s: got % x", name, got)
		}
	}
}
