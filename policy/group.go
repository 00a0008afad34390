package policy

import "strings"

// foldGroups returns the names of groups in the form in which they are compared. Directories heed no case in them, nor
// the spaces around the commas and equals signs of a DN (RFC 4514 §2, RFC 4517 §4.2.15). Nothing else is alike: no
// suffix of a DN stands for it.
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

func foldGroup(group string) string {
	group = strings.ToLower(strings.TrimSpace(group))
	if !strings.ContainsAny(group, ",=") {
		return group
	}
	var b strings.Builder
	for i := 0; i < len(group); i++ {
		c := group[i]
		if c == '\\' && i+1 < len(group) { // what is escaped is part of the name
			b.WriteString(group[i : i+2])
			i++
			continue
		}
		if c == ' ' && besideSeparator(group, i) {
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// besideSeparator reports whether the space at i belongs to a run of them next to a separator.
func besideSeparator(s string, i int) bool {
	before := strings.TrimRight(s[:i], " ")
	after := strings.TrimLeft(s[i:], " ")
	return strings.HasSuffix(before, ",") || strings.HasSuffix(before, "=") ||
		strings.HasPrefix(after, ",") || strings.HasPrefix(after, "=")
}
