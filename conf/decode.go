package conf

import (
	"errors"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// tooDeep is the position of a bracket that nests too deep to be decoded.
type tooDeep int

func (tooDeep) Error() string { return "brackets that nest too deep" }

// decode turns a TOML text into a tree of map[string]any. Its error never quotes the text.
func decode(text string) (tree map[string]any, err error) {
	if deep := scan(text, func(kind, []byte, int) {}); deep >= 0 {
		return nil, tooDeep(deep)
	}
	defer func() {
		if r := recover(); r != nil { // the decoder panics with "BUG: ..." on some texts, and may quote them
			tree, err = nil, errors.New("text that can't be decoded")
		}
	}()
	_, err = toml.Decode(text, &tree)
	return tree, err
}

// syntax reports an error of the decoder. The decoder's own words may hold part of a value, so ours replace them.
func (l *loader) syntax(f *file, err error) {
	at := place{file: f, index: -1, key: "syntax", line: 1}
	if pos, ok := errors.AsType[tooDeep](err); ok {
		at.line = 1 + strings.Count(f.text[:pos], "\n")
		l.bad(at, "brackets within brackets, more than %d deep; want fewer", maxDepth)
		return
	}
	var parse toml.ParseError
	if !errors.As(err, &parse) {
		l.bad(at, "%s; want TOML", err)
		return
	}
	at.line = max(1, parse.Position.Line)
	if start := byteOrderMark(f.text) + parse.Position.Start; start >= 0 && start < len(f.text) && f.text[start] == '\n' {
		at.line = 1 + strings.Count(f.text[:start], "\n") // the decoder counts that newline too
	}
	if strings.Contains(parse.Message, "has already been defined") || strings.Contains(parse.Message, "was already created") {
		if path, first := again(f.text, at.line); first > 0 {
			at.key = shownPath(f.text, path)
			l.twice(at, place{file: f, index: -1, line: first}, "given a second time; want it once")
			return
		}
		l.bad(at, "a key or table that is given a second time; want each once")
		return
	}
	l.bad(at, "%s", reword(parse.Message))
}

// again finds the path that stands at the line for a second time, and the line where it stands first.
func again(text string, line int) (path string, first int) {
	start := 0
	for range line - 1 {
		start += strings.IndexByte(text[start:], '\n') + 1
	}
	seen := map[string]int{}
	scan(text, func(what kind, p []byte, pos int) {
		if first > 0 {
			return
		}
		before, ok := seen[string(p)]
		if ok && pos >= start && (what == given || what == header) {
			path, first = hide(string(p)), 1+strings.Count(text[:before], "\n")
			return
		}
		if !ok {
			seen[string(p)] = pos
		}
	})
	return path, first
}

// shownPath returns a path of the scanner as users read it: client "vpn" secret for client[1].secret. The decoder has refused
// the text, so the table's name is looked for in the text itself.
func shownPath(text, path string) string {
	table, key, _ := strings.Cut(path, ".")
	list, number, ok := strings.Cut(strings.TrimSuffix(table, "]"), "[")
	index, err := strconv.Atoi(number)
	if !ok || err != nil {
		return path
	}
	name := ""
	scan(text, func(what kind, p []byte, pos int) {
		if what == given && name == "" && string(p) == table+".name" {
			name = stringAt(text, pos)
		}
	})
	return place{table: list, index: index, key: key}.named(name)
}

// stringAt returns the string that is given to the key at pos; "" if there is no string.
func stringAt(text string, pos int) string {
	s := scanner{visit: func(kind, []byte, int) {}, text: text, pos: pos, lists: map[string]*int{}}
	s.pair()
	tree, err := decode(text[pos:s.pos])
	if err != nil {
		return ""
	}
	value, _ := tree["name"].(string)
	return value
}

// hide cuts a path after a part that names a secret: what follows such a part may be the secret itself.
func hide(path string) string {
	for i, part := 0, ""; i < len(path); i += len(part) + 1 {
		part, _, _ = strings.Cut(path[i:], ".")
		if strings.Contains(part, "secret") || strings.Contains(part, "password") {
			return path[:i+len(part)]
		}
	}
	return path
}

// mistakes maps words in the decoder's errors to ours.
var mistakes = []struct{ has, say string }{
	{"strings cannot contain newlines", `a string that does not end on its line; want its closing quote`},
	{"unexpected EOF; expected value", `the end of the file where a value belongs; want KEY = VALUE, or a list's closing bracket`},
	{"unexpected EOF; expected", `a string that does not end; want its closing quote`},
	{"invalid escape", `an unknown escape in a string; want \\ for a backslash, or a string in '...'`},
	{"hexadecimal digits", `an escape with too few digits; want \\ for a backslash, or a string in '...'`},
	{"is not valid UTF-8", `an escape that is no character; want \\ for a backslash, or a string in '...'`},
	{`unexpected '"`, `too many quotes; want three at each end`},
	{`unexpected "'`, `too many quotes; want three at each end`},
	{"top-level item to end", `more text after the end of a value or header; want a new line`},
	{"key name appears blank", `"=" without a key; want KEY = VALUE`},
	{"expected '.' or '='", `a key without "="; want KEY = VALUE`},
	{"keys cannot start", `a key that starts with a dot; want KEY = VALUE`},
	{"table name", `a table header that is not complete; want [NAME]`},
	{"table array name", `a table header that is not complete; want [[NAME]]`},
	{"expected value", `something that is no value; want a string in quotes, true, false, a number or a list`},
	{"unexpected comma", `one comma too many; want values with one comma between them`},
	{"expected a comma", `a list or inline table that goes on without a comma; want a comma or its closing bracket`},
	{"nteger", `a malformed number; want a string in quotes or a number`},
	{"loat", `a malformed number; want a string in quotes or a number`},
	{"igit", `a malformed number; want a string in quotes or a number`},
	{"number", `a malformed number; want a string in quotes or a number`},
	{"datetime", `a malformed date; want a string in quotes`},
	{"out of range", `a number that is too large; want a smaller one`},
	{"invalid UTF-8", `an octet that is not UTF-8; want the file in UTF-8`},
	{"control characters", `a control character; want printable text`},
	{"is not a table", `a table with a name that already has a value; want one of them`},
	{"NULL bytes", `a NUL octet; want the file in UTF-8, not UTF-16`},
}

func reword(message string) string {
	for _, m := range mistakes {
		if strings.Contains(message, m.has) {
			return m.say
		}
	}
	return "not understood; want TOML"
}
