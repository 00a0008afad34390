package nas

import (
	"crypto/md5"
	"crypto/rand"
	"encoding/binary"
	"slices"
	"strings"
	"sync/atomic"
)

// identifiers counts the requests of this process, so that consecutive requests have different Identifiers, as a NAS's have.
var identifiers atomic.Uint32

func request(code byte, secret string) *Request {
	return &Request{Code: code, Identifier: byte(identifiers.Add(1)), Secret: []byte(secret)}
}

// AccessRequest returns a login with User-Name and User-Password, and without Message-Authenticator; Sign adds that.
func AccessRequest(secret, user, password string) *Request {
	r := request(CodeAccessRequest, secret).AddString(UserName, user)
	r.Attributes = append(r.Attributes, Attribute{Type: UserPassword, Value: []byte(password), Hide: true})
	return r
}

// StatusServer returns a server's health check (RFC 5997), with Message-Authenticator.
func StatusServer(secret string) *Request {
	return request(CodeStatusServer, secret).Sign(First)
}

// Sign says where the Message-Authenticator is.
func (r *Request) Sign(p Placement) *Request {
	r.MessageAuthenticator = p
	return r
}

// Add adds an attribute as it is.
func (r *Request) Add(typ byte, value []byte) *Request {
	r.Attributes = append(r.Attributes, Attribute{Type: typ, Value: value})
	return r
}

// AddString adds an attribute of type text or string.
func (r *Request) AddString(typ byte, value string) *Request { return r.Add(typ, []byte(value)) }

// AddUint32 adds an attribute of type integer.
func (r *Request) AddUint32(typ byte, value uint32) *Request {
	return r.Add(typ, binary.BigEndian.AppendUint32(nil, value))
}

// AddVSA adds a Vendor-Specific attribute with one sub-attribute (RFC 2865 §5.26).
func (r *Request) AddVSA(vendor uint32, subtype byte, value []byte) *Request {
	b := binary.BigEndian.AppendUint32(nil, vendor)
	b = append(b, subtype, byte(2+len(value)))
	return r.Add(VendorSpecific, append(b, value...))
}

// ProxyState adds a Proxy-State, as a proxy does last of all.
func (r *Request) ProxyState(value string) *Request { return r.AddString(ProxyState, value) }

// State adds the State of a challenge.
func (r *Request) State(value []byte) *Request { return r.Add(State, value) }

// CHAP puts CHAP-Password and CHAP-Challenge in place of User-Password (RFC 2865 §5.3).
func (r *Request) CHAP(password string) *Request {
	challenge := random(16)
	ident := random(1)
	sum := md5.Sum(slices.Concat(ident, []byte(password), challenge))
	return r.withoutPassword().Add(CHAPPassword, append(ident, sum[:]...)).Add(CHAPChallenge, challenge)
}

// MSCHAPv2 replaces User-Password by Microsoft's attributes (RFC 2548 §2.3). Their form is right and their content is random,
// so that no server accepts them.
func (r *Request) MSCHAPv2() *Request { return r.MSCHAPv2Proof(random(16), random(16), random(24)) }

// MSCHAPv2Proof does the same with a right NT-Response (RFC 2759 §8.1), to be computed from both challenges.
func (r *Request) MSCHAPv2Proof(challenge, peerChallenge, ntResponse []byte) *Request {
	const microsoft, typeChallenge, typeResponse = 311, 11, 25
	answer := slices.Concat([]byte{1, 0}, peerChallenge, make([]byte, 8), ntResponse)
	return r.withoutPassword().AddVSA(microsoft, typeChallenge, challenge).AddVSA(microsoft, typeResponse, answer)
}

// EAP puts an EAP packet in place of User-Password, in as many EAP-Messages as it needs, one even for an empty packet
// (EAP-Start), and signs the request unless it is signed already (RFC 3579 §3.1, §3.2).
func (r *Request) EAP(packet []byte) *Request {
	r.withoutPassword()
	if len(packet) == 0 {
		r.Add(EAPMessage, nil)
	}
	for chunk := range slices.Chunk(packet, maxValue) {
		r.Add(EAPMessage, chunk)
	}
	if r.MessageAuthenticator == None {
		r.Sign(Last)
	}
	return r
}

// EAPIdentity returns the EAP packet Response/Identity (RFC 3748 §5.1).
func EAPIdentity(identifier byte, name string) []byte {
	const response, identity = 2, 1
	b := binary.BigEndian.AppendUint16([]byte{response, identifier}, uint16(5+len(name)))
	return append(append(b, identity), name...)
}

// PadTo adds Connect-Info attributes until Bytes is n octets long. Call it after Sign. It panics if only one or two octets are
// missing, which are too few for an attribute.
func (r *Request) PadTo(n int) *Request {
	missing := n - r.length()
	if missing < 0 || missing == 1 || missing == 2 || n > maxPacket {
		panic("nas: no way to pad to this length")
	}
	for missing > 0 {
		part := min(missing, 2+maxValue)
		if left := missing - part; left == 1 || left == 2 {
			part -= 2 // leaves enough for one more attribute
		}
		r.AddString(ConnectInfo, strings.Repeat("x", part-2))
		missing -= part
	}
	return r
}

func (r *Request) withoutPassword() *Request {
	r.Attributes = slices.DeleteFunc(r.Attributes, func(a Attribute) bool { return a.Type == UserPassword })
	return r
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}
