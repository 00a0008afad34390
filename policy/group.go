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
	if !strings.Contains(group, " ") {
		return group
	}
	var b strings.Builder
	b.Grow(len(group))
	separated := false // by what was written last
	for i := 0; i < len(group); i++ {
		switch c := group[i]; {
		case c == '\\' && i+1 < len(group): // what is escaped is part of the name
			b.WriteString(group[i : i+2])
			separated = false
			i++
		case c == ' ':
			rest := strings.TrimLeft(group[i:], " ")
			if !separated && !strings.HasPrefix(rest, ",") && !strings.HasPrefix(rest, "=") {
				b.WriteString(group[i : len(group)-len(rest)])
			}
			i = len(group) - len(rest) - 1
		default:
			b.WriteByte(c)
			separated = c == ',' || c == '='
		}
	}
	return b.String()
}
