package authproxy

import (
	"bytes"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxSize is the largest file that Import takes; a real one has a few hundred lines.
const MaxSize = 1 << 20

// section is one "[name]" with its options.
type section struct {
	name, kind string // kind is the name without the number at its end: radius_client for [radius_client2]
	line       int
	options    []*option // in the file's order, with those that a later option replaces
	last       map[string]*option
	home       *table // the place for comments that belong to no key
}

// option is one "name = value".
type option struct {
	name, value string
	line        int
	in          *section
	fates       [fates]bool // what happened to it
	replaced    *option     // the later option of the same name that replaces it
	alias       string      // the name with a number that it is read as
	empty       bool        // it has no value and needs none: it counts as not given
}

// get returns the last option of that name, which is the one that counts; nil if there is none.
func (s *section) get(name string) *option { return s.last[name] }

func (s *section) title() string { return "[" + show(s.name) + "]" }

// parser reads the format of Python's ConfigParser: "[section]", "option = value" or "option: value". Comments stand after #
// and ; at the start of a line. A value continues in lines with a deeper indent. The last option of a name counts. Sections of
// the same name are one section.
type parser struct {
	problems
	sections []*section
	byName   map[string]*section
	repeated []*section // headers that repeat an earlier header

	current *section
	open    *option // the option that may continue in the next line ...
	indent  int     // ... if that line has a deeper indent than this
}

// parse returns the sections in the file's order.
func parse(text []byte) (*parser, problems) {
	p := &parser{byName: map[string]*section{}}
	if len(text) > MaxSize {
		p.add(0, "more than %d KiB; want an authproxy.cfg", MaxSize>>10)
		return p, p.problems
	}
	if bytes.HasPrefix(text, []byte{0xff, 0xfe}) || bytes.HasPrefix(text, []byte{0xfe, 0xff}) {
		p.add(0, "UTF-16; want it saved as UTF-8")
		return p, p.problems
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	n := 0
	for line := range strings.SplitSeq(string(text), "\n") {
		n++
		p.line(n, strings.TrimSuffix(line, "\r"))
	}
	return p, p.problems
}

func (p *parser) line(n int, line string) {
	switch {
	case !utf8.ValidString(line):
		p.add(n, "not UTF-8; want the file saved as UTF-8")
		return
	case strings.ContainsFunc(line, func(r rune) bool { return unicode.IsControl(r) && r != '\t' }):
		p.add(n, "a control character; want text")
		return
	}
	word := strings.TrimSpace(line)
	indent := len(line) - len(strings.TrimLeftFunc(line, unicode.IsSpace))
	switch {
	case word == "" || word[0] == '#' || word[0] == ';':
	case p.open != nil && indent > p.indent && looksNew.MatchString(word):
		// ConfigParser reads it as part of the value above, but the author hardly meant that. It may be a secret, so it is not
		// shown.
		p.add(n, "indented further than the option above, so it is a part of that option's value; want the same indent")
	case p.open != nil && indent > p.indent:
		p.open.value = strings.TrimPrefix(p.open.value+"\n"+word, "\n")
	case word[0] == '[':
		p.header(n, word)
	default:
		p.indent = indent
		p.option(n, word)
	}
}

// looksNew matches lines that begin a section or an option.
var looksNew = regexp.MustCompile(`^\[|^[A-Za-z][A-Za-z0-9_]*\s*[=:]`)

func (p *parser) header(n int, word string) {
	p.open, p.current = nil, &section{} // so that options after a broken header do not go to the section before
	name, rest, closed := strings.Cut(word[1:], "]")
	name, rest = strings.TrimSpace(name), strings.TrimSpace(rest)
	switch {
	case !closed:
		p.add(n, `a section without its "]"; want [NAME]`)
		return
	case name == "":
		p.add(n, "a section without a name; want [NAME]")
		return
	case rest != "" && rest[0] != '#' && rest[0] != ';':
		p.add(n, "more text after [%s]; want it on a line of its own", show(name))
		return
	}
	if s := p.byName[name]; s != nil {
		p.current = s
		p.repeated = append(p.repeated, &section{name: name, line: n})
		return
	}
	p.current = &section{name: name, kind: strings.TrimRight(name, "0123456789"), line: n, last: map[string]*option{}}
	p.byName[name] = p.current
	p.sections = append(p.sections, p.current)
}

func (p *parser) option(n int, word string) {
	p.open = nil
	at := strings.IndexAny(word, "=:")
	switch {
	case at < 0:
		p.add(n, "neither a [section] nor OPTION = VALUE")
		return
	case at == 0:
		p.add(n, "a value without an option; want OPTION = VALUE")
		return
	case p.current == nil:
		p.add(n, "an option before the first [section]; want it in a section")
		return
	}
	o := &option{
		name:  strings.ToLower(strings.TrimSpace(word[:at])),
		value: strings.TrimSpace(word[at+1:]),
		line:  n,
		in:    p.current,
	}
	p.open = o
	if p.current.last == nil {
		return // the header is broken, and that is reported already
	}
	if before := p.current.last[o.name]; before != nil {
		before.replaced = o
	}
	p.current.last[o.name] = o
	p.current.options = append(p.current.options, o)
}
