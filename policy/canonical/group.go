package canonical

import (
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
	"golang.org/x/text/unicode/norm"
)

// Groups returns the names of groups in the form in which the daemon compares them.
func Groups(groups []string) []string {
	if len(groups) == 0 {
		return nil
	}
	folded := make([]string, len(groups))
	for i, g := range groups {
		folded[i] = Group(g)
	}
	return folded
}

// Group removes the differences that directories ignore: case, composed characters, runs of spaces and, in a DN, spaces
// around its separators, the ways to escape a character, and the order of an RDN's parts (RFC 4514, RFC 4518). A rule that
// denies by group must apply to every spelling. All other names differ: a suffix of a DN does not stand for the DN.
func Group(group string) string {
	if !strings.Contains(group, "=") {
		return foldValue(group)
	}
	dn, err := ldap.ParseDN(group)
	if err != nil {
		return foldValue(group)
	}
	for _, rdn := range dn.RDNs {
		for _, part := range rdn.Attributes {
			part.Type, part.Value = foldValue(part.Type), foldValue(part.Value)
		}
		slices.SortFunc(rdn.Attributes, func(a, b *ldap.AttributeTypeAndValue) int { return strings.Compare(a.String(), b.String()) })
	}
	return dn.String()
}

func foldValue(s string) string {
	return norm.NFC.String(strings.ToLower(norm.NFC.String(strings.Join(strings.Fields(s), " "))))
}

// GroupNames returns the short names of those groups of a user that are listed. A short name is the value of a DN's first
// part.
func GroupNames(of, listed []string) (names []string) {
	for _, g := range of {
		name := g
		if dn, err := ldap.ParseDN(g); err == nil && len(dn.RDNs) > 0 && len(dn.RDNs[0].Attributes) > 0 {
			name = dn.RDNs[0].Attributes[0].Value
		}
		if (slices.Contains(listed, Group(g)) || slices.Contains(listed, Group(name))) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
