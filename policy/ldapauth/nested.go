package ldapauth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// Nesting says how groups of groups are looked up.
type Nesting string

// The zero Nesting is NestedAuto, but reports nested groups in policy.Account.NestedGroups, apart from the others.
const (
	NestedAuto        Nesting = "auto"         // by what the root DSE says: token-groups on Active Directory, walk elsewhere
	NestedOff         Nesting = "off"          // only the group attribute of the user's entry counts
	NestedChain       Nesting = "chain"        // LDAP_MATCHING_RULE_IN_CHAIN
	NestedTokenGroups Nesting = "token-groups" // the SIDs in the attribute tokenGroups of the user's entry
	NestedWalk        Nesting = "walk"         // one search for each level of groups
)

const (
	inChain = "1.2.840.113556.1.4.1941" // LDAP_MATCHING_RULE_IN_CHAIN (MS-ADTS §3.1.1.3.4.4.3)

	maxLevels = 20   // of groups in groups
	maxWalked = 1000 // groups that one user is in
	maxFound  = 1000 // entries of one search for groups, as many as Active Directory returns
	batch     = 40   // names or DNs in one filter
)

// nestedGroups returns the DNs of groups that a user is in, also through other groups and as the primary group. groups are
// the names that rules use. Groups with other names may be missing from the result.
func (s *server) nestedGroups(ctx context.Context, e *ldap.Entry, direct, groups []string) ([]string, error) {
	dse, err := s.describe(ctx)
	if err != nil {
		return nil, err
	}
	switch how := s.config.NestedGroups; {
	case how == NestedTokenGroups, how != NestedChain && how != NestedWalk && dse.activeDirectory:
		return s.tokenGroups(ctx, dse, e, groups)
	case how == NestedChain && !dse.chainRule:
		// Such a directory would find nothing, and give no error.
		return nil, errors.New(`nested_groups = "chain" needs a matching rule that this directory does not announce; want "walk"`)
	}
	members := []string{e.DN}
	primary, err := s.primaryGroup(ctx, dse, e)
	if err != nil {
		return nil, err
	}
	if primary != "" {
		members = append(members, primary)
	}
	var found []string
	if s.config.NestedGroups == NestedChain {
		found, err = s.chain(ctx, dse, members, groups)
	} else {
		found, err = s.walk(ctx, dse, append(members, dnsOf(direct)...))
	}
	if primary != "" {
		found = append(found, primary)
	}
	return found, err
}

// dnsOf returns those of values that are DNs.
func dnsOf(values []string) []string {
	return slices.DeleteFunc(slices.Clone(values), func(v string) bool { return !isDN(v) })
}

// chain asks for the groups of these names that hold one of members, in one group or through any number of groups. The
// filter names the groups, because without names the search may take minutes in a large directory.
func (s *server) chain(ctx context.Context, dse rootDSE, members, names []string) (found []string, err error) {
	var holds []string
	for _, dn := range members {
		holds = append(holds, "(member:"+inChain+":="+ldap.EscapeFilter(dn)+")")
	}
	for part := range slices.Chunk(names, batch) {
		filter := "(&" + namesFilter(dse, part) + anyOf(holds) + ")"
		entries, err := s.searchGroups(ctx, dse, filter, "1.1")
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			found = append(found, e.DN)
		}
	}
	return found, nil
}

// walk returns all groups that hold one of members, and the groups that hold those, and so on.
func (s *server) walk(ctx context.Context, dse rootDSE, members []string) (found []string, err error) {
	seen := map[string]bool{}
	for level := 0; len(members) > 0; level++ {
		if level == maxLevels {
			return nil, fmt.Errorf("groups are nested more than %d levels deep", maxLevels)
		}
		var next []string
		for part := range slices.Chunk(members, batch) {
			var holds []string
			for _, dn := range part {
				dn = ldap.EscapeFilter(dn)
				holds = append(holds, "(member="+dn+")", "(uniqueMember="+dn+")")
			}
			entries, err := s.searchGroups(ctx, dse, anyOf(holds), "1.1")
			if err != nil {
				return nil, err
			}
			for _, e := range entries {
				if key := strings.ToLower(e.DN); !seen[key] { // groups may hold each other
					seen[key] = true
					next = append(next, e.DN)
				}
			}
		}
		if found = append(found, next...); len(found) > maxWalked {
			return nil, tooManyGroups()
		}
		members = next
	}
	return found, nil
}

// searchGroups searches wherever the directory has groups.
func (s *server) searchGroups(ctx context.Context, dse rootDSE, filter string, attributes ...string) (all []*ldap.Entry, err error) {
	for _, base := range dse.groupBases {
		entries, err := s.search(ctx, &ldap.SearchRequest{BaseDN: base, Scope: ldap.ScopeWholeSubtree, SizeLimit: maxFound,
			EnforceSizeLimit: true, Filter: filter, Attributes: attributes})
		if err != nil {
			return nil, fmt.Errorf("search %q for groups: %w", base, err)
		}
		if len(entries) > maxFound {
			return nil, fmt.Errorf("search %q for groups: more than %d entries", base, maxFound)
		}
		all = append(all, entries...)
	}
	for _, e := range all {
		if e.DN == "" {
			return nil, errors.New("a group without a DN")
		}
	}
	return all, nil
}

// namesFilter returns a filter that finds at least the groups of these names. A name is a DN or the value of a first RDN.
func namesFilter(dse rootDSE, names []string) string {
	dnAttribute := "entryDN" // RFC 5020
	if dse.activeDirectory {
		dnAttribute = "distinguishedName"
	}
	var parts []string
	for _, name := range names {
		if dn, err := ldap.ParseDN(name); err == nil && len(dn.RDNs) > 0 {
			parts = append(parts, "("+dnAttribute+"="+ldap.EscapeFilter(dn.String())+")")
		} else {
			parts = append(parts, "(cn="+ldap.EscapeFilter(strings.Join(strings.Fields(name), " "))+")")
		}
	}
	return anyOf(parts)
}

func anyOf(filters []string) string {
	if len(filters) == 1 {
		return filters[0]
	}
	return "(|" + strings.Join(filters, "") + ")"
}
