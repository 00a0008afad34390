package nas

import (
	"encoding/binary"
	"fmt"
)

// Codes of packets (RFC 2865 §3, RFC 5997 §6).
const (
	CodeAccessRequest   = 1
	CodeAccessAccept    = 2
	CodeAccessReject    = 3
	CodeAccessChallenge = 11
	CodeStatusServer    = 12
)

// Types of attributes.
const (
	UserName             = 1
	UserPassword         = 2
	CHAPPassword         = 3
	NASIPAddress         = 4
	NASPort              = 5
	ServiceType          = 6
	FilterID             = 11
	ReplyMessage         = 18
	State                = 24
	Class                = 25
	VendorSpecific       = 26
	SessionTimeout       = 27
	CalledStationID      = 30
	CallingStationID     = 31
	NASIdentifier        = 32
	ProxyState           = 33
	CHAPChallenge        = 60
	NASPortType          = 61
	TunnelClientEndpoint = 66
	TunnelPassword       = 69
	Prompt               = 76
	ConnectInfo          = 77
	EAPMessage           = 79
	MessageAuthenticator = 80
	NASIPv6Address       = 95
)

const (
	header    = 20  // Code, Identifier, Length, Authenticator
	maxValue  = 253 // octets of one attribute
	maxPacket = 4096
	macLen    = 16 // of a Message-Authenticator's value
)

// Attribute is one attribute of a packet.
type Attribute struct {
	Type  byte
	Value []byte
	// Hide says that Value is a password in the clear, to be padded and hidden as RFC 2865 §5.2 has it.
	Hide bool
}

// values returns the values of one type, in order.
func values(attributes []Attribute, typ byte) [][]byte {
	var v [][]byte
	for _, a := range attributes {
		if a.Type == typ {
			v = append(v, a.Value)
		}
	}
	return v
}

// parseAttributes parses the octets after the header. It refuses an empty attribute, which no server should send (RFC 2865 §5).
func parseAttributes(b []byte) ([]Attribute, error) {
	var attributes []Attribute
	for at := 0; at < len(b); {
		rest := b[at:]
		if len(rest) < 2 || rest[1] < 3 || int(rest[1]) > len(rest) || rest[0] == 0 {
			return nil, fmt.Errorf("malformed attribute at octet %d: % x", header+at, rest[:min(len(rest), 2)])
		}
		attributes = append(attributes, Attribute{Type: rest[0], Value: rest[2:rest[1]]})
		at += int(rest[1])
	}
	return attributes, nil
}

// vsa returns the values of a vendor's sub-attributes of one type (RFC 2865 §5.26).
func vsa(attributes []Attribute, vendor uint32, subtype byte) [][]byte {
	var v [][]byte
	for _, value := range values(attributes, VendorSpecific) {
		if len(value) < 4 || binary.BigEndian.Uint32(value) != vendor {
			continue
		}
		for sub := value[4:]; len(sub) >= 2 && sub[1] >= 2 && int(sub[1]) <= len(sub); sub = sub[sub[1]:] {
			if sub[0] == subtype {
				v = append(v, sub[2:sub[1]])
			}
		}
	}
	return v
}
