// Package display writes things for people to read: foreign text that is safe to show, counts, durations.
package display

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Visible returns foreign text in a form that is safe for a log or a terminal. Each character that a terminal could act on
// becomes U+FFFD: control characters, line ends, and marks that change the direction of writing.
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

// Lines returns foreign text for users to read. It keeps line ends, and drops octets that are no UTF-8 and characters that do
// not print.
func Lines(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || r != '\n' && !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
}

// Count returns a number with its noun, in the plural where it needs one: "1 approval", "2 approvals".
func Count[N int | uint64](n N, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Duration returns d as a configuration would say it: "15m" where d.String returns "15m0s".
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
