package authproxy

import (
	"fmt"
	"strings"
)

// table is one table of the output, with the notes that belong to it.
type table struct {
	*ledger
	of     *section
	header string // "[duo]"; "" for a place that holds comments only
	title  string // a remark after the header
	off    bool   // commented out
	lines  []line
}

// line is a key with its value. If key is empty, it is a comment on the lines that follow.
type line struct{ key, value, comment string }

// set writes a key that means what the options mean.
func (t *table) set(key, value string, from ...*option) {
	t.say(carried, t.of, "", "", from...)
	t.lines = append(t.lines, line{key, value, origin(t.of, from)})
}

// change writes a key whose meaning differs from that of the options, or of their absence.
func (t *table) change(key, value, why string, from ...*option) {
	t.remark(changed, why, key+" = "+value, from...)
	t.lines = append(t.lines, line{key, value, origin(t.of, from)})
}

// note writes a comment.
func (t *table) note(f fate, why string, from ...*option) { t.remark(f, why, "", from...) }

// remark writes a comment as note does, and names the key that is written for the options.
func (t *table) remark(f fate, why, now string, from ...*option) {
	t.say(f, t.of, why, now, from...)
	text := f.String() + ": "
	if len(from) > 0 {
		text += origin(t.of, from) + ": "
	}
	t.lines = append(t.lines, line{comment: text + why})
}

// keep says that the options still count, without a key of their own.
func (t *table) keep(why string, from ...*option) { t.note(carried, why, from...) }

// ask writes a key that a person must look at.
func (t *table) ask(key, value, why string, from ...*option) {
	t.note(decide, why, from...)
	t.lines = append(t.lines, line{key, value, origin(t.of, from)})
}

// origin names the options from which a key was made. It adds their section if that is not the table's.
func origin(of *section, from []*option) string {
	if len(from) == 0 {
		return ""
	}
	lines := make([]string, len(from))
	for i, o := range from {
		lines[i] = fmt.Sprint(o.line)
	}
	word := "line"
	if len(from) > 1 {
		word = "lines"
	}
	return fmt.Sprintf("%s, %s %s", names(of, from), word, strings.Join(lines, ", "))
}

// bare returns the lines without their comments.
func bare(lines []line) (out []line) {
	for _, l := range lines {
		if l.key != "" {
			out = append(out, line{key: l.key, value: l.value})
		}
	}
	return out
}

func (t *table) write(b *strings.Builder) {
	off := ""
	if t.off {
		off = "# "
	}
	width := 0
	for _, l := range t.lines {
		width = max(width, len(l.key))
	}
	switch {
	case t.header == "" && t.title != "":
		fmt.Fprintf(b, "# %s\n", t.title)
	case t.header != "" && t.title != "":
		fmt.Fprintf(b, "%s%s  # %s\n", off, t.header, t.title)
	case t.header != "":
		fmt.Fprintf(b, "%s%s\n", off, t.header)
	}
	for _, l := range t.lines {
		switch {
		case l.key == "":
			wrap(b, "# ", "#   ", l.comment)
		case l.comment == "":
			fmt.Fprintf(b, "%s%-*s = %s\n", off, width, l.key, l.value)
		default:
			fmt.Fprintf(b, "%s%-*s = %s  # %s\n", off, width, l.key, l.value, l.comment)
		}
	}
	b.WriteByte('\n')
}

const columns = 110

// wrap breaks a text into lines that fit a screen.
func wrap(b *strings.Builder, first, more, text string) {
	at := 0
	for word := range strings.FieldsSeq(text) {
		switch {
		case at == 0:
			b.WriteString(first)
			at = len(first)
		case at+1+len(word) > columns:
			b.WriteString("\n" + more)
			at = len(more)
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += len(word)
	}
	b.WriteByte('\n')
}

// str returns s as a basic string of TOML.
func str(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029':
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func strs(list []string) string {
	words := make([]string, len(list))
	for i, s := range list {
		words[i] = str(s)
	}
	return "[" + strings.Join(words, ", ") + "]"
}
