package radiusauth

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/text/encoding/charmap"

	"duoradiusd/policy"
	"duoradiusd/radiusd/wire"
)

// newRequest returns the start of a request. It always contains a Message-Authenticator, which protects against
// CVE-2024-3596.
func newRequest(code byte) []byte {
	var authenticator [16]byte
	rand.Read(authenticator[:])
	return wire.NewRequest(code, authenticator)
}

// request builds the Access-Request that passes r on to an upstream. The request is not signed yet. Its order is User-Name,
// the proof of the password, the upstream's State, and the other attributes of the client. It returns policy.ErrRejected for
// a password that RADIUS can't carry.
func (u *Upstream) request(r policy.FirstRequest, state string) ([]byte, error) {
	list, ok := wire.Attributes(r.Attributes)
	if !ok {
		return nil, errors.New("the client's attributes are malformed")
	}
	name, password := r.User, r.Password
	if r.Latin1 { // restores the octets that the client sent
		name, password = toWindows1252(name), toWindows1252(password)
	}
	if r.Method == policy.MethodMSCHAP || r.Method == policy.MethodEAP {
		name = cmp.Or(userName(list), r.Typed) // goes into MS-CHAP's hash (RFC 2759 §8.2), and is EAP's identity (RFC 3579 §2.1)
	}
	if name == "" || len(name) > wire.MaxValue {
		return nil, fmt.Errorf("a User-Name of %d octets; want 1 to %d", len(name), wire.MaxValue)
	}
	b := newRequest(wire.AccessRequest)
	b = wire.Append(b, wire.UserName, name)
	r.Password = password
	proof, rest, err := u.splitAttributes(r, list, b[4:wire.HeaderLength])
	if err != nil {
		return nil, err
	}
	b = append(b, proof...)
	if state != "" {
		b = wire.Append(b, wire.State, state)
	}
	b = append(b, rest...)
	if len(b) > wire.MaxLength {
		return nil, fmt.Errorf("a request of %d octets; want %d at most, which is what a RADIUS packet holds", len(b), wire.MaxLength)
	}
	return b, nil
}

// changesPassword reports whether a request changes a password by MS-CHAPv2. Such a request contains no response. If a
// request has both a change and a response, only the response counts.
func changesPassword(list []wire.Attribute) (changes bool) {
	for _, a := range list {
		if a.Type != wire.VendorSpecific {
			continue
		}
		subs, _ := subAttributes(a.Value)
		for _, s := range subs {
			if s.AttributeID == msCHAPResponse || s.AttributeID == msCHAP2Response {
				return false
			}
			changes = changes || s.AttributeID == msCHAP2CPW
		}
	}
	return changes
}

// userName returns the User-Name that the client sent, octet for octet.
func userName(list []wire.Attribute) string {
	for _, a := range list {
		if a.Type == wire.UserName {
			return string(a.Value)
		}
	}
	return ""
}

// toWindows1252 returns text in Windows-1252. If that lacks one of the characters, it returns text unchanged.
func toWindows1252(text string) string {
	b, err := charmap.Windows1252.NewEncoder().String(text)
	if err != nil {
		return text
	}
	return b
}

// splitAttributes divides the client's attributes into those that prove the user's identity by this method and those that
// are passed on unchanged. Proofs of other methods and attributes that belong to one hop are left out.
func (u *Upstream) splitAttributes(r policy.FirstRequest, list []wire.Attribute, authenticator []byte) (proof, rest []byte, err error) {
	named, challenged, change := false, false, changesPassword(list)
	for _, a := range list {
		switch kind := a.Type; {
		case kind == wire.VendorSpecific:
			mine, others := splitVendorSpecific(a.Value, r.Method == policy.MethodMSCHAP, change)
			proof, rest = append(proof, mine...), append(rest, others...)
		case kind == wire.CHAPPassword || kind == wire.CHAPChallenge:
			if r.Method == policy.MethodCHAP {
				proof = wire.Append(proof, kind, a.Value)
				challenged = challenged || kind == wire.CHAPChallenge
			}
		case kind == wire.EAPMessage || kind == wire.EAPKeyName:
			if r.Method == policy.MethodEAP {
				proof = wire.Append(proof, kind, a.Value)
			}
		case !hopOnly(kind) && !isHidden(policy.AttributeID{Type: kind}):
			named = named || kind == wire.NASIPAddress || kind == wire.NASIdentifier || kind == wire.NASIPv6Address
			rest = wire.Append(rest, kind, a.Value)
		}
	}
	switch {
	case r.Method == policy.MethodPassword:
		hidden, err := u.secret.HidePassword(r.Password, [16]byte(authenticator))
		if err != nil || strings.ContainsRune(r.Password, 0) || r.Password == "" && r.State == "" {
			return nil, nil, policy.ErrRejected
		}
		proof = wire.Append(nil, wire.UserPassword, hidden)
	case len(proof) == 0:
		return nil, nil, fmt.Errorf("no attribute of %v in the request", r.Method)
	case r.Method == policy.MethodCHAP && !challenged: // RFC 2865 §2.3: the new request has another authenticator
		proof = wire.Append(proof, wire.CHAPChallenge, r.Authenticator[:])
	}
	if !named { // RFC 2865 §4.1
		rest = appendAddress(rest, r.ClientAddr)
	}
	return proof, rest, nil
}

// hopOnly reports whether an attribute of a request belongs to one hop, or belongs to a method that is not passed on: ARAP
// (RFC 2869 §2.2) and HTTP Digest (RFC 5090).
func hopOnly(kind byte) bool {
	switch kind {
	case wire.UserName, wire.UserPassword, wire.State, wire.ProxyState, wire.MessageAuthenticator, wire.TunnelPassword:
		return true
	case 70, 71, 72, 73, 74, 84:
		return true
	}
	return kind >= 103 && kind <= 122
}

// splitVendorSpecific divides a Vendor-Specific attribute into the proof by MS-CHAP and the rest. A password change by
// MS-CHAPv2 (RFC 2548 §2.3.4, with the new password in pieces) is a proof as well, because it contains the proof of the old
// password. The upstream makes the change before the second factor is asked, because only the upstream can tell whether the
// old password was right.
func splitVendorSpecific(value []byte, msCHAP, change bool) (proof, rest []byte) {
	subs, ok := subAttributes(value)
	if !ok {
		if vendor, _, _ := wire.Vendor(value); vendor == wire.Microsoft {
			return nil, nil // an upstream may take it for a proof
		}
		return nil, wire.Append(nil, wire.VendorSpecific, value)
	}
	var mine, others []byte
	for _, s := range subs {
		whole := wire.Append(nil, s.Type, s.Value)
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
			*part.to = wire.Append(nil, wire.VendorSpecific, append(value[:4:4], *part.from...))
		}
	}
	return proof, rest
}

// msRequestOnly reports whether an attribute is one of those Microsoft attributes that only requests carry: responses,
// challenges and password changes.
func msRequestOnly(id policy.AttributeID) bool {
	if id.Vendor != wire.Microsoft {
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
		return wire.Append(b, wire.NASIPAddress, ip.AsSlice())
	case ip.Is6():
		return wire.Append(b, wire.NASIPv6Address, ip.AsSlice())
	}
	return b
}
