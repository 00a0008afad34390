package radiusd

import (
	"encoding/binary"
	"iter"
	"strings"

	"layeh.com/radius/rfc2865"

	"duoradiusd/radiusd/wire"
)

// maxAttributes is how many attributes a request may have.
const maxAttributes = 200

// field is the position of an attribute's value in a packet. The zero field means that the attribute is absent, because no
// value is at offset 0.
type field struct{ offset, length uint16 }

func (f field) present() bool { return f.offset != 0 }

// packet is a request as it was received, with the positions of the attributes that this package reads.
type packet struct {
	b []byte // as many octets as Length says; the octets after them are padding (RFC 2865 §3)

	userName, userPassword, chapPassword, state, messageAuthenticator, serviceType, eap field

	nasIdentifier, calledStationID field

	arap, msCHAP, named bool // named: NAS-Identifier or a NAS address is present, as RFC 2865 §4.1 requires
	twice               byte // the type of an attribute that is present twice but may be present only once
	proxyState          int  // length of all Proxy-States in octets; the reply must hold them too
}

func (p *packet) code() byte              { return p.b[0] }
func (p *packet) identifier() byte        { return p.b[1] }
func (p *packet) authenticator() [16]byte { return [16]byte(p.b[4:20]) }
func (p *packet) value(f field) []byte    { return p.b[f.offset : f.offset+f.length] }

// walk checks a datagram's form and finds its attributes without copying them. It accepts attributes of unknown types, and
// values that have the wrong length for their type (RFC 6929 §2.8).
func walk(b []byte) (p packet, why dropReason) {
	b, ok := wire.Packet(b)
	if !ok {
		return p, dropMalformed
	}
	p.b = b
	count := 0
	for rest := b[wire.HeaderLength:]; len(rest) > 0; {
		at := len(b) - len(rest) + 2
		var a wire.Attribute
		if a, rest, ok = wire.Next(rest); !ok {
			return p, dropMalformed
		}
		if count++; count > maxAttributes {
			return p, dropTooManyAttributes
		}
		if why := p.note(a.Type, field{uint16(at), uint16(len(a.Value))}); why != notDropped {
			return p, why
		}
	}
	if wire.HeaderLength+wire.SignatureLength+p.proxyState > wire.MaxLength {
		return p, dropTooLarge // a reply with all Proxy-States would be longer than a packet can be
	}
	return p, notDropped
}

// note stores the position of an attribute that this package reads. It refuses a second one if the attribute may be present
// only once (RFC 2865 §5.44): two readers of the packet could otherwise use different ones.
func (p *packet) note(kind byte, value field) dropReason {
	var once *field
	switch kind {
	case wire.UserName:
		once = &p.userName
	case wire.UserPassword:
		once = &p.userPassword
	case wire.CHAPPassword:
		once = &p.chapPassword
	case wire.State:
		once = &p.state
	case wire.MessageAuthenticator:
		if value.length != 16 {
			return dropMalformed // RFC 3579 §3.2
		}
		once = &p.messageAuthenticator
	case wire.ServiceType:
		p.serviceType = value
	case wire.EAPMessage:
		if !p.eap.present() {
			p.eap = value // the first holds the EAP header (RFC 3579 §3.1)
		}
	case wire.NASIPAddress, wire.NASIPv6Address:
		p.named = true
	case wire.NASIdentifier:
		p.named = true
		p.nasIdentifier = value
	case wire.CalledStationID:
		p.calledStationID = value
	case wire.ARAPPassword:
		p.arap = true
	case wire.ProxyState:
		p.proxyState += 2 + int(value.length)
	case wire.VendorSpecific:
		p.msCHAP = p.msCHAP || isMSCHAP(p.value(value))
	}
	if once != nil {
		if once.present() {
			p.twice = kind
			return dropAttributeTwice
		}
		*once = value
	}
	return notDropped
}

// attributes yields all attributes of the packet, in order. walk has checked the packet before.
func (p *packet) attributes() iter.Seq[wire.Attribute] { return wire.All(p.b[wire.HeaderLength:]) }

// authentic reports whether the packet's Message-Authenticator is the one that the client's secret makes.
func (p *packet) authentic(c *Client) bool {
	return c.Secret.Signed(p.b, int(p.messageAuthenticator.offset), p.authenticator())
}

// eapPacket returns the EAP packet, which may be in several attributes (RFC 3579 §3.1).
func (p *packet) eapPacket() string {
	var b strings.Builder
	for a := range p.attributes() {
		if a.Type == wire.EAPMessage {
			b.Write(a.Value)
		}
	}
	return b.String()
}

// methods returns how many authentication methods the packet holds. User-Password, CHAP-Password and EAP count as one each;
// ARAP and MS-CHAP, which RFC 2865 does not define, together count as one.
func (p *packet) methods() (n int) {
	for _, held := range []bool{p.userPassword.present(), p.chapPassword.present(), p.eap.present(), p.arap || p.msCHAP} {
		if held {
			n++
		}
	}
	return n
}

// resumes reports whether the packet answers a challenge. An empty State counts as absent (RFC 2865 §5.24).
func (p *packet) resumes() bool { return p.state.length > 0 }

// service returns the Service-Type, or 0 if it is absent or malformed.
func (p *packet) service() rfc2865.ServiceType {
	if p.serviceType.length != 4 {
		return 0
	}
	return rfc2865.ServiceType(binary.BigEndian.Uint32(p.value(p.serviceType)))
}

// isMSCHAP reports whether the value of a Vendor-Specific holds one of Microsoft's attributes that prove a password.
func isMSCHAP(value []byte) bool {
	vendor, attributes, _ := wire.Vendor(value)
	if vendor != wire.Microsoft {
		return false
	}
	for a := range wire.All(attributes) {
		if a.Type == wire.MSCHAPResponse || a.Type == wire.MSCHAP2Response || a.Type == wire.MSCHAP2CPW {
			return true
		}
	}
	return false
}
