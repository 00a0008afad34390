package policy

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"sync"
)

// digest makes digests of passwords that mean nothing outside this process. It is safe for concurrent use once its key
// is set.
type digest struct {
	key [32]byte

	macs sync.Pool // of *mac
}

// mac is an HMAC that was keyed once, and room for what goes through it.
type mac struct {
	hash.Hash
	key  [32]byte
	text []byte
	sum  [sha256.Size]byte
}

// of returns the digest of words, one after the other with a NUL between.
func (d *digest) of(words ...string) [sha256.Size]byte {
	m, _ := d.macs.Get().(*mac)
	if m == nil || m.key != d.key {
		m = &mac{Hash: hmac.New(sha256.New, d.key[:]), key: d.key}
	}
	for i, word := range words {
		if i > 0 {
			m.text = append(m.text, 0)
		}
		m.text = append(m.text, word...)
	}
	m.Reset()
	m.Write(m.text)
	m.Sum(m.sum[:0])
	sum := m.sum
	clear(m.text)
	m.text = m.text[:0]
	d.macs.Put(m)
	return sum
}
