package authproxy

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Problems is everything that is wrong with an authproxy.cfg: "FILE:LINE: [SECTION] OPTION: found; wanted", a line each.
// They never quote a line that could hold a secret.
type Problems []string

// Error returns the problems, each on a line of its own.
func (p Problems) Error() string { return strings.Join(p, "\n") }

type problem struct {
	line int
	text string
}

// problems are in the order in which they were found.
type problems []problem

func (p *problems) add(line int, format string, args ...any) {
	*p = append(*p, problem{line, fmt.Sprintf(format, args...)})
}

func (p problems) named(file string) Problems {
	slices.SortStableFunc(p, func(a, b problem) int { return cmp.Compare(a.line, b.line) })
	var out Problems
	for _, x := range p {
		text := fmt.Sprintf("%s: %s", show(file), x.text)
		if x.line > 0 {
			text = fmt.Sprintf("%s:%d: %s", show(file), x.line, x.text)
		}
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

const maxShown = 80

// show makes a word from the file safe for a terminal and a comment.
func show(s string) string {
	if r := []rune(s); len(r) > maxShown {
		s = string(r[:maxShown]) + "..."
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// quote shows a value that is not a secret.
func quote(s string) string {
	if r := []rune(s); len(r) > maxShown {
		s = string(r[:maxShown]) + "..."
	}
	return strconv.Quote(s)
}
