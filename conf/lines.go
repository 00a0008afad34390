package conf

import (
	"strconv"
	"strings"
)

// scanner finds where the tables and keys of a TOML text stand, because the decoder does not tell. Its positions are exact
// for a text that the decoder accepts, and up to the first mistake of any other text. It always comes to an end.
type scanner struct {
	// visit is called for every table, key and list item, in the order of the text. path is valid until visit returns; pos is
	// where the key, the list item or the header begins.
	visit func(what kind, path []byte, pos int)

	text  string
	pos   int
	path  []byte          // path of the key that is being read: client[1].secret
	lists map[string]*int // number of [[headers]] so far, by path
	depth int             // number of brackets around pos
	deep  int             // position of the bracket that is too deep, where the scan stopped; -1: none
}

// kind is what a path leads to.
type kind int

const (
	implied kind = iota // a table or list that a longer path passes through
	header              // [table] or an entry of [[list]]
	given               // a key
	item                // a value in a list
)

// maxDepth is how deep lists and inline tables may nest. Scanner and decoder recurse for each level, and Go can't recover
// from an exhausted stack.
const maxDepth = 64

// scan reads the whole text and returns -1. If a bracket is too deep, scan stops there and returns its position.
func scan(text string, visit func(what kind, path []byte, pos int)) (deep int) {
	s := scanner{visit: visit, text: text, lists: map[string]*int{}, deep: -1}
	s.pos = byteOrderMark(text)
	for s.gap(); s.pos < len(s.text); s.gap() {
		if s.text[s.pos] == '[' {
			s.header()
		} else {
			s.pair()
		}
		s.line() // the decoder reports whatever else stands in this line
	}
	return s.deep
}

// byteOrderMark is the length of the mark that the decoder skips.
func byteOrderMark(text string) int {
	for _, mark := range []string{"\xff\xfe", "\xfe\xff", "\xef\xbb\xbf"} {
		if strings.HasPrefix(text, mark) {
			return len(mark)
		}
	}
	return 0
}

// findLines looks up the lines of the paths that are keys of wanted. The value of a path that is not found stays 0.
func findLines(text string, wanted map[string]int) {
	line, counted := 1, 0
	scan(text, func(_ kind, path []byte, pos int) {
		if n, ok := wanted[string(path)]; ok && n == 0 {
			line += strings.Count(text[counted:pos], "\n")
			counted = pos
			wanted[string(path)] = line
		}
	})
}

// header reads [a.b] or [[a.b]]. s.path keeps it for the keys that follow.
func (s *scanner) header() {
	at := s.pos
	s.path = s.path[:0]
	s.pos++
	list := s.skip('[')
	s.key(at)
	if list {
		s.visit(implied, s.path, at)
		n := s.lists[string(s.path)]
		if n == nil {
			n = new(int)
			s.lists[string(s.path)] = n
		}
		s.index(*n)
		*n++
	}
	s.visit(header, s.path, at)
}

// pair reads key = value.
func (s *scanner) pair() {
	at, table := s.pos, len(s.path)
	s.key(at)
	s.visit(given, s.path, at)
	s.blanks()
	if s.skip('=') {
		s.blanks()
		s.value()
	}
	s.path = s.path[:table]
}

// key reads a key and adds it to the path. Each part of a dotted key except the last implies a table.
func (s *scanner) key(at int) {
	for {
		s.blanks()
		s.part()
		s.blanks()
		if !s.skip('.') {
			return
		}
		if n := s.lists[string(s.path)]; n != nil {
			s.index(*n - 1) // the list's latest entry
		}
		s.visit(implied, s.path, at)
	}
}

