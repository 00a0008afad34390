package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"duoradiusd/policy/canonical"
)

// Reply is one [[reply]]: attributes for the Access-Accepts of the logins that it fits. Every list that is given must fit.
type Reply struct {
	Users      []string // canonical names
	Groups     []string
	Clients    []string
	Attributes []ReplyAttribute
}

// ReplyAttribute is an attribute whose value is in the configuration, or is made for each login.
type ReplyAttribute struct {
	Attribute           // Value is used where Source is zero
	Once      bool      // an Access-Accept may carry it only once
	Source    ValueFrom // what the value is made from
	Directory string    // the directory's attribute, for ValueFromDirectory
	// Encode turns text into the octets of the attribute. Its error says why the text can't be a value.
	Encode func(text string) (octets string, err error)
}

// ValueFrom says where the value of a ReplyAttribute comes from.
type ValueFrom int

const (
	ValueGiven         ValueFrom = iota // from the configuration
	ValueFromGroup                      // one value for each group that the [[reply]] lists and the user is in
	ValueFromDirectory                  // the user's values of an attribute of the directory
)

// These Service-Types make the user an administrator. Only a client that asks for them by name gets them from an upstream
// server (RFC 2865 §2.3).
var (
	serviceType   = AttributeID{Type: 6}
	administrator = []string{"\x00\x00\x00\x06", "\x00\x00\x00\x07"} // Administrative, NAS-Prompt
)

// vendorSpecific is the type of a vendor's attribute that is not in the ordinary format (RFC 2865 §5.26).
const vendorSpecific = 26

// attributes returns what goes into the Access-Accept: what the method needs, then what the [[user]] and every [[reply]] that
// fits say, then those attributes of the first factor that the client may get. If an attribute may come only once, the first
// of these counts. An attribute of the configuration replaces the upstream server's. err says which values can't be used; they
// are left out.
func (l *login) attributes() (list []Attribute, err error) {
	own, err := l.ownAttributes()
	list = append(append(list, l.account.Proof...), own...)
	for _, a := range l.account.Attributes {
		if l.Client.passes(a) && !slices.ContainsFunc(own, func(s Attribute) bool { return s.AttributeID == a.AttributeID }) {
			list = append(list, a)
		}
	}
	return list, err
}

// ownAttributes returns the attributes of the configuration. A name that is not proven gets nothing that is one person's.
func (l *login) ownAttributes() (own []Attribute, err error) {
	var problems []error
	unproven := l.proof == ProofNoneButAsk
	said := make(map[AttributeID]bool)
	add := func(from []ReplyAttribute, groups []string) {
		saidHere := make(map[AttributeID]bool)
		for _, a := range from {
			if a.Once && said[a.AttributeID] || a.Source != ValueGiven && unproven {
				continue
			}
			values, err := l.values(a, groups)
			if err != nil {
				problems = append(problems, err)
			}
			for _, value := range values {
				own = append(own, Attribute{AttributeID: a.AttributeID, Value: value})
				saidHere[a.AttributeID] = true
			}
		}
		maps.Copy(said, saidHere)
	}
	if l.user != nil && !unproven {
		add(l.user.Attributes, nil)
	}
	for i := range l.settings.Replies {
		r := &l.settings.Replies[i]
		if unproven && len(r.Users)+len(r.Groups) > 0 || !fitsList(r.Users, l.name) || !fitsList(r.Clients, l.Client.Name) || !fitsGroups(r.Groups, l.groups.counted) {
			continue
		}
		add(r.Attributes, r.Groups)
	}
	return own, errors.Join(problems...)
}

// values returns the values of one attribute for this login. It leaves out a value that is missing or can't be encoded.
func (l *login) values(a ReplyAttribute, groups []string) (values []string, err error) {
	var texts []string
	switch a.Source {
	case ValueGiven:
		return []string{a.Value}, nil
	case ValueFromGroup:
		texts = canonical.GroupNames(l.account.Groups, groups)
	case ValueFromDirectory:
		if texts = l.account.Directory[a.Directory]; len(texts) == 0 {
			return nil, fmt.Errorf("reply attribute from {ldap:%s}: the user has no such attribute", a.Directory)
		}
	}
	if a.Once && len(texts) > 1 {
		texts = texts[:1]
	}
	for _, text := range texts {
		octets, wrong := a.Encode(text)
		if wrong != nil {
			err = fmt.Errorf("reply attribute from %s: %w", map[ValueFrom]string{ValueFromGroup: "{group}", ValueFromDirectory: "{ldap:" + a.Directory + "}"}[a.Source], wrong)
			continue
		}
		values = append(values, octets)
	}
	return values, err
}

// passes reports whether a client gets this attribute of an upstream server.
func (c *Client) passes(a Attribute) bool {
	if slices.Contains(c.Pass, a.AttributeID) {
		return true
	}
	return c.PassAll && !(a.AttributeID == serviceType && slices.Contains(administrator, a.Value))
}
