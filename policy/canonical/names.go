package canonical

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const maxName = 253 // octets: what one User-Name attribute holds (RFC 2865 §5.1)

// CaseMode says how user names are compared.
type CaseMode string

const (
	CaseFold CaseMode = "fold" // without case
	CaseKeep CaseMode = "keep" // with case
)

// Names is the one canonical form of user names, the same for the policy, the first factor and Duo. If they differed,
// "CORP\jo" could pass a rule as one person and the directory as another.
type Names struct {
	Case        CaseMode // zero: CaseFold
	StripDomain []string // `EXAMPLE\` in front, "@example.com" behind; exactly these, whatever their case

	// Domains are the domains of the first factors that have some, each in all its spellings. A name keeps them, in the first
	// spelling, whatever StripDomain says: two accounts of one name at two first factors are two persons.
	Domains [][]string
}

// Canonical returns name in canonical form; that of a canonical name is the name itself. It reports false for a name
// that is empty, over-long, not UTF-8, or holds control, format or other unseen characters or outer white space (which
// LDAP would ignore, RFC 4518 §2.2, and the policy would not).
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

// strip takes off every domain that is listed: "EXAMPLE\EXAMPLE\jo" must not pass as somebody else than "jo".
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
