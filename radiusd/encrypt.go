package radiusd

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"

	"layeh.com/radius"
	"layeh.com/radius/rfc2868"

	"duoradiusd/policy"
)

// Attributes that go over the wire encrypted with the client's secret.
var (
	tunnelPassword = policy.AttributeID{Type: byte(rfc2868.TunnelPassword_Type)} // RFC 2868 §3.5; its Value: the tag, then the password
	msCHAPMPPEKeys = policy.AttributeID{Vendor: vendorMicrosoft, Type: 12}       // RFC 2548 §2.4.1
	msMPPESendKey  = policy.AttributeID{Vendor: vendorMicrosoft, Type: 16}       // RFC 2548 §2.4.2
	msMPPERecvKey  = policy.AttributeID{Vendor: vendorMicrosoft, Type: 17}       // RFC 2548 §2.4.3
)

var replyMessage = policy.AttributeID{Type: typeReplyMessage}

// appendAttributes appends what a Verdict adds to its reply, encrypting what must be. An EAP conversation takes no
// Reply-Message (RFC 3579 §2.6.5).
func (p *packet) appendAttributes(b []byte, c *Client, list []policy.Attribute) ([]byte, error) {
	salts := newSalts(list)
	for _, a := range list {
		if p.eap.present() && a.AttributeID == replyMessage {
			continue
		}
		if a.AttributeID == replyMessage { // portals show it
			a.Value = plain(a.Value)
		}
		value, err := p.encrypt(c, a, &salts)
		if err != nil {
			return nil, fmt.Errorf("radiusd: attribute %d of vendor %d: %w", a.Type, a.Vendor, err)
		}
		switch {
		case value == "": // RFC 2865 §5
		case a.Vendor == 0 && len(value) <= maxValue:
			b = appendAttribute(b, a.Type, value)
		case a.Vendor != 0 && len(value) <= maxValue-6:
			b = appendVendor(b, a.AttributeID, value)
		default:
			return nil, errNoRoom
		}
	}
	return b, nil
}

func (p *packet) encrypt(c *Client, a policy.Attribute, salts *salts) (string, error) {
	authenticator := p.b[4:20]
	switch a.AttributeID {
	case msMPPESendKey, msMPPERecvKey:
		b, err := radius.NewTunnelPassword([]byte(a.Value), salts.next(), c.Secret, authenticator)
		return string(b), err
	case msCHAPMPPEKeys:
		b, err := radius.NewUserPassword([]byte(a.Value), c.Secret, authenticator)
		return string(b), err
	case tunnelPassword:
		if a.Value == "" {
			return "", nil
		}
		b, err := radius.NewTunnelPassword([]byte(a.Value[1:]), salts.next(), c.Secret, authenticator)
		return a.Value[:1] + string(b), err
	}
	return a.Value, nil
}

// salts are the Salts of one packet, each another (RFC 2868 §3.5), with the first bit set.
type salts uint16

func newSalts(list []policy.Attribute) salts {
	if len(list) == 0 {
		return 0
	}
	var b [2]byte
	rand.Read(b[:])
	return salts(binary.BigEndian.Uint16(b[:]))
}

func (s *salts) next() []byte {
	*s++
	return binary.BigEndian.AppendUint16(nil, uint16(*s)|0x8000)
}
