package radiusauth

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/text/encoding/charmap"

	"duoradiusd/policy"
)

const maxPassword = 128 // octets (RFC 2865 §5.2)

// random fills b with random octets. crypto/rand never returns an error.
func random(b []byte) { rand.Read(b) }

// request builds the Access-Request that passes r on to an upstream; it is not signed yet. Its order is User-Name, the
// proof of the password, the upstream's State, and the other attributes of the client. It returns policy.ErrRejected for a
// password that RADIUS can't carry.
func (u *Upstream) request(r policy.FirstRequest, state string) ([]byte, error) {
	list, ok := attributes(r.Attributes)
	if !ok {
		return nil, errors.New("the client's attributes are malformed")
	}
	name, password := r.User, r.Password
	if r.Latin1 { // the octets that the client sent
		name, password = toWindows1252(name), toWindows1252(password)
	}
	if r.Method == policy.MethodMSCHAP || r.Method == policy.MethodEAP {
		name = cmp.Or(userName(list), r.Typed) // goes into MS-CHAP's hash (RFC 2759 §8.2), and is EAP's identity (RFC 3579 §2.1)
	}
	if name == "" || len(name) > maxValue {
		return nil, fmt.Errorf("a User-Name of %d octets", len(name))
	}
	b := newPacket(codeAccessRequest)
	b = appendAttribute(b, typeUserName, []byte(name))
	r.Password = password
	proof, rest, err := u.splitAttributes(r, list, b[4:headerLength])
	if err != nil {
		return nil, err
	}
	b = append(b, proof...)
	if state != "" {
		b = appendAttribute(b, typeState, []byte(state))
	}
	b = append(b, rest...)
	if len(b) > maxLength {
		return nil, fmt.Errorf("a request of %d octets", len(b))
	}
	return b, nil
}

// changesPassword reports whether a request changes a password by MS-CHAPv2. Such a request has no response beside the
// change: of one that has both, the response counts.
func changesPassword(list []attribute) (changes bool) {
	for _, a := range list {
		if a.kind != typeVendorSpecific {
			continue
		}
		subs, _ := subAttributes(a.value)
		for _, s := range subs {
			if s.AttributeID == msCHAPResponse || s.AttributeID == msCHAP2Response {
				return false
			}
			changes = changes || s.AttributeID == msCHAP2CPW
		}
	}
	return changes
}

// userName returns the client's User-Name, octet for octet.
func userName(list []attribute) string {
	for _, a := range list {
		if a.kind == typeUserName {
			return string(a.value)
		}
	}
	return ""
}

// toWindows1252 returns text in Windows-1252, or as it is where that lacks a character.
func toWindows1252(text string) string {
	b, err := charmap.Windows1252.NewEncoder().String(text)
	if err != nil {
		return text
	}
	return b
}

// splitAttributes divides the client's attributes into those that prove the user's identity by this method and those that
// are passed on unchanged. Proofs of other methods and attributes that belong to one hop are left out.
func (u *Upstream) splitAttributes(r policy.FirstRequest, list []attribute, authenticator []byte) (proof, rest []byte, err error) {
	named, challenged, change := false, false, changesPassword(list)
	for _, a := range list {
		switch kind := a.kind; {
		case kind == typeVendorSpecific:
			mine, others := splitVendorSpecific(a.value, r.Method == policy.MethodMSCHAP, change)
			proof, rest = append(proof, mine...), append(rest, others...)
		case kind == typeCHAPPassword || kind == typeCHAPChallenge:
			if r.Method == policy.MethodCHAP {
				proof = appendAttribute(proof, kind, a.value)
				challenged = challenged || kind == typeCHAPChallenge
			}
		case kind == typeEAPMessage || kind == typeEAPKeyName:
			if r.Method == policy.MethodEAP {
				proof = appendAttribute(proof, kind, a.value)
			}
		case !hopOnly(kind) && !isHidden(policy.AttributeID{Type: kind}):
			named = named || kind == typeNASIPAddress || kind == typeNASIdentifier || kind == typeNASIPv6Address
			rest = appendAttribute(rest, kind, a.value)
		}
	}
	switch {
	case r.Method == policy.MethodPassword:
		if len(r.Password) > maxPassword || strings.ContainsRune(r.Password, 0) || r.Password == "" && r.State == "" {
			return nil, nil, policy.ErrRejected
		}
		proof = appendAttribute(nil, typeUserPassword, u.secret.hidePassword(r.Password, authenticator))
	case len(proof) == 0:
		return nil, nil, fmt.Errorf("no attribute of %v in the request", r.Method)
	case r.Method == policy.MethodCHAP && !challenged: // RFC 2865 §2.3: our authenticator is another
		proof = appendAttribute(proof, typeCHAPChallenge, r.Authenticator[:])
	}
	if !named { // RFC 2865 §4.1
		rest = appendAddress(rest, r.ClientAddr)
	}
	return proof, rest, nil
}

