package wire

import (
	"crypto/md5"
	"crypto/subtle"
	"encoding/binary"
	"errors"
)

// MaxPassword is the length of the longest User-Password (RFC 2865 §5.2), in octets.
const MaxPassword = 128

// maxSalted is the length of the longest value that HideSalted hides, in octets. An attribute also holds a Tag, a Salt and
// a length octet, and is encrypted in blocks of 16, so it has no room for a longer value (RFC 2868 §3.5).
const maxSalted = 239

var errTooLong = errors.New("the value is too long to be hidden")

// pad returns the 16 octets that are XORed with one block. They are the hash of the secret, of before and of salt. before
// is the encrypted block in front of this one, or the Request Authenticator for the first block (RFC 2865 §5.2).
func (s *Secret) pad(before, salt []byte) [md5.Size]byte {
	var buffer [128]byte // most secrets fit into it
	return md5.Sum(append(append(append(buffer[:0], s.text...), before...), salt...))
}

// hide encrypts b in place. The length of b must be a multiple of 16.
func (s *Secret) hide(b, authenticator, salt []byte) {
	for before := authenticator; len(b) > 0; b = b[md5.Size:] {
		pad := s.pad(before, salt)
		subtle.XORBytes(b, b[:md5.Size], pad[:])
		before, salt = b[:md5.Size], nil
	}
}

// reveal decrypts b and appends the result to clear. The length of b must be a multiple of 16.
func (s *Secret) reveal(clear, b, authenticator, salt []byte) []byte {
	for before := authenticator; len(b) > 0; b = b[md5.Size:] {
		pad := s.pad(before, salt)
		subtle.XORBytes(pad[:], pad[:], b[:md5.Size])
		clear = append(clear, pad[:]...)
		before, salt = b[:md5.Size], nil
	}
	return clear
}

// blocks returns n rounded up to a multiple of 16. It returns at least 16.
func blocks(n int) int { return max(md5.Size, (n+md5.Size-1)/md5.Size*md5.Size) }

// HidePassword returns the value of a User-Password (RFC 2865 §5.2), or of MS-CHAP-MPPE-Keys, which are hidden in the same
// way (RFC 2548 §2.4.1). The password is padded with NULs; an empty password becomes 16 octets of padding. A password of
// more than MaxPassword octets is an error.
func (s *Secret) HidePassword(password string, authenticator [16]byte) ([]byte, error) {
	if len(password) > MaxPassword {
		return nil, errTooLong
	}
	b := make([]byte, blocks(len(password)))
	copy(b, password)
	s.hide(b, authenticator[:], nil)
	return b, nil
}

// RevealPassword decrypts the value of a User-Password and appends the password, with its padding of NULs, to clear. ok is
// false if the length of the value is not a multiple of 16 from 16 to 128 octets (RFC 2865 §5.2). RevealPassword can't tell
// whether the secret was right.
func (s *Secret) RevealPassword(clear, value []byte, authenticator [16]byte) (password []byte, ok bool) {
	if len(value) == 0 || len(value) > MaxPassword || len(value)%md5.Size != 0 {
		return nil, false
	}
	return s.reveal(clear, value, authenticator[:], nil), true
}

// HideSalted returns the value of a Tunnel-Password without its Tag (RFC 2868 §3.5) or of an MS-MPPE key (RFC 2548 §2.4.2):
// the Salt, then the encrypted length, clear value and padding. Each attribute of a packet must have a different Salt.
// HideSalted sets the first bit of the Salt.
func (s *Secret) HideSalted(clear string, salt uint16, authenticator [16]byte) ([]byte, error) {
	if len(clear) > maxSalted {
		return nil, errTooLong
	}
	b := make([]byte, 2+blocks(1+len(clear)))
	binary.BigEndian.PutUint16(b, salt|0x8000)
	b[2] = byte(len(clear))
	copy(b[3:], clear)
	s.hide(b[2:], authenticator[:], b[:2])
	return b, nil
}

// RevealSalted decrypts a value that HideSalted encrypted. It accepts any first bit of the Salt. ok is false if the value
// has a wrong length, or if the decrypted length octet is too large. A wrong secret often causes the second fault.
func (s *Secret) RevealSalted(value []byte, authenticator [16]byte) (clear string, ok bool) {
	if len(value) < 2+md5.Size || (len(value)-2)%md5.Size != 0 {
		return "", false
	}
	b := s.reveal(nil, value[2:], authenticator[:], value[:2])
	length := int(b[0])
	if length > len(b)-1 {
		return "", false
	}
	return string(b[1 : 1+length]), true
}
