package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"duoradiusd/cmd/internal/checkup"
	"duoradiusd/cmd/internal/daemon"
	"duoradiusd/conf"
	"duoradiusd/internal/display"
)

func checkCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "check",
		Short: "Look whether the configuration is right, and whether all that it names answers",
		Long: `Reads the configuration and prints what it means. When it has problems, each is a line
FILE:LINE: KEY: found; wanted
Otherwise it then looks at what the configuration relies on: ports, folders, certificates, Duo (this machine's
clock, the keys), directories, upstream RADIUS servers. It rings no phone, and changes nothing.

Exit status: 0 all is well, warnings included; 1 something is not.`,
		Example: `  duoradiusd check --config duoradiusd.toml
  duoradiusd check --user alice         can the directory find alice?
  duoradiusd check --offline            send nothing`,
		Args: noArgs,
	}
	file := configFlag(c)
	offline := c.Flags().Bool("offline", false, "send nothing and open no port")
	asJSON := c.Flags().Bool("json", false, "print JSON, for programs")
	user := c.Flags().String("user", "", "also ask each directory and Duo's preauth for the user `NAME`")
	limit := c.Flags().Duration("timeout", time.Minute, "give up after this `TIME`")
	c.RunE = func(c *cobra.Command, _ []string) error {
		ctx, cancel := context.WithTimeout(c.Context(), *limit)
		defer cancel()
		t := &tally{out: c.OutOrStdout(), json: *asJSON, waiting: terminal(c.ErrOrStderr())}
		return t.run(ctx, c, *file, checkup.Options{Offline: *offline, User: *user})
	}
	return c
}

// run checks a configuration file and prints what it finds.
func (t *tally) run(ctx context.Context, c *cobra.Command, file string, o checkup.Options) error {
	config, err := conf.Load(file)
	if err == nil && !t.json {
		describe(t.out, config)
	}
	if err == nil {
		t.warnings(config)
		o.Tell, o.Asking = t.tell, t.asking
		o.Serving = func() []string { return serving(c.Context(), config.Admin.Socket) }
		err = checkup.Run(ctx, config, o)
	}
	return t.end(c.ErrOrStderr(), err)
}

// terminal returns w if w is a terminal, and io.Discard otherwise.
func terminal(w io.Writer) io.Writer {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return io.Discard
}

// serving returns the addresses at which a running daemon listens; nil if none runs.
func serving(ctx context.Context, socket string) []string {
	if socket == "" {
		return nil
	}
	b, err := control{socket: &socket}.call(ctx, "GET", "/status")
	var s daemon.Status
	if err != nil || json.Unmarshal(b, &s) != nil {
		return nil
	}
	return s.Listens
}

// tally prints findings as they come, or all at the end as JSON.
type tally struct {
	out      io.Writer
	waiting  io.Writer // the terminal that shows which answer is awaited
	json     bool
	findings []checkup.Finding
	warned   int
	wrong    int
}

// erase removes the line that a terminal shows while an answer is awaited.
const erase = "\r\033[K"

func (t *tally) asking(subject string) { fmt.Fprintf(t.waiting, "  ... %s", subject) }

func (t *tally) warnings(c *conf.Config) {
	for _, w := range c.Warnings {
		place, rest, _ := strings.Cut(w, ": ")
		found, remedy, _ := strings.Cut(rest, "; want ")
		t.tell(checkup.Finding{Level: checkup.Warning, Subject: place, Found: found, Remedy: remedy})
	}
}

var marks = map[checkup.Level]string{checkup.OK: "✓", checkup.Warning: "!", checkup.Problem: "✗"}