// hopOnly reports whether an attribute of a request belongs to one hop, or proves the user by a method that is not passed
// on: ARAP (RFC 2869 §2.2) and HTTP Digest (RFC 5090).
func hopOnly(kind byte) bool {
	switch kind {
	case typeUserName, typeUserPassword, typeState, typeProxyState, typeMessageAuthenticator, typeTunnelPassword:
		return true
	case 70, 71, 72, 73, 74, 84:
		return true
	}
	return kind >= 103 && kind <= 122
}

// splitVendorSpecific divides a Vendor-Specific into the proof by MS-CHAP and the rest. A password change by MS-CHAPv2
// (RFC 2548 §2.3.5, the new password in pieces of §2.1.6) is a proof as well: it holds that of the old password.
// The upstream makes the change before the second factor is asked: it alone can tell whether the old password was right.
func splitVendorSpecific(value []byte, msCHAP, change bool) (proof, rest []byte) {
	subs, ok := subAttributes(value)
	if !ok {
		if len(value) >= 4 && binary.BigEndian.Uint32(value) == vendorMicrosoft {
			return nil, nil // an upstream may find a proof in it
		}
		return nil, appendAttribute(nil, typeVendorSpecific, value)
	}
	var mine, others []byte
	for _, s := range subs {
		whole := appendAttribute(nil, s.Type, []byte(s.Value))
		switch id := s.AttributeID; {
		case id == msCHAPChallenge || id == msCHAPResponse || id == msCHAP2Response, change && (id == msCHAP2CPW || id == msCHAPNTEncPW):
			if msCHAP {
				mine = append(mine, whole...)
			}
		case !msRequestOnly(id) && !encrypted(id):
			others = append(others, whole...)
		}
	}
	for _, part := range []struct{ from, to *[]byte }{{&mine, &proof}, {&others, &rest}} {
		if len(*part.from) > 0 {
			*part.to = appendAttribute(nil, typeVendorSpecific, append(value[:4:4], *part.from...))
		}
	}
	return proof, rest
}

// msRequestOnly reports whether an attribute is one of Microsoft's that only requests carry: responses, challenges and
// password changes.
func msRequestOnly(id policy.AttributeID) bool {
	if id.Vendor != vendorMicrosoft {
		return false
	}
	switch id.Type {
	case 1, 3, 4, 5, 6, 11, 25, 27:
		return true
	}
	return false
}

// appendAddress appends the client's address as NAS-IP-Address or NAS-IPv6-Address.
func appendAddress(b []byte, ip netip.Addr) []byte {
	switch ip = ip.Unmap(); {
	case ip.Is4():
		return appendAttribute(b, typeNASIPAddress, ip.AsSlice())
	case ip.Is6():
		return appendAttribute(b, typeNASIPv6Address, ip.AsSlice())
	}
	return b
}
