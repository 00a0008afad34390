package policy

import (
	"crypto/hmac"
	"crypto/sha256"
	"sync"
	"testing"
)

// TestDigest: whatever the MAC computed before, the digest is the HMAC of the given text under the current key.
func TestDigest(t *testing.T) {
	var d digest
	for key := range byte(3) {
		d.key[0] = key
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for _, words := range [][]string{{"", "password", "correct horse battery"}, {"", "password", ""}, {"s", "eap", "p"}} {
					mac := hmac.New(sha256.New, d.key[:])
					mac.Write([]byte(words[0] + "\x00" + words[1] + "\x00" + words[2]))
					if got := d.of(words...); string(got[:]) != string(mac.Sum(nil)) {
						t.Errorf("key %d: the digest of %q is wrong", key, words)
					}
				}
			})
		}
		wg.Wait()
	}
}
