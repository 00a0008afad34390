// Package manual writes manual pages (man(7)) of a tree of commands, for packages. The daemon itself does not use it.
package manual

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Pages returns a page of section 8 for each command that help shows, by file name: "duoradiusd-serve.8".
func Pages(root *cobra.Command) map[string]string {
	pages := make(map[string]string)
	var add func(c *cobra.Command)
	add = func(c *cobra.Command) {
		if c != root && (!c.IsAvailableCommand() || c.Name() == "help") {
			return
		}
		pages[name(c)+".8"] = page(c)
		for _, sub := range c.Commands() {
			add(sub)
		}
	}
	add(root)
	return pages
}

// Example returns a page of section 5 whose text is an example file that explains itself. The text isn't indented, so that
// its lines of 80 columns fit into a terminal that has no more.
func Example(file, about, text string) string {
	var b strings.Builder
	head(&b, file, 5, about)
	b.WriteString(".SH EXAMPLE\n.nf\n.in 0\n" + escape(text) + ".in\n.fi\n.SH SEE ALSO\n.BR duoradiusd (8)\n")
	return b.String()
}

func name(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

func head(b *strings.Builder, name string, section int, about string) {
	fmt.Fprintf(b, ".TH %s %d\n.SH NAME\n%s \\- %s\n", strings.ToUpper(escape(name)), section, escape(name), escape(about))
}

func page(c *cobra.Command) string {
	var b strings.Builder
	head(&b, name(c), 8, c.Short)
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n", escape(c.UseLine()))
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(&b, ".br\n.B %s\n.I COMMAND\n", escape(c.CommandPath()))
	}
	long := c.Long
	if long == "" {
		long = c.Short + "."
	}
	b.WriteString(".SH DESCRIPTION\n" + paragraphs(long))
	commands(&b, c)
	flags(&b, "OPTIONS", c.NonInheritedFlags())
	flags(&b, "OPTIONS OF ALL COMMANDS", c.InheritedFlags())
	if c.Example != "" {
		b.WriteString(".SH EXAMPLES\n.nf\n" + escape(strings.TrimRight(c.Example, "\n")) + "\n.fi\n")
	}
	if !c.HasParent() {
		b.WriteString(files)
	}
	seeAlso(&b, c)
	return b.String()
}

// files are those of the packages.
const files = `.SH FILES
.TP
.I /etc/duoradiusd/duoradiusd.toml
the configuration; see duoradiusd.toml(5)
.TP
.I /var/lib/duoradiusd
what must survive a restart, encrypted
.TP
.I /run/duoradiusd/control.sock
the control socket of the running daemon, for the commands
.TP
.I /usr/share/duoradiusd/messages
what users read, in German, French and Spanish
.TP
.I /usr/share/doc/duoradiusd
pages for RADIUS clients, alert rules, a dashboard, the changes
`

func commands(b *strings.Builder, c *cobra.Command) {
	if !c.HasAvailableSubCommands() {
		return
	}
	b.WriteString(".SH COMMANDS\n")
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" {
			fmt.Fprintf(b, ".TP\n.BR %s (8)\n%s.\n", escape(name(sub)), escape(sub.Short))
		}
	}
}

func flags(b *strings.Builder, title string, set *pflag.FlagSet) {
	if !set.HasAvailableFlags() {
		return
	}
	fmt.Fprintf(b, ".SH %s\n", title)
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		words := "--" + f.Name
		if f.Shorthand != "" {
			words = "-" + f.Shorthand + ", " + words
		}
		fmt.Fprintf(b, ".TP\n.B %s", escape(words))
		if value != "" {
			fmt.Fprintf(b, " \\fI%s\\fR", escape(value))
		}
		fmt.Fprintf(b, "\n%s", escape(usage))
		if !slices.Contains([]string{"", "false", "0", "[]"}, f.DefValue) {
			fmt.Fprintf(b, " (default %s)", escape(f.DefValue))
		}
		b.WriteString("\n")
	})
}

func seeAlso(b *strings.Builder, c *cobra.Command) {
	var others []string
	if c.HasParent() {
		others = append(others, name(c.Parent())+"(8)")
	}
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" {
			others = append(others, name(sub)+"(8)")
		}
	}
	others = append(others, c.Root().Name()+".toml(5)")
	fmt.Fprintf(b, ".SH SEE ALSO\n%s\n", escape(strings.Join(others, ", ")))
}

// paragraphs joins the lines of each paragraph. A blank line ends a paragraph, and an indented line stays as it is.
func paragraphs(text string) string {
	var b strings.Builder
	for p := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if strings.HasPrefix(p, " ") || strings.Contains(p, "\n ") {
			b.WriteString(".PP\n.nf\n" + escape(p) + "\n.fi\n")
			continue
		}
		b.WriteString(".PP\n" + escape(p) + "\n")
	}
	return b.String()
}

// escape escapes text so that troff does not take it for requests.
func escape(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "^", `\(ha`, "~", `\(ti`, "`", `\(ga`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
