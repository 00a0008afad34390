package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"

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
	running := controlFlag(c)
	asJSON := c.Flags().Bool("json", false, "print JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		answer, err := running.call(c.Context(), http.MethodGet, "/status")
		if err != nil {
			return err
		}
		if *asJSON {
			_, err = c.OutOrStdout().Write(answer)
			return err
		}
		var s daemon.Status
		if err := json.Unmarshal(answer, &s); err != nil {
			return err
		}
		return printStatus(c.OutOrStdout(), s)
	}
	return c
}

func printStatus(out io.Writer, s daemon.Status) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "version\t%s\n", s.Version)
	fmt.Fprintf(w, "listens on\t%s\n", strings.Join(s.Listens, ", "))
	fmt.Fprintf(w, "serves\t%s\n", s.Serves)
	for _, d := range s.Duo {
		line := fmt.Sprintf("%s, degraded %d times", d.Health, d.Degraded)
		if d.Error != "" {
			line += ": " + d.Error
		}
		fmt.Fprintf(w, "%s\t%s\n", strings.Join(strings.Fields("Duo "+d.Application+" "+d.APIHost), " "), line)
	}
	fmt.Fprintf(w, "pending logins\t%d\n", s.Pending)
	fmt.Fprintf(w, "approvals kept\t%d\n", s.Approvals)
	fmt.Fprintf(w, "replies kept\t%d\n", s.Replies)
	counted(w, "login", s.Logins)
	counted(w, "dropped", s.Dropped)
	return w.Flush()
}

func counted[K ~string](w io.Writer, what string, counts map[K]uint64) {
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(w, "%s: %s\t%d\n", what, reason, counts[reason])
	}
}
