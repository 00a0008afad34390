package nas

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"slices"
)

// Reveal decrypts a value of r's reply that is salted: MS-MPPE-Send-Key and -Recv-Key (RFC 2548 §2.4.2), and
// Tunnel-Password behind its tag (RFC 2868 §3.5). It takes no padding but zeros.
func (r *Request) Reveal(value []byte) ([]byte, error) {
	const salt = 2
	if len(value) < salt+16 || (len(value)-salt)%16 != 0 {
		return nil, fmt.Errorf("nas: %d octets, which are no salt and blocks of 16", len(value))
	}
	if value[0]&0x80 == 0 {
		return nil, fmt.Errorf("nas: salt %x without its first bit", value[:salt])
	}
	var clear []byte
	before := slices.Concat(r.Authenticator[:], value[:salt])
	for block := range slices.Chunk(value[salt:], 16) {
		pad := md5.Sum(slices.Concat(r.Secret, before))
		for i := range block {
			clear = append(clear, block[i]^pad[i])
		}
		before = block
	}
	n := 1 + int(clear[0])
	if n > len(clear) || len(bytes.Trim(clear[n:], "\x00")) > 0 {
		return nil, fmt.Errorf("nas: %d octets that decrypt to nothing; the secret is another", len(value))
	}
	return clear[1:n], nil
}
