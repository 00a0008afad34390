package policy

import "slices"

// Reply is one [[reply]]: attributes for the Access-Accepts of the logins that it fits. Every list that is given must fit.
type Reply struct {
	Groups     []string
	Clients    []string
	Attributes []Attribute
}

// Service-Types that make an administrator of whoever is told so: only a client that asks for them by name gets them
// from an upstream server (RFC 2865 §2.3).
var (
	serviceType   = AttributeID{Type: 6}
	administrator = []string{"\x00\x00\x00\x06", "\x00\x00\x00\x07"} // Administrative, NAS-Prompt
)

// vendorSpecific is the type of a vendor's attribute that is not in the ordinary format (RFC 2865 §5.26).
const vendorSpecific = 26

// attributes returns what goes into the Access-Accept: what the method itself needs, every [[reply]] that fits, and of
// what the first factor knows that which the client is to get. Our own word on an attribute stands in its place. Whose name
// nobody has proven gets nothing that is meant for certain persons.
func (l *login) attributes() (list []Attribute) {
	list = append(list, l.account.Proof...)
	own := len(list)
	for i := range l.settings.Replies {
		if r := &l.settings.Replies[i]; fitsList(r.Clients, l.Client.Name) && fitsGroups(r.Groups, l.groups.counted) &&
			(l.proof != ProofNoneButAsk || len(r.Groups) == 0) {
			list = append(list, r.Attributes...)
		}
	}
	said := list[own:]
	for _, a := range l.account.Attributes {
		if l.Client.passes(a) && !slices.ContainsFunc(said, func(s Attribute) bool { return s.AttributeID == a.AttributeID }) {
			list = append(list, a)
		}
	}
	return list
}

// passes reports whether a client gets an attribute of an upstream server.
func (c *Client) passes(a Attribute) bool {
	if slices.Contains(c.Pass, a.AttributeID) {
		return true
	}
	return c.PassAll && !(a.AttributeID == serviceType && slices.Contains(administrator, a.Value))
}
