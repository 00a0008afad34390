package policy

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

const maxName = 253 // octets: what one User-Name attribute holds (RFC 2865 §5.1)

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

// Fold returns what different spellings of one person's name have in common: without a domain before the last backslash
// or from the first @ on, without marks, case, compatible forms of characters (Unicode NFKD and full case folding), and
// what directories ignore: characters that show nothing (RFC 4518 §2.2) and spaces but one between words (§2.6.1). Two
// persons may share it, so it may only restrict: it denies, counts guesses, keeps phones from ringing and forgets. Of a name
// that is all domain it folds the whole.
func Fold(name string) string {
	name = withoutMarks(name) // a fullwidth @ is one too
	account := name[strings.LastIndexByte(name, '\\')+1:]
	if at := strings.IndexByte(account, '@'); at >= 0 {
		account = account[:at]
	}
	if account = oneSpace(account); account == "" {
		account = oneSpace(name)
	}
	account = cases.Fold().String(account)
	return norm.NFC.String(withoutMarks(account)) // some characters fold to ones with marks
}

// withoutMarks returns s decomposed, without marks and characters that show nothing.
func withoutMarks(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.M, r) || r >= utf8.RuneSelf && ignored(r) {
			return -1
		}
		return r
	}, norm.NFKD.String(s))
}

// ignored reports whether a directory maps a character to nothing, or a reader can't see it.
func ignored(r rune) bool {
	return r == '\u1806' || r == '\ufffc' || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// oneSpace leaves one space between words, and none outside.
func oneSpace(s string) string {
	if !strings.Contains(s, " ") {
		return s
	}
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ' ' }), " ")
}

func foldNames(names []string) []string {
	folded := make([]string, len(names))
	for i, name := range names {
		folded[i] = Fold(name)
	}
	slices.Sort(folded)
	return slices.Compact(folded)
}
