package policy

import (
	"crypto/hmac"
	"crypto/sha256"
)

// digest computes digests of passwords. A digest tells nothing to somebody without the key. A digest is safe for concurrent
// use once its key is set.
type digest struct{ key [32]byte }

// of returns the HMAC-SHA-256 of words, with a NUL between them.
func (d *digest) of(words ...string) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, d.key[:])
	for i, word := range words {
		if i > 0 {
			mac.Write([]byte{0})
		}
		mac.Write([]byte(word))
	}
	mac.Sum(sum[:0])
	return sum
}
