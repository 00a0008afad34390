package main

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"hash"
	mathrand "math/rand/v2"
	"net/netip"
)

// secret is shared by all NASes and all servers.
const secret = "bench-secret-of-32-octets-length"

const (
	headerLength = 20

	accessRequest = 1
	accessAccept  = 2

	typeMessageAuthenticator = 80
)

// identity is one user and the address that the user comes from.
type identity struct{ name, ip string }

// crowd returns n users. Each has an address of the range that is reserved for benchmarks (RFC 2544).
func crowd(n int) []identity { return crowdFrom(0, n) }

// crowdFrom returns n users, of which none is among the first users of crowd. first says how many those are.
func crowdFrom(first, n int) []identity {
	list := make([]identity, n)
	for i := range list {
		k := first + i
		ip := netip.AddrFrom4([4]byte{198, 18 + byte(k>>16&1), byte(k >> 8), byte(k)})
		list[i] = identity{fmt.Sprintf("user%05d", k), ip.String()}
	}
	return list
}

// scribe writes requests and checks replies without allocating memory.
type scribe struct {
	random *mathrand.ChaCha8
	secret []byte
	plain  hash.Hash
	mac    hash.Hash
	sum    [16]byte
	saved  [16]byte
}

func newScribe() *scribe {
	var seed [32]byte
	rand.Read(seed[:])
	return &scribe{random: mathrand.NewChaCha8(seed), secret: []byte(secret), plain: md5.New(), mac: hmac.New(md5.New, []byte(secret))}
}

func (s *scribe) hmac(b []byte) []byte {
	s.mac.Reset()
	s.mac.Write(b)
	return s.mac.Sum(s.sum[:0])
}

// request writes an Access-Request into the memory of b and returns it. The request is like that of a VPN gateway: it
// has a new Request Authenticator, and Message-Authenticator is its first attribute.
func (s *scribe) request(b []byte, identifier byte, who identity, port uint32) []byte {
	b = append(b[:0], accessRequest, identifier, 0, 0)
	b = binary.LittleEndian.AppendUint64(b, s.random.Uint64())
	b = binary.LittleEndian.AppendUint64(b, s.random.Uint64())
	b = append(b, typeMessageAuthenticator, 18)
	b = append(b, make([]byte, 16)...)
	b = attribute(b, 1, who.name)
	b = s.password(b, "push")
	b = attribute(b, 4, "\xc0\x00\x02\x01") // NAS-IP-Address
	b = binary.BigEndian.AppendUint32(append(b, 5, 6), port)
	b = attribute(b, 6, "\x00\x00\x00\x08")  // Service-Type: Authenticate-Only
	b = attribute(b, 30, "203.0.113.5")      // Called-Station-Id
	b = attribute(b, 31, who.ip)             // Calling-Station-Id
	b = attribute(b, 32, "gateway-1")        // NAS-Identifier
	b = attribute(b, 61, "\x00\x00\x00\x05") // NAS-Port-Type: Virtual
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	copy(b[headerLength+2:], s.hmac(b))
	return b
}

func attribute(b []byte, kind byte, value string) []byte {
	return append(append(b, kind, byte(2+len(value))), value...)
}

// password appends a hidden User-Password of at most 16 octets (RFC 2865 §5.2).
func (s *scribe) password(b []byte, word string) []byte {
	s.plain.Reset()
	s.plain.Write(s.secret)
	s.plain.Write(b[4:headerLength])
	pad := s.plain.Sum(s.sum[:0])
	for i := range word {
		pad[i] ^= word[i]
	}
	return append(append(b, 2, 18), pad...)
}

// right reports whether reply is a valid reply to request. It checks the Response Authenticator (RFC 2865 §3) and,
// unless bare is true, the Message-Authenticator (RFC 3579 §3.2). It changes the header of reply.
func (s *scribe) right(reply, request []byte, bare bool) bool {
	if len(reply) < headerLength || int(binary.BigEndian.Uint16(reply[2:])) != len(reply) {
		return false
	}
	copy(s.saved[:], reply[4:headerLength])
	copy(reply[4:headerLength], request[4:headerLength])
	s.plain.Reset()
	s.plain.Write(reply)
	s.plain.Write(s.secret)
	if [16]byte(s.plain.Sum(s.sum[:0])) != s.saved {
		return false
	}
	if bare {
		return true
	}
	at := find(reply, typeMessageAuthenticator)
	if at == 0 || len(reply) < at+16 {
		return false
	}
	copy(s.saved[:], reply[at:at+16])
	clear(reply[at : at+16])
	return [16]byte(s.hmac(reply)) == s.saved
}

// find returns the position of the value of an attribute in b; 0 if b does not have the attribute.
func find(b []byte, kind byte) int {
	for at := headerLength; at+2 <= len(b) && b[at+1] >= 2; at += int(b[at+1]) {
		if b[at] == kind {
			return at + 2
		}
	}
	return 0
}
