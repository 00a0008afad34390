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

// field is where an attribute's value stands in a packet. The zero field is an absent attribute: no value stands at 0.
type field struct{ offset, length uint16 }

func (f field) present() bool { return f.offset != 0 }

// packet is a request as it stands on the wire, with the places of the attributes that decide about it.
type packet struct {
	b []byte // Length octets: what follows them is padding (RFC 2865 §3)

	userName, userPassword, chapPassword, state, messageAuthenticator, serviceType, eap field

	nasIdentifier, calledStationID field

	arap, msCHAP, named bool // named: the sender says who it is, as RFC 2865 §4.1 wants
	twice               byte // the type of an attribute that comes twice and may not
	proxyState          int  // octets of all Proxy-States, which come back with the reply
}

func (p *packet) code() byte              { return p.b[0] }
func (p *packet) identifier() byte        { return p.b[1] }
func (p *packet) authenticator() [16]byte { return [16]byte(p.b[4:20]) }
func (p *packet) value(f field) []byte    { return p.b[f.offset : f.offset+f.length] }

// walk checks a datagram's form and finds its attributes without copying any. Attributes of unknown type and values of
// the wrong length for their type are no fault of the packet (RFC 6929 §2.8).
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
		return p, dropTooLarge // a reply with all of them would be
	}
	return p, notDropped
}

// note keeps the place of an attribute that matters. Of those that may come once a second is refused: which of the two
// counts would depend on who reads (RFC 2865 §5.44).
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

// attributes yields all of them, in order. The packet has been walked.
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

// methods says which ways of proving the password the packet holds; ARAP and MS-CHAP have no field of their own in
// RFC 2865 and count as one more.
func (p *packet) methods() (n int) {
	for _, held := range []bool{p.userPassword.present(), p.chapPassword.present(), p.eap.present(), p.arap || p.msCHAP} {
		if held {
			n++
		}
	}
	return n
}

// resumes reports whether the packet answers a challenge. A State of no octets is none (RFC 2865 §5.24).
func (p *packet) resumes() bool { return p.state.length > 0 }

// service returns Service-Type, 0 when it is absent or malformed.
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
