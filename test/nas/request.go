package nas

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"
)

// Placement says where a request carries its Message-Authenticator.
type Placement int

const (
	None   Placement = iota // nowhere
	First                   // as the first attribute
	Middle                  // with attributes before and behind it, if there are two
	Last                    // as the last attribute
	Wrong                   // first, one bit off
)

// Request is a packet to a server.
type Request struct {
	Code                 byte
	Identifier           byte
	Authenticator        [16]byte // zero: Bytes chooses one at random, once
	Attributes           []Attribute
	Secret               []byte
	MessageAuthenticator Placement // zero: None
	// BareReply expects a reply without Message-Authenticator and refuses one that carries it, as MIT Kerberos does.
	BareReply bool
}

// Get returns the values of one type, in order.
func (r *Request) Get(typ byte) [][]byte { return values(r.Attributes, typ) }

// VSA returns the values of a vendor's sub-attributes of one type.
func (r *Request) VSA(vendor uint32, subtype byte) [][]byte {
	return vsa(r.Attributes, vendor, subtype)
}

// Bytes returns the packet as it goes on the wire: the same octets each time, unless r is changed in between. A packet
// beyond 4096 octets, or a value beyond 253, panics: there is no way to write its length down.
func (r *Request) Bytes() []byte {
	if r.Authenticator == ([16]byte{}) {
		rand.Read(r.Authenticator[:])
	}
	attributes, mac := r.signed()
	b := append([]byte{r.Code, r.Identifier, 0, 0}, r.Authenticator[:]...)
	macAt := 0
	for i, a := range attributes {
		value := a.Value
		if a.Hide {
			value = hide(value, r.Secret, r.Authenticator)
		}
		if len(value) > maxValue {
			panic(fmt.Sprintf("nas: attribute %d of %d octets", a.Type, len(value)))
		}
		b = append(b, a.Type, byte(2+len(value)))
		if i == mac {
			macAt = len(b)
		}
		b = append(b, value...)
	}
	if len(b) > maxPacket {
		panic(fmt.Sprintf("nas: packet of %d octets", len(b)))
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	if mac >= 0 {
		copy(b[macAt:], hmacMD5(r.Secret, b))
		if r.MessageAuthenticator == Wrong {
			b[macAt+macLen-1] ^= 1
		}
	}
	return b
}

// signed returns the attributes, with a zeroed Message-Authenticator if there is one, and the index of that one; -1: none.
func (r *Request) signed() ([]Attribute, int) {
	at := 0
	switch r.MessageAuthenticator {
	case None:
		return r.Attributes, -1
	case Middle:
		at = (len(r.Attributes) + 1) / 2
	case Last:
		at = len(r.Attributes)
	}
	mac := Attribute{Type: MessageAuthenticator, Value: make([]byte, macLen)}
	return slices.Insert(slices.Clone(r.Attributes), at, mac), at
}

// length returns the length of Bytes.
func (r *Request) length() int {
	n := header
	attributes, _ := r.signed()
	for _, a := range attributes {
		n += 2 + len(a.Value)
		if a.Hide {
			n += hidden(len(a.Value)) - len(a.Value)
		}
	}
	return n
}

// hidden returns the length of a hidden password of n octets: a multiple of 16 and at least 16.
func hidden(n int) int { return max((n+15)/16, 1) * 16 }

// hide is RFC 2865 §5.2: each block of 16 octets XORed with MD5(secret, the block before).
func hide(password, secret []byte, authenticator [16]byte) []byte {
	b := make([]byte, hidden(len(password)))
	copy(b, password)
	before := authenticator[:]
	for block := range slices.Chunk(b, 16) {
		pad := md5.Sum(slices.Concat(secret, before))
		for i := range block {
			block[i] ^= pad[i]
		}
		before = block
	}
	return b
}

func hmacMD5(key, b []byte) []byte {
	h := hmac.New(md5.New, key)
	h.Write(b)
	return h.Sum(nil)
}
