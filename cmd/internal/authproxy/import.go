package authproxy

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Options say how Import writes its result.
type Options struct {
	Secrets string // the folder, as the TOML names it, with a file for each secret; "": the secrets are in the TOML
	AuthAPI bool   // the user says that the keys belong to applications of the type "Auth API"
}

// Result is what Import makes.
type Result struct {
	TOML      string
	Summary   string // what became of every option; holds no secret
	Decisions int    // how many things a person must look at
	Inline    bool   // the TOML contains secrets
	Files     []File // for Options.Secrets
}

// File is a secret in a file of its own.
type File struct{ Name, Content string }

// importer is one run of Import.
type importer struct {
	problems
	ledger
	Options
	main     *section // never nil
	sections []*section
	servers  []*server
	firsts   map[*section]bool // the [..._client] sections that a server uses

	head, log                                           *table
	applications, listens, clients, factorTables, rules []*table
	rest                                                []*table // comments that belong to no table
	known                                               []application

	files  []File
	wants  []string // the files that the TOML names
	inline bool
}

// Import turns an authproxy.cfg into a duoradiusd.toml. Problems and comments call the file name. If the error is not nil, it
// is Problems, and there is no Result.
func Import(name string, text []byte, o Options) (*Result, error) {
	p, problems := parse(text)
	i := &importer{problems: problems, Options: o, sections: p.sections, firsts: map[*section]bool{}}
	i.main = &section{name: "main", kind: "main", line: 1}
	if s := p.byName["main"]; s != nil {
		i.main = s
	}
	i.prepare()
	i.head, i.log = i.table(i.main, "", i.main.title()), i.table(i.main, "[log]", i.main.title())
	i.main.home = i.head
	i.readServers()
	if len(i.problems) == 0 && len(i.servers) == 0 {
		i.noServer()
	}
	i.write(p) // even with problems, because it finds more of them
	if len(i.problems) > 0 {
		return nil, i.named(name)
	}
	base := filepath.Base(name)
	r := &Result{TOML: i.toml(base), Summary: i.summary(name, i.sections, unique(i.wants)), Decisions: i.decisions(), Inline: i.inline, Files: i.files}
	return r, nil
}

// write makes all tables, in an order that gives each table what it needs. The owner of each address is known before the
// clients are written, and what a client uses is known before other sections are reported as unused.
func (i *importer) write(p *parser) {
	i.settle()
	i.listen()
	for _, v := range i.servers {
		i.server(v)
	}
	i.firstFactors()
	i.mainSection()
	i.others()
	i.leftovers()
	for _, s := range p.repeated {
		first := p.byName[s.name]
		first.home.of = &section{name: s.name, line: s.line}
		first.home.note(changed, fmt.Sprintf("the section is given again in line %d; both are read as one", s.line))
		first.home.of = first
	}
}

// leftovers reports the options that nothing has read: replaced options and unknown ones.
func (i *importer) leftovers() {
	for _, s := range i.sections {
		for _, o := range s.options {
			switch {
			case o.empty:
				s.home.note(dropped, "empty, which means the same as not given", o)
			case o.replaced != nil:
				o.fates = [fates]bool{}
				s.home.note(dropped, fmt.Sprintf("given again in line %d, and the last one counts", o.replaced.line), o)
			case o.fates == [fates]bool{}:
				s.home.note(decide, "duoradiusd import does not know this option, so it is left out", o)
			}
			if o.replaced == nil && hasInlineComment(o.value) && o.worst() <= changed {
				s.home.note(decide, `holds a blank and then ";" or "#", which was taken as part of the value, not as a comment`, o)
			}
		}
	}
}

func hasInlineComment(s string) bool {
	return slices.ContainsFunc([]string{" ;", "\t;", " #", "\t#"}, func(mark string) bool { return strings.Contains(s, mark) })
}

// toml puts the tables together in the order of duoradiusd's own example.
func (i *importer) toml(name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Made from %s by duoradiusd import.\n#\n", show(name))
	b.WriteString(`# The comment after a key names the option that it was made from, and the option's line. A comment on a line of
# its own says more:
#   changed: the option means something else here, or its default differs and was written out
#   dropped: the option is left out, and the comment says why that does no harm
#   DECIDE:  a person must look at it
`)
	if i.inline {
		b.WriteString("#\n# This file holds secrets: let nobody but the daemon read it (chmod 600).\n")
	}
	b.WriteByte('\n')
	tables := [][]*table{{i.head}, i.applications, i.listens, i.clients, i.factorTables, i.rules, {i.log}, i.rest}
	if len(bare(i.log.lines)) == 0 {
		i.log.header = "" // no key, but comments
	}
	for _, t := range slices.Concat(tables...) {
		if len(t.lines) > 0 {
			t.write(&b)
		}
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func (i *importer) table(of *section, header, title string) *table {
	return &table{ledger: &i.ledger, of: of, header: header, title: title}
}
