package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"duoradiusd/cmd/internal/daemon"
	"duoradiusd/cmd/internal/history"
	"duoradiusd/internal/display"
)

func loginsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "logins",
		Short: "Show the last logins, and why each ended as it did",
		Long: `Shows the last logins that the running daemon has answered, the newest last: the answer, the reason, the
factor and how long it took. The daemon keeps the last 10 000 logins since its start, 20 of one person at most.
With --follow it goes on with each login as it ends, until interrupted.`,
		Example: `  duoradiusd logins --user alice
  duoradiusd logins --follow --reason bad-password`,
		Args: noArgs,
	}
	running := controlFlags(c)
	var f loginsFlags
	c.Flags().StringVar(&f.user, "user", "", "only those of the user who logs in as `NAME`")
	c.Flags().StringVar(&f.client, "client", "", "only those through the [[client]] `NAME`")
	c.Flags().StringVar(&f.reason, "reason", "", "only those that ended for this `REASON`")
	c.Flags().IntVarP(&f.most, "number", "n", 20, "the last `N`; 0 for all")
	c.Flags().BoolVarP(&f.follow, "follow", "f", false, "go on with each login as it ends")
	c.RunE = func(c *cobra.Command, _ []string) error { return logins(c, running, f) }
	return c
}

type loginsFlags struct {
	user, client, reason string
	most                 int
	follow               bool
}

func logins(c *cobra.Command, running control, f loginsFlags) error {
	q := url.Values{}
	for key, value := range map[string]string{"user": f.user, "client": f.client, "reason": f.reason} {
		if value != "" {
			q.Set(key, value)
		}
	}
	q.Set("most", strconv.Itoa(f.most))
	ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt)
	defer stop()
	p := loginPrinter{out: c.OutOrStdout(), json: *running.json, follow: f.follow}
	for {
		answer, err := running.call(ctx, http.MethodGet, "/logins?"+q.Encode())
		if err != nil {
			return ended(ctx, err)
		}
		var page daemon.LoginsPage
		if err := json.Unmarshal(answer, &page); err != nil {
			return fmt.Errorf("answer of the daemon: %w", err)
		}
		slices.Reverse(page.Logins)
		if err := p.print(page.Logins); err != nil || !f.follow {
			return err
		}
		q.Set("after", strconv.FormatUint(page.Last, 10))
		q.Set("wait", "true")
		q.Del("most")
	}
}

// loginPrinter prints logins as lines of a table whose columns have a fixed width, because more may follow.
type loginPrinter struct {
	out          io.Writer
	json, follow bool
	begun        bool
}

const loginLine = "%-19s  %-20s  %-12s  %-9s  %-24s  %-8s  %7s  %s\n"

func (p *loginPrinter) print(list []history.Record) error {
	if p.json && !p.follow {
		return json.NewEncoder(p.out).Encode(list)
	}
	if !p.json && !p.begun {
		if len(list) == 0 && !p.follow {
			_, err := fmt.Fprintln(p.out, "No such login since the start.")
			return err
		}
		fmt.Fprintf(p.out, loginLine, "TIME", "USER", "CLIENT", "ANSWER", "REASON", "FACTOR", "TOOK", "REMARKS")
		p.begun = true
	}
	for _, r := range list {
		var err error
		if p.json {
			err = json.NewEncoder(p.out).Encode(r)
		} else {
			_, err = fmt.Fprintf(p.out, loginLine, r.Time.Local().Format("2006-01-02 15:04:05"), display.Visible(r.User), r.Client,
				strings.ToLower(strings.TrimPrefix(r.Code, "Access-")), r.Reason, cmp.Or(r.Factor, "-"), milliseconds(r.TookMS), display.Visible(remarks(r)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// milliseconds returns a duration for people to read.
func milliseconds(ms int64) string {
	if ms < 1000 {
		return fmt.Sprintf("%d ms", ms)
	}
	return fmt.Sprintf("%.1f s", (time.Duration(ms) * time.Millisecond).Seconds())
}

// remarks returns the other facts of a login in one line.
func remarks(r history.Record) string {
	var words []string
	if r.Rule != "" {
		words = append(words, fmt.Sprintf("rule=%q", r.Rule))
	}
	if r.DuoUser != "" && r.DuoUser != r.User {
		words = append(words, "duo_user="+r.DuoUser)
	}
	return strings.Join(append(words, strings.Fields(r.DuoMessage+" "+r.Error)...), " ")
}
