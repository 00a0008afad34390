package ldapauth

import (
	"errors"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// groupNames returns the names by which rules may know the groups: each value as it is, and of a DN also the value of its
// first RDN. "cn=admins,ou=vpn" is "admins", and never anything that it merely ends in.
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

// isDN reports whether a name could be taken for another group's DN: who may make groups somewhere must not make one of
// such a name that rules take for it.
func isDN(name string) bool {
	dn, err := ldap.ParseDN(name)
	return err == nil && len(dn.RDNs) > 0
}

// valuesOf returns an attribute's values, and, where Active Directory holds back some, the number of the first of those
// ("member;range=0-1499", MS-ADTS §3.1.1.3.1.3.3); 0: these are all.
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

// afterRange reads "0-1499" or "1500-*", which has n values, and returns 1500 or 0.
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
