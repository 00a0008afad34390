package canonical

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Fold returns the part that different spellings of one person's name have in common. It removes a domain before the last
// backslash or from the first @ on, marks, differences of case, and compatible forms of characters (Unicode NFKD and full
// case folding). It also removes what directories ignore: characters that show nothing (RFC 4518 §2.2) and all spaces except
// one between words (§2.6.1). Two persons may have the same folded name, so it may only restrict: to deny, to count guesses,
// to keep phones from ringing and to revoke approvals. If the name is only a domain, Fold folds the whole name.
func Fold(name string) string {
	if folded(name) {
		return name
	}
	name = withoutMarks(name) // also turns a fullwidth @ into a plain one
	account := name[strings.LastIndexByte(name, '\\')+1:]
	if at := strings.IndexByte(account, '@'); at >= 0 {
		account = account[:at]
	}
	if account = oneSpace(account); account == "" {
		account = oneSpace(name)
	}
	account = cases.Fold().String(account)
	return norm.NFC.String(withoutMarks(account)) // some characters fold to characters with marks
}

// folded reports whether Fold leaves name as it is, because name has only ASCII characters that it keeps. Most names are so, and
// each login folds several.
func folded(name string) bool {
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 0x7f || 'A' <= c && c <= 'Z' || c == '@' || c == '\\' {
			return false
		}
	}
	return true
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

// oneSpace leaves one space between words, and no space at the ends.
func oneSpace(s string) string {
	if !strings.Contains(s, " ") {
		return s
	}
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ' ' }), " ")
}

// FoldAll returns the folded names, each once, in order.
func FoldAll(names []string) []string {
	folded := make([]string, len(names))
	for i, name := range names {
		folded[i] = Fold(name)
	}
	slices.Sort(folded)
	return slices.Compact(folded)
}
