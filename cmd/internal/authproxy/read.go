package authproxy

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// text returns a value of one line; "" if there is none.
func (i *importer) text(o *option, want string) string {
	switch {
	case o == nil:
		return ""
	case strings.Contains(o.value, "\n"):
		i.bad(o, "its value goes on in lines that are indented further; want one line, and the same indent for each option")
		return ""
	case o.value == "":
		i.bad(o, "empty; want %s", want)
	}
	return o.value
}

func (i *importer) bad(o *option, format string, args ...any) {
	i.add(o.line, "%s %s: %s", o.in.title(), show(o.name), fmt.Sprintf(format, args...))
}

// missing reports an option that the section can't do without.
func (i *importer) missing(s *section, name, want string) {
	i.add(s.line, "%s %s: missing; want %s", s.title(), name, want)
}

// list reads words that commas or line ends separate.
func list(o *option) (words []string) {
	if o == nil {
		return nil
	}
	for w := range strings.FieldsFuncSeq(o.value, func(r rune) bool { return r == ',' || r == '\n' }) {
		if w = strings.TrimSpace(w); w != "" {
			words = append(words, w)
		}
	}
	return words
}

// yes reads a truth value. An option that is not there is false.
func (i *importer) yes(o *option) bool {
	if o == nil {
		return false
	}
	s := i.text(o, "true or false")
	switch strings.ToLower(s) {
	case "":
		return false // that is reported already
	case "true", "yes", "on", "1":
		return true
	case "false", "no", "off", "0":
		return false
	}
	i.bad(o, "%s; want true or false", quote(s))
	return false
}

// number reads a whole number from low to high.
func (i *importer) number(o *option, def, low, high int) int {
	if o == nil {
		return def
	}
	s := i.text(o, "a number")
	n, err := strconv.Atoi(s)
	if s != "" && (err != nil || n < low || n > high) {
		i.bad(o, "%s; want a number from %d to %d", quote(s), low, high)
		return def
	}
	return n
}

func (i *importer) port(o *option, def int) int { return i.number(o, def, 1, 65535) }

// seconds reads a number of seconds. No option may have more than a day.
func (i *importer) seconds(o *option, def int) int { return i.number(o, def, 0, 86400) }

// oneOf reads one of the words, in upper or lower case.
func (i *importer) oneOf(o *option, def string, words ...string) string {
	if o == nil {
		return def
	}
	w := strings.ToLower(i.text(o, "one of "+strings.Join(words, ", ")))
	if !slices.Contains(words, w) {
		if w != "" {
			i.bad(o, "%s; want one of %s", quote(w), strings.Join(words, ", "))
		}
		return def
	}
	return w
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$`)

// host reads a host's name or address. It puts brackets around an IPv6 address, so that a port can follow.
func (i *importer) host(o *option) string {
	const want = "a host name or an IP address"
	s := i.text(o, want)
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		if addr.Unmap().Is6() {
			return "[" + addr.String() + "]"
		}
		return addr.Unmap().String()
	}
	if s != "" && (len(s) > 253 || !hostName.MatchString(s)) {
		i.bad(o, "%s; want %s", quote(s), want)
		return ""
	}
	return strings.ToLower(s)
}

// numbered returns the options NAME_1, NAME_2 ... in the order of their numbers. Numbers may be missing.
func numbered(s *section, name string) (list []*option) {
	for _, o := range s.options {
		if _, ok := numberOf(o, name); ok && o.replaced == nil && !o.empty {
			list = append(list, o)
		}
	}
	slices.SortStableFunc(list, func(a, b *option) int {
		n, _ := numberOf(a, name)
		m, _ := numberOf(b, name)
		return n - m
	})
	return list
}

func numberOf(o *option, name string) (int, bool) {
	digits, ok := strings.CutPrefix(cmp.Or(o.alias, o.name), name+"_")
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && n >= 0 && strconv.Itoa(n) == digits
}
