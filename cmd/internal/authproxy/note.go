package authproxy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"duoradiusd/internal/display"
)

// fate is what happens to an option.
type fate int

const (
	carried fate = iota // means the same here
	changed             // carried over with another meaning, or written out because the default differs
	dropped             // not carried over, for a harmless reason
	decide              // a person must look at it
	fates
)

func (f fate) String() string { return [...]string{"carried over", "changed", "dropped", "DECIDE"}[f] }

// note is one remark, for a comment and for the summary.
type note struct {
	fate fate
	line int
	what string // "[section] option"
	why  string
	now  string // the key that is written in its place: failmode = "safe"; "" for none
}

// ledger holds all notes.
type ledger struct{ notes []note }

// say records what happened to the options. Without options, it records something that the section leaves out.
func (l *ledger) say(f fate, in *section, why, now string, from ...*option) {
	for _, o := range from {
		o.fates[f] = true
	}
	if f == carried {
		return
	}
	n := note{fate: f, line: in.line, what: in.title(), why: why, now: now}
	if len(from) > 0 {
		n.line, n.what = from[0].line, from[0].in.title()+" "+names(from[0].in, from)
	}
	if !slices.Contains(l.notes, n) {
		l.notes = append(l.notes, n)
	}
}

// names returns the options' names. It adds the section of an option that is not in this one.
func names(in *section, options []*option) string {
	words := make([]string, len(options))
	for i, o := range options {
		words[i] = show(o.name)
		if o.in != in {
			words[i] = o.in.title() + " " + words[i]
		}
	}
	return strings.Join(words, ", ")
}

// worst returns the fate that counts if an option has several.
func (o *option) worst() fate {
	for f := fates - 1; f > carried; f-- {
		if o.fates[f] {
			return f
		}
	}
	return carried
}

// summary says what happened to every option.
func (l *ledger) summary(file string, sections []*section, files []string) string {
	var b strings.Builder
	options := 0
	for _, s := range sections {
		options += len(s.options)
	}
	fmt.Fprintf(&b, "%s: %s in %s; %s to decide\n", show(file),
		display.Count(options, "option"), display.Count(len(sections), "section"), display.Count(l.decisions(), "thing"))
	for _, f := range []fate{carried, changed, dropped, decide} {
		if f == changed {
			l.changes(&b)
			continue
		}
		lines := l.lines(f, sections)
		if len(lines) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%s:\n", map[fate]string{carried: "carried over", dropped: "dropped", decide: "TO DECIDE"}[f])
		for _, line := range lines {
			wrap(&b, "  ", "    ", line)
		}
	}
	if len(files) > 0 {
		fmt.Fprintf(&b, "\nfiles that the configuration needs: %s\n", strings.Join(files, ", "))
	}
	return b.String()
}

// changes writes a table of the options that have another meaning now: their old place, their new key, and the reason.
func (l *ledger) changes(b *strings.Builder) {
	notes := l.sorted(changed)
	if len(notes) == 0 {
		return
	}
	b.WriteString("\nchanged in meaning:\n")
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  LINE\tOPTION\tNEW KEY")
	for _, n := range notes {
		fmt.Fprintf(w, "  %d\t%s\t%s\n", n.line, n.what, cmp.Or(clip(n.now), "see below"))
	}
	w.Flush()
	for _, n := range notes {
		wrap(b, "  ", "    ", fmt.Sprintf("line %d: %s: %s", n.line, n.what, n.why))
	}
}

// clip shortens a text that would make a table too wide.
func clip(s string) string {
	const most = 50
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}

// sorted returns the notes with this fate, in the order of the file.
func (l *ledger) sorted(f fate) (notes []note) {
	for _, n := range l.notes {
		if n.fate == f {
			notes = append(notes, n)
		}
	}
	slices.SortStableFunc(notes, func(a, b note) int { return cmp.Compare(a.line, b.line) })
	return notes
}

func (l *ledger) lines(f fate, sections []*section) (lines []string) {
	if f == carried {
		for _, s := range sections {
			var of []*option
			for _, o := range s.options {
				if o.worst() == carried {
					of = append(of, o)
				}
			}
			if len(of) > 0 {
				lines = append(lines, s.title()+" "+names(s, of))
			}
		}
		return lines
	}
	for _, n := range l.sorted(f) {
		lines = append(lines, fmt.Sprintf("line %d: %s: %s", n.line, n.what, n.why))
	}
	return lines
}

// decisions counts the things that a person must look at.
func (l *ledger) decisions() (n int) {
	for _, x := range l.notes {
		if x.fate == decide {
			n++
		}
	}
	return n
}
