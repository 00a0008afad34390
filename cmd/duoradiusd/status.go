package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"duoradiusd/cmd/internal/daemon"
)

func statusCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "status",
		Short: "Show how the running daemon is",
		Long: `Shows what the running daemon serves, how Duo is, how many logins are pending, how logins ended since the
start (failed-open among them), and how many packets were dropped, each by reason.`,
		Args: noArgs,
	}
	running := controlFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error { return show(c, running, "/status", printStatus) }
	return c
}

func printStatus(out io.Writer, s daemon.Status) error {
	w := table(out)
	fmt.Fprintf(w, "version\t%s\n", s.Version)
	fmt.Fprintf(w, "running\tfor %s\n", span(time.Since(s.StartedAt)))
	fmt.Fprintf(w, "listens on\t%s\n", strings.Join(s.Listens, ", "))
	fmt.Fprintf(w, "serves\t%s\n", s.Serves)
	for _, d := range s.Duo {
		line := fmt.Sprintf("%s, degraded %d times", d.Health, d.Degraded)
		if d.Error != "" {
			line += ": " + shown(d.Error)
		}
		fmt.Fprintf(w, "%s\t%s\n", strings.Join(strings.Fields("Duo "+d.Application+" "+d.APIHost), " "), line)
	}
	fmt.Fprintf(w, "pending logins\t%d\n", s.Pending)
	fmt.Fprintf(w, "approvals kept\t%d\n", s.Approvals)
	fmt.Fprintf(w, "replies kept\t%d\n", s.Replies)
	if a := s.AuthLog; a != nil {
		fmt.Fprintf(w, "auth log\t%s, %s lost\n", a.Path, plural(int(a.Lost), "line"))
	}
	counted(w, "login", s.Logins)
	counted(w, "dropped", s.Dropped)
	return w.Flush()
}

func counted[K ~string](w io.Writer, what string, counts map[K]uint64) {
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(w, "%s: %s\t%d\n", what, reason, counts[reason])
	}
}
