package wire

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding/binary"
	"hash"
)

// mac is an HMAC-MD5 and a buffer for its sum. Without the buffer, each sum would allocate memory.
type mac struct {
	hash.Hash
	sum [md5.Size]byte
}

var zeros [md5.Size]byte

// NewRequest returns the start of a request with this Request Authenticator, which must be random (RFC 2865 §3): a header,
// and a Message-Authenticator of zeros as the first attribute (RFC 3579 §3.2). The caller sets the Identifier, and
// SignRequest sets the Length.
func NewRequest(code byte, authenticator [16]byte) []byte {
	b := append(make([]byte, 0, 512), code, 0, 0, 0)
	return Append(append(b, authenticator[:]...), MessageAuthenticator, zeros[:])
}

// AppendReply appends the start of the reply to a request: a header with the request's Identifier and Authenticator.
// SignReply sets the Length. If signed is true, a Message-Authenticator of zeros follows the header. It is the first
// attribute, so that an attacker can't put a chosen prefix before it (CVE-2024-3596).
func AppendReply(b []byte, code byte, request []byte, signed bool) []byte {
	b = append(b, code, request[1], 0, 0)
	b = append(b, request[4:HeaderLength]...)
	if signed {
		b = Append(b, MessageAuthenticator, zeros[:])
	}
	return b
}

// SignRequest puts the Length and the Message-Authenticator into a request that NewRequest started (RFC 3579 §3.2).
func (s *Secret) SignRequest(b []byte) {
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	s.sign(b)
}

// SignReply completes a reply that AppendReply started. It sets the Length, then the Message-Authenticator if the reply has
// one (RFC 3579 §3.2), then the Response Authenticator, which covers the whole reply (RFC 2865 §3).
func (s *Secret) SignReply(b []byte) {
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	if len(b) >= HeaderLength+SignatureLength && b[HeaderLength] == MessageAuthenticator {
		s.sign(b)
	}
	h := md5.New()
	h.Write(b)
	h.Write(s.text)
	h.Sum(b[:4])
}

// sign sets the Message-Authenticator of b, which must be the first attribute. The header of b must hold the Request
// Authenticator.
func (s *Secret) sign(b []byte) {
	const at = HeaderLength + 2
	m := s.mac()
	defer s.macs.Put(m)
	m.Write(b[:at])
	m.Write(zeros[:])
	m.Write(b[at+md5.Size:])
	m.Sum(b[:at])
}

func (s *Secret) mac() *mac {
	if m, ok := s.macs.Get().(*mac); ok {
		m.Reset()
		return m
	}
	return &mac{Hash: hmac.New(md5.New, s.text)}
}

// Signed reports whether the Message-Authenticator of b was made with this secret. Its value is the 16 octets of b at
// offset at. The Message-Authenticator covers the whole packet, with zeros in the place of the value, and with the Request
// Authenticator in the header. This holds for a request and for its reply (RFC 3579 §3.2).
func (s *Secret) Signed(b []byte, at int, request [16]byte) bool {
	m := s.mac()
	defer s.macs.Put(m)
	m.sum = request
	m.Write(b[:4])
	m.Write(m.sum[:])
	m.Write(b[HeaderLength:at])
	m.Write(zeros[:])
	m.Write(b[at+md5.Size:])
	return hmac.Equal(m.Sum(m.sum[:0]), b[at:at+md5.Size])
}

// Answers reports whether the reply b has the Response Authenticator that this secret makes for a request with the Request
// Authenticator request (RFC 2865 §3).
func (s *Secret) Answers(b []byte, request [16]byte) bool {
	h := md5.New()
	h.Write(b[:4])
	h.Write(request[:])
	h.Write(b[HeaderLength:])
	h.Write(s.text)
	return hmac.Equal(h.Sum(nil), b[4:HeaderLength])
}
