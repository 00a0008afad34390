package radiusd

import (
	"encoding/binary"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2869"
	"layeh.com/radius/rfc3162"
)

const (
	headerLength  = 20
	maxLength     = radius.MaxPacketLength
	maxAttributes = 200

	authenticatorLength = 2 + 16 // of a whole Message-Authenticator

	codeAccessRequest = byte(radius.CodeAccessRequest)
	codeStatusServer  = byte(radius.CodeStatusServer)
)

const (
	typeUserName             = byte(rfc2865.UserName_Type)
	typeUserPassword         = byte(rfc2865.UserPassword_Type)
	typeCHAPPassword         = byte(rfc2865.CHAPPassword_Type)
	typeNASIPAddress         = byte(rfc2865.NASIPAddress_Type)
	typeNASIdentifier        = byte(rfc2865.NASIdentifier_Type)
	typeNASIPv6Address       = byte(rfc3162.NASIPv6Address_Type)
	typeCalledStationID      = byte(rfc2865.CalledStationID_Type)
	typeServiceType          = byte(rfc2865.ServiceType_Type)
	typeReplyMessage         = byte(rfc2865.ReplyMessage_Type)
	typeState                = byte(rfc2865.State_Type)
	typeVendorSpecific       = byte(rfc2865.VendorSpecific_Type)
	typeSessionTimeout       = byte(rfc2865.SessionTimeout_Type)
	typeProxyState           = byte(rfc2865.ProxyState_Type)
	typePrompt               = byte(rfc2869.Prompt_Type)
	typeEAPMessage           = byte(rfc2869.EAPMessage_Type)
	typeARAPPassword         = byte(rfc2869.ARAPPassword_Type)
	typeMessageAuthenticator = byte(rfc2869.MessageAuthenticator_Type)
)

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
	if len(b) < headerLength {
		return p, dropMalformed
	}
	length := int(binary.BigEndian.Uint16(b[2:]))
	if length < headerLength || length > maxLength || length > len(b) {
		return p, dropMalformed
	}
	p.b = b[:length:length]
	count := 0
	for at := headerLength; at < length; {
		if length-at < 2 {
			return p, dropMalformed
		}
		kind, size := p.b[at], int(p.b[at+1])
		if kind == 0 || size < 2 || size > length-at {
			return p, dropMalformed
		}
		if count++; count > maxAttributes {
			return p, dropTooManyAttributes
		}
		if why := p.note(kind, field{uint16(at + 2), uint16(size - 2)}); why != notDropped {
			return p, why
		}
		at += size
	}
	if headerLength+authenticatorLength+p.proxyState > maxLength {
		return p, dropTooLarge // a reply with all of them would be
	}
	return p, notDropped
}

// note keeps the place of an attribute that matters. Of those that may come once a second is refused: which of the two
// counts would depend on who reads (RFC 2865 §5.44).
func (p *packet) note(kind byte, value field) dropReason {
	var once *field
	switch kind {
	case typeUserName:
		once = &p.userName
	case typeUserPassword:
		once = &p.userPassword
	case typeCHAPPassword:
		once = &p.chapPassword
	case typeState:
		once = &p.state
	case typeMessageAuthenticator:
		if value.length != 16 {
			return dropMalformed // RFC 3579 §3.2
		}
		once = &p.messageAuthenticator
	case typeServiceType:
		p.serviceType = value
	case typeEAPMessage:
		if !p.eap.present() {
			p.eap = value // the first holds the EAP header (RFC 3579 §3.1)
		}
	case typeNASIPAddress, typeNASIPv6Address:
		p.named = true
	case typeNASIdentifier:
		p.named = true
		p.nasIdentifier = value
	case typeCalledStationID:
		p.calledStationID = value
	case typeARAPPassword:
		p.arap = true
	case typeProxyState:
		p.proxyState += 2 + int(value.length)
	case typeVendorSpecific:
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

// each calls f for every attribute, in order, until f returns false. The packet has been walked.
func (p *packet) each(f func(kind byte, value []byte) bool) {
	for at := headerLength; at < len(p.b); {
		size := int(p.b[at+1])
		if !f(p.b[at], p.b[at+2:at+size]) {
			return
		}
		at += size
	}
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
