package conf

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Problems lists everything that is wrong with a configuration: one line for each problem, sorted by file and line.
type Problems []string

// Error joins the lines.
func (p Problems) Error() string { return strings.Join(p, "\n") }

// place is where a key stands in a file, or where it would stand if it is missing.
type place struct {
	file  *file
	table string // "client"; "" for the top of the file
	index int    // in a list of tables, counted through the file; -1 for a table that stands alone
	key   string // in the table: "secret", "address[2]"; "" for the table itself
	line  int    // 0: to be looked up when it is reported; noLine: the problem has no line
}

const noLine = -1

// path returns the place as the scanner of lines knows it: client[1].secret.
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

// shown returns the place as users read it: duo.api_host, client "vpn" secret, or rule #2 hours[0] if that rule has no name.
// Numbers begin with 1 and count through the file.
func (p place) shown() string {
	if p.table == "" || p.index < 0 {
		return p.path()
	}
	name := ""
	if tables, ok := asTables(p.file.tree[p.table]); ok && p.index < len(tables) {
		name, _ = tables[p.index]["name"].(string)
	}
	return p.named(name)
}

// named returns what shown returns for a place in a list of tables, if the table has this name; "" if it has none.
func (p place) named(name string) string {
	s := p.table + " #" + strconv.Itoa(p.index+1)
	if strings.TrimSpace(name) != "" {
		s = p.table + " " + quote(name)
	}
	if p.key != "" {
		s += " " + p.key
	}
	return s
}

// under returns the place of a key in the table at p.
func (p place) under(key string) place {
	p.key = key
	return p
}

// nth returns the name of the i-th item of a list: key[i].
func nth(key string, i int) string { return key + "[" + strconv.Itoa(i) + "]" }

// finding is a problem or a warning before its line is known.
type finding struct {
	at    place
	text  string // "found; wanted"
	first *place // not nil: where the same thing stands first; its position ends the text

	example bool // a placeholder; see oneOfExamples
}

// report collects findings.
type report struct {
	problems []finding
	warnings []finding
	opened   []string // the absolute paths of the files that were read
}

func (r *report) bad(at place, format string, args ...any) {
	r.problems = append(r.problems, finding{at: at, text: fmt.Sprintf(format, args...)})
}

func (r *report) warn(at place, format string, args ...any) {
	r.warnings = append(r.warnings, finding{at: at, text: fmt.Sprintf(format, args...)})
}

// twice reports something that is given a second time and may be given once.
func (r *report) twice(at, first place, format string, args ...any) {
	r.problems = append(r.problems, finding{at: at, first: &first, text: fmt.Sprintf(format, args...) + ", the first is at "})
}

// render looks up the lines of all findings with one scan of each file, and returns the findings as text.
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
		e := entry{f.at.file.name, line(f.at), f.at.shown() + ": " + f.text}
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

// parent returns the path of the table or list that contains the given path. A missing key is reported with the line of its
// table.
func parent(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

// quote quotes a value that is no secret. It cuts a value after the first colon if that value may be user:password@host.
func quote(s string) string {
	if start, rest, ok := strings.Cut(s, ":"); ok && strings.Contains(rest, "@") {
		s = start + ":..."
	}
	if r := []rune(s); len(r) > 60 {
		s = string(r[:60]) + "..."
	}
	return strconv.Quote(s)
}
