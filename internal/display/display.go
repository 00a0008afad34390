// Package display makes words for people: text of others that is safe to show, counts, durations.
package display

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Visible returns text of others for a log or a terminal: whatever a terminal might obey, line ends and marks that turn
// the direction of writing among them, becomes U+FFFD.
func Visible(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, s)
}

// Lines returns text of others that users are to read, as one or more lines: without octets that are no UTF-8, and without
// what does not print.
func Lines(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || r != '\n' && !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
}

// Count returns how many things there are: "1 approval", "2 approvals".
func Count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Duration returns d as the configuration has it: "15m", where d.String has "15m0s".
func Duration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