func (t *tally) tell(f checkup.Finding) {
	t.findings = append(t.findings, f)
	switch f.Level {
	case checkup.Warning:
		t.warned++
	case checkup.Problem:
		t.wrong++
	}
	if t.json {
		return
	}
	fmt.Fprint(t.waiting, erase)
	took := ""
	if f.Took >= 10*time.Millisecond {
		took = fmt.Sprintf(" (%s)", f.Took.Round(time.Millisecond))
	}
	fmt.Fprintf(t.out, "%s %s: %s%s\n", marks[f.Level], display.Visible(f.Subject), display.Visible(f.Found), took)
	if f.Remedy != "" {
		fmt.Fprintf(t.out, "    → %s\n", display.Visible(f.Remedy))
	}
}

// end prints the closing line. err is not nil if the configuration itself is wrong.
func (t *tally) end(stderr io.Writer, err error) error {
	if t.json {
		return t.endJSON(err)
	}
	switch {
	case err != nil:
		fmt.Fprintln(stderr, err)
		return errSaid
	case t.wrong > 0:
		fmt.Fprintf(t.out, "\nThe configuration can be read, but there is more to do: %s, %s.\n", display.Count(t.wrong, "problem"), display.Count(t.warned, "warning"))
		return errSaid
	}
	if t.warned > 0 {
		fmt.Fprintf(t.out, "\nThe configuration is right, with %s.\n", display.Count(t.warned, "warning"))
		return nil
	}
	fmt.Fprintln(t.out, "\nThe configuration is right.")
	return nil
}

func (t *tally) endJSON(err error) error {
	report := struct {
		OK       bool              `json:"ok"`
		Problems []string          `json:"configuration_problems"`
		Findings []checkup.Finding `json:"findings"`
	}{err == nil && t.wrong == 0, []string{}, append([]checkup.Finding{}, t.findings...)}
	var problems conf.Problems
	switch {
	case errors.As(err, &problems):
		report.Problems = problems
	case err != nil:
		report.Problems = strings.Split(err.Error(), "\n")
	}
	encoder := json.NewEncoder(t.out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(report); err != nil {
		return err
	}
	if !report.OK {
		return errSaid
	}
	return nil
}

// describe prints what a configuration means.
func describe(w io.Writer, c *conf.Config) {
	for _, l := range c.Listen {
		fmt.Fprintf(w, "listens on %s %s\n", l.Network, l.Address)
	}
	if c.Duo != nil {
		fmt.Fprintf(w, "Duo at %s, failmode %s\n", c.Duo.APIHost, c.Duo.Failmode)
	}
	for _, a := range c.Applications {
		fmt.Fprintf(w, "Duo application %q at %s, failmode %s\n", a.Name, a.APIHost, a.Failmode)
	}
	for _, f := range c.FirstFactors {
		fmt.Fprintf(w, "first factor %q: %s\n", f.Name, firstFactorOf(f))
	}
	for _, cl := range c.Clients {
		ignores := ""
		if cl.IgnorePassword {
			ignores = ", does not look at passwords"
		}
		fmt.Fprintf(w, "client %q from %s%s: service %q, first factor %q%s, mode %s, answers within %s, remembers %s\n",
			cl.Name, addressList(cl.Address), toldApart(cl.Listen, cl.NASIdentifier, cl.CalledStationID), cl.Service, cl.FirstFactor, ignores, cl.Mode, duration(cl.Timeout),
			cmp.Or(duration(cl.Remember), "nothing"))
	}
	fmt.Fprintf(w, "%s; users that are not listed: %s\n\n", daemon.Summary(c), c.Username.Unlisted)
}

func firstFactorOf(f conf.FirstFactor) string {
	switch f.Type {
	case conf.TypeLDAP:
		return "directory at " + list(f.URLs)
	case conf.TypeRADIUS:
		return "RADIUS at " + list(f.Servers)
	}
	return f.Type + " " + f.Path
}

// addressList lists addresses and prefixes. A prefix of one host is written as an address.
func addressList(prefixes []netip.Prefix) string {
	words := make([]string, len(prefixes))
	for i, p := range prefixes {
		words[i] = p.String()
		if p.IsSingleIP() {
			words[i] = p.Addr().String()
		}
	}
	return strings.Join(words, ", ")
}
