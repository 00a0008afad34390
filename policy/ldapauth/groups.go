package ldapauth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"duoradiusd/policy"
)

const maxRanges = 20 // parts of one user's list of groups, 1500 values each in Active Directory

// directGroups returns the values of the group attribute of a user's entry, also those that the directory returns in parts.
func (s *server) directGroups(ctx context.Context, e *ldap.Entry) ([]string, error) {
	groups, next, err := valuesOf(e, s.config.GroupAttribute)
	for round := 1; err == nil && next > 0; round++ {
		if round == maxRanges {
			return nil, tooManyGroups() // a group that a rule denies may be among the rest
		}
		var more []string
		if more, next, err = s.moreGroups(ctx, e.DN, next); err == nil {
			groups = append(groups, more...)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read %s of %.200q: %w", s.config.GroupAttribute, e.DN, err)
	}
	return groups, nil
}

func tooManyGroups() error { return &policy.Refusal{Why: "a member of too many groups"} }

// moreGroups reads the groups from number next on.
func (s *server) moreGroups(ctx context.Context, dn string, next int) ([]string, int, error) {
	e, err := s.read(ctx, dn, fmt.Sprintf("%s;range=%d-*", s.config.GroupAttribute, next))
	if err != nil {
		return nil, 0, err
	}
	if e == nil {
		return nil, 0, errors.New("the entry no longer exists")
	}
	return valuesOf(e, s.config.GroupAttribute)
}

// groupNames returns the names by which rules may name the groups: each value as it is and, for a DN, the value of its
// first RDN as well. "cn=admins,ou=vpn" is also "admins", but never a part of the DN further behind.
func groupNames(values []string) []string {
	var names []string
	for _, value := range values {
		names = append(names, value)
		dn, err := ldap.ParseDN(value)
		if err != nil || len(dn.RDNs) == 0 {
			continue
		}
		if name := dn.RDNs[0].Attributes[0].Value; !isDN(name) {
			names = append(names, name)
		}
	}
	return names
}

// isDN reports whether a name could be mistaken for a DN. Somebody who may create groups in one place must not be able to
// create a group whose name is the DN of another group.
func isDN(name string) bool {
	dn, err := ldap.ParseDN(name)
	return err == nil && len(dn.RDNs) > 0
}

// valuesOf returns the values of an attribute. Active Directory returns large attributes in parts ("member;range=0-1499",
// MS-ADTS §3.1.1.3.1.3.3); next is the number of the first value that is missing, or 0 if these are all.
func valuesOf(e *ldap.Entry, name string) (values []string, next int, err error) {
	for _, attr := range e.Attributes {
		base, options, _ := strings.Cut(attr.Name, ";")
		if !strings.EqualFold(base, name) {
			continue
		}
		values = append(values, attr.Values...)
		if bounds, ok := cutPrefixFold(options, "range="); ok {
			if next, err = afterRange(bounds, len(attr.Values)); err != nil {
				return nil, 0, err
			}
		}
	}
	return values, next, nil
}

// afterRange parses a range with n values, "0-1499" or "1500-*", and returns 1500 or 0.
func afterRange(bounds string, n int) (int, error) {
	low, high, _ := strings.Cut(bounds, "-")
	if high == "*" {
		return 0, nil
	}
	first, err1 := strconv.Atoi(low)
	last, err2 := strconv.Atoi(high)
	if err1 != nil || err2 != nil || first < 0 || last < first || n == 0 {
		return 0, errors.New("a malformed range of values")
	}
	return last + 1, nil
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// NamesGroup reports whether one of names stands for a group: it is the group's DN in any spelling, or the value of the
// DN's first RDN.
func NamesGroup(group string, names []string) bool {
	dn, err := ldap.ParseDN(group)
	return slices.ContainsFunc(names, func(name string) bool {
		for _, own := range groupNames([]string{group}) {
			if strings.EqualFold(strings.Join(strings.Fields(own), " "), strings.Join(strings.Fields(name), " ")) {
				return true
			}
		}
		other, otherErr := ldap.ParseDN(name)
		return err == nil && otherErr == nil && dn.EqualFold(other)
	})
}
