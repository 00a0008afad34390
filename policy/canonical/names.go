package canonical

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const maxName = 253 // octets; the most that one User-Name attribute holds (RFC 2865 §5.1)

// CaseMode says how user names are compared.
type CaseMode string

const (
	CaseFold CaseMode = "fold" // case is ignored
	CaseKeep CaseMode = "keep" // case counts
)

// Names defines the one canonical form of user names. The policy, the first factor and Duo all use it. If their forms
// differed, "CORP\jo" could pass a rule as one person and the directory as another.
type Names struct {
	Case        CaseMode // zero: CaseFold
	StripDomain []string // `EXAMPLE\` in front or "@example.com" behind; no other domains, but in any case

	// Domains holds the domains of those first factors that have some, each domain in all its spellings. A name keeps such a
	// domain, in its first spelling, even if StripDomain lists it: two accounts with one name at two first factors are two
	// persons.
	Domains [][]string
}

// Canonical returns name in canonical form. It leaves a canonical name as it is. It reports false for a name that is empty,
// too long or not UTF-8. It also reports false for control, format or other invisible characters, and for white space at the
// ends, because LDAP would ignore these (RFC 4518 §2.2) and the policy would not.
func (n Names) Canonical(name string) (string, bool) {
	if len(name) > maxName {
		return "", false
	}
	if !utf8.ValidString(name) || strings.ContainsFunc(name, unseen) {
		return "", false
	}
	name = norm.NFC.String(name)
	if n.Case != CaseKeep {
		name = norm.NFC.String(strings.ToLower(name))
	}
	if whole, ok := n.ofDomain(name); ok {
		name = whole
	} else {
		name = n.strip(name)
	}
	if name == "" || len(name) > maxName || strings.TrimSpace(name) != name {
		return "", false
	}
	return name, true
}

func unseen(r rune) bool { return !unicode.IsPrint(r) }

// strip removes every listed domain: "EXAMPLE\EXAMPLE\jo" must not pass as another person than "jo".
func (n Names) strip(name string) string {
	for _, domain := range n.StripDomain {
		if rest, ok := without(name, domain); ok {
			return n.strip(rest)
		}
	}
	return name
}

func without(name, domain string) (string, bool) {
	if domain == "" || len(domain) > len(name) {
		return name, false
	}
	if domain[0] == '@' {
		at := len(name) - len(domain)
		return name[:at], strings.EqualFold(name[at:], domain)
	}
	return name[len(domain):], strings.EqualFold(name[:len(domain)], domain)
}
