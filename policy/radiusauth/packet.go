package radiusauth

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding/binary"
	"hash"
	"sync"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2868"
	"layeh.com/radius/rfc2869"
	"layeh.com/radius/rfc3162"
)

const (
	headerLength = 20
	maxLength    = radius.MaxPacketLength
	maxValue     = 253 // octets of one attribute
	macAt        = headerLength + 2

	codeAccessRequest   = byte(radius.CodeAccessRequest)
	codeAccessAccept    = byte(radius.CodeAccessAccept)
	codeAccessReject    = byte(radius.CodeAccessReject)
	codeAccessChallenge = byte(radius.CodeAccessChallenge)
	codeStatusServer    = byte(radius.CodeStatusServer)
)

const (
	typeUserName             = byte(rfc2865.UserName_Type)
	typeUserPassword         = byte(rfc2865.UserPassword_Type)
	typeCHAPPassword         = byte(rfc2865.CHAPPassword_Type)
	typeNASIPAddress         = byte(rfc2865.NASIPAddress_Type)
	typeReplyMessage         = byte(rfc2865.ReplyMessage_Type)
	typeState                = byte(rfc2865.State_Type)
	typeVendorSpecific       = byte(rfc2865.VendorSpecific_Type)
	typeSessionTimeout       = byte(rfc2865.SessionTimeout_Type)
	typeIdleTimeout          = byte(rfc2865.IdleTimeout_Type)
	typeNASIdentifier        = byte(rfc2865.NASIdentifier_Type)
	typeProxyState           = byte(rfc2865.ProxyState_Type)
	typeCHAPChallenge        = byte(rfc2865.CHAPChallenge_Type)
	typeTunnelPassword       = byte(rfc2868.TunnelPassword_Type)
	typePrompt               = byte(rfc2869.Prompt_Type)
	typeEAPMessage           = byte(rfc2869.EAPMessage_Type)
	typeMessageAuthenticator = byte(rfc2869.MessageAuthenticator_Type)
	typeNASIPv6Address       = byte(rfc3162.NASIPv6Address_Type)
	typeEAPKeyName           = 102 // RFC 4072 §4.1, in RADIUS by RFC 7268 §2.3
)

// attribute is one attribute of a packet.
type attribute struct {
	kind  byte
	value []byte // part of the packet
	at    int    // offset of the value within the packet's attributes
}

// attributes splits the octets that follow a packet's header into attributes. ok is false if they are malformed (RFC 2865
// §5).
func attributes(b []byte) (list []attribute, ok bool) {
	for at := 0; at < len(b); {
		rest := b[at:]
		if len(rest) < 2 || rest[0] == 0 || rest[1] < 2 || int(rest[1]) > len(rest) {
			return nil, false
		}
		list = append(list, attribute{rest[0], rest[2:rest[1]], at + 2})
		at += int(rest[1])
	}
	return list, true
}

// packet returns the packet in a datagram and its attributes. Octets after the packet's Length are padding (RFC 2865 §3).
func packet(datagram []byte) (b []byte, list []attribute, ok bool) {
	if len(datagram) < headerLength {
		return nil, nil, false
	}
	length := int(binary.BigEndian.Uint16(datagram[2:]))
	if length < headerLength || length > maxLength || length > len(datagram) {
		return nil, nil, false
	}
	b = datagram[:length:length]
	list, ok = attributes(b[headerLength:])
	return b, list, ok
}

// newPacket returns the start of a request: a random Request Authenticator, and a Message-Authenticator of zeros as the
// first attribute. The Message-Authenticator is always there, because it protects against CVE-2024-3596.
func newPacket(code byte) []byte {
	b := make([]byte, headerLength, 512)
	b[0] = code
	random(b[4:])
	return appendAttribute(b, typeMessageAuthenticator, zeros[:])
}

func appendAttribute(b []byte, kind byte, value []byte) []byte {
	return append(append(b, kind, byte(2+len(value))), value...)
}

var zeros [16]byte

// secret is the shared secret of the upstream servers.
type secret struct {
	text []byte
	macs sync.Pool // of HMAC-MD5s keyed with it
}

func (s *secret) mac() hash.Hash {
	if h, ok := s.macs.Get().(hash.Hash); ok {
		h.Reset()
		return h
	}
	return hmac.New(md5.New, s.text)
}

// seal signs a request that newPacket started (RFC 3579 §3.2).
func (s *secret) seal(b []byte) {
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	copy(b[macAt:], zeros[:])
	h := s.mac()
	h.Write(b)
	h.Sum(b[:macAt])
	s.macs.Put(h)
}

// answers reports whether a reply's Response Authenticator belongs to the authenticator of the request (RFC 2865 §3).
func (s *secret) answers(b []byte, request [16]byte) bool {
	h := md5.New()
	h.Write(b[:4])
	h.Write(request[:])
	h.Write(b[headerLength:])
	h.Write(s.text)
	return hmac.Equal(h.Sum(nil), b[4:headerLength])
}

// signed reports whether the Message-Authenticator of the reply b, whose value starts at octet at, is right for the
// authenticator of the request (RFC 3579 §3.2).
func (s *secret) signed(b []byte, at int, request [16]byte) bool {
	h := s.mac()
	defer s.macs.Put(h)
	h.Write(b[:4])
	h.Write(request[:])
	h.Write(b[headerLength:at])
	h.Write(zeros[:])
	h.Write(b[at+16:])
	return hmac.Equal(h.Sum(nil), b[at:at+16])
}
