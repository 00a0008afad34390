package conf

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Problems is everything that is wrong with a configuration, one line each, sorted by file and line.
type Problems []string

// Error joins the lines.
func (p Problems) Error() string { return strings.Join(p, "\n") }

// place is where a key stands, or would stand if it were there.
type place struct {
	file  *file
	table string // "client"; "" for the top of the file
	index int    // in a list of tables, counted through the file; -1 for a table that stands alone
	key   string // in the table: "secret", "address[2]"; "" for the table itself
	line  int    // where it is known already; 0 when it is to be looked up, noLine when there is none
}

const noLine = -1

// path is the place as the user reads it: client[1].secret.
func (p place) path() string {
	s := p.table
	if s != "" && p.index >= 0 {
		s += "[" + strconv.Itoa(p.index) + "]"
	}
	if s != "" && p.key != "" {
		s += "."
	}
	return s + p.key
}

// under is the place of a key of the table that p is.
func (p place) under(key string) place {
	p.key = key
	return p
}

// nth is the i-th item of a list of values.
func nth(key string, i int) string { return key + "[" + strconv.Itoa(i) + "]" }

// finding is a problem or a warning before its line is known.
type finding struct {
	at    place
	text  string // "found; wanted"
	first *place // ends the text, when it is about something that stands elsewhere as well

	example bool // a placeholder; see oneOfExamples
}

// report collects findings.
type report struct {
	problems []finding
	warnings []finding
}

func (r *report) bad(at place, format string, args ...any) {
	r.problems = append(r.problems, finding{at: at, text: fmt.Sprintf(format, args...)})
}

func (r *report) warn(at place, format string, args ...any) {
	r.warnings = append(r.warnings, finding{at: at, text: fmt.Sprintf(format, args...)})
}

// twice is a problem with something that may be there once only.
func (r *report) twice(at, first place, format string, args ...any) {
	r.problems = append(r.problems, finding{at: at, first: &first, text: fmt.Sprintf(format, args...) + ", the first is at "})
}

// render looks up the lines of all findings, one scan a file, and writes them down.
func render(list []finding) []string {
	wanted := map[*file]map[string]int{}
	want := func(p place) {
		if p.line != 0 {
			return
		}
		if wanted[p.file] == nil {
			wanted[p.file] = map[string]int{}
		}
		for path := p.path(); path != ""; path = parent(path) {
			wanted[p.file][path] = 0
		}
	}
	for _, f := range list {
		want(f.at)
		if f.first != nil {
			want(*f.first)
		}
	}
	for file, paths := range wanted {
		findLines(file.text, paths)
	}
	return write(list, func(p place) int {
		if p.line != 0 {
			return p.line
		}
		for path := p.path(); path != ""; path = parent(path) {
			if n := wanted[p.file][path]; n > 0 {
				return n
			}
		}
		return 1
	})
}

func write(list []finding, line func(place) int) []string {
	type entry struct {
		name string
		line int
		text string
	}
	entries := make([]entry, 0, len(list))
	for _, f := range list {
		e := entry{f.at.file.name, line(f.at), f.at.path() + ": " + f.text}
		if f.first != nil {
			e.text += fmt.Sprintf("%s:%d", f.first.file.name, line(*f.first))
		}
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.line, b.line), cmp.Compare(a.text, b.text))
	})
	var out []string
	for _, e := range slices.Compact(entries) {
		if e.line != noLine {
			e.name += ":" + strconv.Itoa(e.line)
		}
		out = append(out, e.name+": "+e.text)
	}
	return out
}

// parent is the path of the table or list that holds what path leads to; the line of a key that is missing is its
// table's.
func parent(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

// quote shows a value that is no secret. Of what may be user:password@host it shows the start only.
func quote(s string) string {
	if start, rest, ok := strings.Cut(s, ":"); ok && strings.Contains(rest, "@") {
		s = start + ":..."
	}
	if r := []rune(s); len(r) > 60 {
		s = string(r[:60]) + "..."
	}
	return strconv.Quote(s)
}
