package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"duoradiusd/cmd/internal/daemon"
	"duoradiusd/internal/display"
)

func statusCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "status",
		Short: "Show the state of the running daemon",
		Long: `Shows what the running daemon serves, how Duo is, how many logins are pending, how logins ended since the
start (failed-open among them), and how many packets were dropped, each by reason.`,
		Args: noArgs,
	}
	running := controlFlags(c)
	watch := c.Flags().Bool("watch", false, "show it anew every two seconds, until interrupted")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *watch {
			return watchStatus(c, running)
		}
		return show(c, running, "/status", printStatus)
	}
	return c
}

// watchEvery is how often status --watch asks the daemon.
const watchEvery = 2 * time.Second

// watchStatus prints the status again and again, on a terminal always at its top.
func watchStatus(c *cobra.Command, running control) error {
	ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt)
	defer stop()
	c.SetContext(ctx)
	clear := ""
	if out, ok := c.OutOrStdout().(*os.File); ok && term.IsTerminal(int(out.Fd())) {
		clear = "\033[H\033[2J"
	}
	for {
		fmt.Fprint(c.OutOrStdout(), clear)
		if err := show(c, running, "/status", printStatus); err != nil {
			return ended(ctx, err)
		}
		if clear == "" && !*running.json {
			fmt.Fprintln(c.OutOrStdout())
		}
		select {
		case <-time.After(watchEvery):
		case <-ctx.Done():
			return nil
		}
	}
}

// ended returns err, or nil if the user has interrupted the command.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func printStatus(out io.Writer, s daemon.Status) error {
	w := table(out)
	fmt.Fprintf(w, "version\t%s\n", s.Version)
	fmt.Fprintf(w, "running\tfor %s\n", span(time.Since(s.StartedAt)))
	fmt.Fprintf(w, "listens on\t%s\n", strings.Join(s.Listens, ", "))
	fmt.Fprintf(w, "serves\t%s\n", s.Serves)
	for _, d := range s.Duo {
		line := d.Health
		if d.Degraded > 0 {
			line += ", became slow or down " + display.Count(int(d.Degraded), "time")
		}
		if d.Error != "" {
			line += ": " + display.Visible(d.Error)
		}
		fmt.Fprintf(w, "%s\t%s\n", strings.Join(strings.Fields("Duo "+d.Application+" "+d.APIHost), " "), line)
	}
	for _, f := range s.FirstFactors {
		line := map[bool]string{true: "up", false: "down"}[f.Up]
		if f.Error != "" {
			line += ": " + display.Visible(f.Error)
		}
		fmt.Fprintf(w, "%s\t%s\n", strings.TrimSpace("first factor "+f.Name+" "+f.Server), line)
	}
	if c := s.Cluster; c != nil {
		line := "up"
		if !c.Up {
			line = "down, this daemon is alone: " + display.Visible(c.Error)
		}
		fmt.Fprintf(w, "cluster\t%s; could not be asked %s, %d pushes taken over, %d lost\n", line, display.Count(int(c.Failures), "time"), c.TakenOver, c.Lost)
	}
	if s.NotReady != "" {
		fmt.Fprintf(w, "not ready\t%s\n", display.Visible(s.NotReady))
	}
	fmt.Fprintf(w, "pending logins\t%d\n", s.Pending)
	fmt.Fprintf(w, "approvals kept\t%d\n", s.Approvals)
	fmt.Fprintf(w, "replies kept\t%d\n", s.Replies)
	if a := s.AuthLog; a != nil {
		fmt.Fprintf(w, "auth log\t%s, %s lost\n", a.Path, display.Count(int(a.Lost), "line"))
	}
	counted(w, "login", s.Logins)
	counted(w, "dropped", s.Dropped)
	for _, u := range s.Unknown {
		fmt.Fprintf(w, "unknown source %s\t%s, the last %s\n", u.Address, display.Count(int(u.Packets), "packet"), ago(u.Last, time.Now()))
	}
	return w.Flush()
}

func counted[K ~string](w io.Writer, what string, counts map[K]uint64) {
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(w, "%s: %s\t%d\n", what, reason, counts[reason])
	}
}