// part reads one part of a key: bare, "basic" or 'literal'.
func (s *scanner) part() {
	if len(s.path) > 0 {
		s.path = append(s.path, '.')
	}
	start := s.pos
	switch {
	case s.skip('"'):
		s.quoted('"')
		s.path = appendKey(s.path, unescape(strings.TrimSuffix(s.text[start+1:s.pos], `"`)))
	case s.skip('\''):
		s.quoted('\'')
		s.path = appendKey(s.path, strings.TrimSuffix(s.text[start+1:s.pos], `'`))
	default:
		for s.pos < len(s.text) && isBare(s.text[s.pos]) {
			s.pos++
		}
		s.path = append(s.path, s.text[start:s.pos]...)
	}
}

func (s *scanner) index(i int) {
	s.path = append(s.path, '[')
	s.path = strconv.AppendInt(s.path, int64(i), 10)
	s.path = append(s.path, ']')
}

// value reads whatever stands to the right of "=" or in a list.
func (s *scanner) value() {
	rest := s.text[s.pos:]
	switch {
	case strings.HasPrefix(rest, `"""`), strings.HasPrefix(rest, `'''`):
		s.pos += 3
		s.long(rest[0])
	case s.skip('"'):
		s.quoted('"')
	case s.skip('\''):
		s.quoted('\'')
	case s.skip('['):
		s.nest((*scanner).list)
	case s.skip('{'):
		s.nest((*scanner).inline)
	default:
		n := strings.IndexAny(rest, ",]}#\n")
		if n < 0 {
			n = len(rest)
		}
		s.pos += n
	}
}

// nest reads the list or inline table after its opening bracket. It ends the scan where that is too deep.
func (s *scanner) nest(read func(*scanner)) {
	if s.depth == maxDepth {
		s.deep, s.pos = s.pos-1, len(s.text)
		return
	}
	s.depth++
	read(s)
	s.depth--
}

// list reads a list's values up to its "]".
func (s *scanner) list() {
	path := len(s.path)
	for i := 0; ; i++ {
		for s.gap(); s.skip(','); s.gap() {
		}
		if s.pos == len(s.text) || s.skip(']') {
			return
		}
		at := s.pos
		s.index(i)
		s.visit(item, s.path, at)
		s.value()
		s.path = s.path[:path]
		if s.pos == at { // a stray brace
			s.pos++
		}
	}
}

// inline reads an inline table's pairs up to its "}".
func (s *scanner) inline() {
	for {
		for s.gap(); s.skip(','); s.gap() {
		}
		if s.pos == len(s.text) || s.skip('}') {
			return
		}
		at := s.pos
		s.pair()
		if s.pos == at {
			s.pos++
		}
	}
}

// quoted reads a string of one line, with its closing quote.
func (s *scanner) quoted(quote byte) {
	for ; s.pos < len(s.text) && s.text[s.pos] != '\n'; s.pos++ {
		switch c := s.text[s.pos]; {
		case c == quote:
			s.pos++
			return
		case c == '\\' && quote == '"' && s.pos+1 < len(s.text) && s.text[s.pos+1] != '\n':
			s.pos++
		}
	}
}

// long reads a string in triple quotes, with its closing quotes. Up to five quotes may end it: the last three close it.
func (s *scanner) long(quote byte) {
	for run := 0; s.pos < len(s.text); s.pos++ {
		switch c := s.text[s.pos]; {
		case c == quote && run < 5:
			run++
			continue
		case run >= 3:
			return
		case c == '\\' && quote == '"':
			s.pos++
		}
		run = 0
	}
	s.pos = min(s.pos, len(s.text))
}

// skip advances past c if c comes next, and reports whether it did.
func (s *scanner) skip(c byte) bool {
	if s.pos < len(s.text) && s.text[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

func (s *scanner) blanks() {
	for s.skip(' ') || s.skip('\t') {
	}
}

// gap reads blanks, line ends and comments.
func (s *scanner) gap() {
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		case '#':
			s.line()
		default:
			return
		}
	}
}

// line reads up to the end of the line.
func (s *scanner) line() {
	if n := strings.IndexByte(s.text[s.pos:], '\n'); n >= 0 {
		s.pos += n
		return
	}
	s.pos = len(s.text)
}
