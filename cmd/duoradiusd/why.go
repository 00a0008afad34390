package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"duoradiusd/cmd/internal/daemon"
	"duoradiusd/cmd/internal/history"
	"duoradiusd/internal/display"
	"duoradiusd/policy/reasons"
)

// mostOfAuthLog is how much of the end of auth_log is read, in octets.
const mostOfAuthLog = 64 << 20

func whyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "why USER",
		Short: "Say why the last logins of a person ended as they did",
		Long: `Prints the last logins of a person, the newest first: each step, who was asked, what the answer was and how
long it took, what ended the login, and what to change. They come from the memory of the running daemon, which
keeps 20 logins of one person since its start, and from the last 64 MiB of auth_log where that is written.
No password and no passcode is in either.

Exit status 1 says that no login of USER is known, with --json too, where the list is empty then.`,
		Example: "  duoradiusd why alice",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("why needs one USER")}
			}
			return nil
		},
	}
	running := controlFlags(c)
	most := c.Flags().IntP("number", "n", 5, "the last `N` logins")
	c.RunE = func(c *cobra.Command, args []string) error { return why(c, running, args[0], *most) }
	return c
}

func why(c *cobra.Command, running control, user string, most int) error {
	answer, err := running.call(c.Context(), http.MethodGet, "/logins?"+url.Values{"user": {user}}.Encode())
	if err != nil {
		return err
	}
	var page daemon.LoginsPage
	if err := json.Unmarshal(answer, &page); err != nil {
		return fmt.Errorf("answer of the daemon: %w", err)
	}
	list, err := earlier(c, running, page)
	if err != nil {
		return err
	}
	shown := list[:min(len(list), max(most, 0))]
	if *running.json {
		if err := json.NewEncoder(c.OutOrStdout()).Encode(append([]history.Record{}, shown...)); err != nil { // [] and not null
			return err
		}
	} else {
		for _, r := range shown {
			printWhy(c.OutOrStdout(), r)
		}
	}
	if len(list) == 0 {
		return fmt.Errorf("no login of %s is known: neither since the daemon's start nor in auth_log", user)
	}
	return nil
}

// earlier joins the logins in the daemon's memory and those in auth_log, the newest first.
func earlier(c *cobra.Command, running control, page daemon.LoginsPage) ([]history.Record, error) {
	list := page.Logins
	answer, err := running.call(c.Context(), http.MethodGet, "/status")
	if err != nil {
		return nil, err
	}
	var s daemon.Status
	if err := json.Unmarshal(answer, &s); err != nil {
		return nil, fmt.Errorf("answer of the daemon: %w", err)
	}
	if s.AuthLog == nil {
		return list, nil
	}
	logged, err := readAuthLog(s.AuthLog.Path, page.User)
	if err != nil {
		fmt.Fprintf(c.ErrOrStderr(), "auth_log is left out: %v\n", err)
		return list, nil
	}
	for _, r := range logged {
		if !slices.ContainsFunc(list, func(known history.Record) bool {
			return known.LoginID == r.LoginID && known.Code == r.Code && known.Time.Sub(r.Time).Abs().Milliseconds() < 2
		}) {
			list = append(list, r)
		}
	}
	slices.SortStableFunc(list, func(a, b history.Record) int { return b.Time.Compare(a.Time) })
	return list, nil
}

// readAuthLog returns a user's logins from the end of the file at path.
func readAuthLog(path, user string) (list []history.Record, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > mostOfAuthLog {
		if _, err := f.Seek(-mostOfAuthLog, io.SeekEnd); err != nil {
			return nil, err
		}
	}
	text, err := io.ReadAll(io.LimitReader(f, mostOfAuthLog))
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(text) {
		var name struct{ Username string }
		if json.Unmarshal(line, &name) != nil || !strings.EqualFold(name.Username, user) {
			continue // the first line may be a part of one
		}
		if r, ok := daemon.ParseAuthRecord(line); ok {
			list = append(list, r)
		}
	}
	return list, nil
}

func printWhy(out io.Writer, r history.Record) {
	fmt.Fprintf(out, "%s  %s through client %q: %s, %s\n", r.Time.Local().Format("2006-01-02 15:04:05"), display.Visible(r.User), r.Client, r.Code, r.Reason)
	for _, s := range r.Steps {
		asked := s.Name
		if s.Asked != "" {
			asked += " (" + display.Visible(s.Asked) + ")"
		}
		fmt.Fprintf(out, "  %8s  %s: %s\n", milliseconds(s.TookMS), asked, display.Visible(s.Answer))
	}
	if r.Rule != "" {
		fmt.Fprintf(out, "            rule %q decided\n", display.Visible(r.Rule))
	}
	if r.DuoMessage != "" {
		fmt.Fprintf(out, "            Duo says: %s\n", display.Visible(r.DuoMessage))
	}
	if r.Error != "" {
		fmt.Fprintf(out, "            error: %s\n", display.Visible(r.Error))
	}
	for _, t := range reasons.All() {
		if string(t.Reason) == r.Reason {
			fmt.Fprintf(out, "            %s\n", t.Meaning)
		}
	}
	if r.Cure != "" {
		fmt.Fprintf(out, "          → %s\n", display.Visible(r.Cure))
	}
	fmt.Fprintf(out, "            login_id=%s%s, took %s\n\n", r.LoginID, txid(r.Txid), milliseconds(r.TookMS))
}

func txid(s string) string {
	if s == "" {
		return ""
	}
	return ", Duo's txid " + display.Visible(s)
}
