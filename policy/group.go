package policy

import (
	"encoding/hex"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// foldGroups returns the names of groups in the form in which they are compared.
func foldGroups(groups []string) []string {
	if len(groups) == 0 {
		return nil
	}
	folded := make([]string, len(groups))
	for i, g := range groups {
		folded[i] = foldGroup(g)
	}
	return folded
}

// foldGroup folds what directories take for one: case, composed characters, runs of spaces and, in a DN, spaces around
// its separators, the ways to escape a character, and the order of an RDN's parts (RFC 4514, RFC 4518). A rule that
// denies by group must not fail for a spelling. Nothing else is alike: no suffix of a DN stands for it.
func foldGroup(group string) string {
	switch plain, lower := isPlainGroup(group); {
	case lower:
		return group
	case plain:
		return strings.ToLower(group)
	case !strings.Contains(group, "="):
		return foldValue(group)
	}
	rdns := splitDN(group, ',')
	for i, rdn := range rdns {
		parts := splitDN(rdn, '+')
		for j, part := range parts {
			attr, value, ok := strings.Cut(part, "=")
			parts[j] = foldValue(attr)
			if ok {
				parts[j] += "=" + escapeDN(foldValue(unescapeDN(value)))
			}
		}
		slices.Sort(parts)
		rdns[i] = strings.Join(parts, "+")
	}
	return strings.Join(rdns, ",")
}

// isPlainGroup reports whether a name needs lower case only, as most do, and whether it is that already.
func isPlainGroup(s string) (plain, lower bool) {
	space, separator := false, true // what stands before
	lower = true
	for i := range len(s) {
		switch kinds[s[i]] {
		case odd:
			return false, false
		case aSpace:
			if space || separator {
				return false, false
			}
			space, separator = true, false
		case aSeparator:
			if space {
				return false, false
			}
			separator = true
		case aCapital:
			lower = false
			fallthrough
		default:
			space, separator = false, false
		}
	}
	return !space, !space && lower
}

const (
	odd = iota + 1 // what may be written otherwise
	aSpace
	aSeparator
	aCapital
)

var kinds = func() (k [256]byte) {
	for c := range k {
		if c < ' ' || c >= 0x7f || strings.IndexByte(`\+"#;<>`, byte(c)) >= 0 {
			k[c] = odd
		}
		if c >= 'A' && c <= 'Z' {
			k[c] = aCapital
		}
	}
	k[' '], k[','], k['='] = aSpace, aSeparator, aSeparator
	return k
}()

func foldValue(s string) string {
	return norm.NFC.String(strings.ToLower(norm.NFC.String(strings.Join(strings.Fields(s), " "))))
}

// splitDN cuts s at every separator that is not escaped.
func splitDN(s string, separator byte) (parts []string) {
	start := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case separator:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

// unescapeDN resolves "\," and "\2C" (RFC 4514 §2.4).
func unescapeDN(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if octet, err := hex.DecodeString(s[i:min(i+2, len(s))]); err == nil && len(octet) == 1 {
			b.WriteByte(octet[0])
			i++
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// escapeDN marks what would end a value: two DNs must not become one. A second = would not.
func escapeDN(s string) string {
	if !strings.ContainsAny(s, `,+\`) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(`,+\`, s[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
