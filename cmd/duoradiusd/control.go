package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"duoradiusd/radiusd"
)

const defaultSocket = "/run/duoradiusd/control.sock"

// control speaks to a running daemon through its control socket.
type control struct{ socket *string }

func controlFlag(c *cobra.Command) control {
	return control{c.Flags().String("socket", defaultSocket, "the running daemon's control socket, [admin] socket")}
}

// call returns the daemon's answer; an answer that is not 200 is an error of its text.
func (c control) call(ctx context.Context, method, path string) ([]byte, error) {
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", *c.socket)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, method, "http://duoradiusd"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("is the daemon running? (--socket names its [admin] socket): %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s", strings.TrimSpace(string(body)))
	}
	return body, nil
}

func reloadCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "reload",
		Short: "Have the running daemon read its configuration again",
		Long: `Has the running daemon read its configuration again, as SIGHUP does. The new configuration takes over
whole, or not at all: then its problems are printed and the exit status is 1. Pending logins, approvals
and challenges stay in either case.`,
		Args: noArgs,
	}
	daemon := controlFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		answer, err := daemon.call(c.Context(), http.MethodPost, "/reload")
		if err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "The new configuration is in force: %s", answer)
		return nil
	}
	return c
}

func clientsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "clients",
		Short: "Show what the running daemon has seen of its RADIUS clients",
		Long: `Shows for each RADIUS client how many Access-Requests came, how many of them had a valid
Message-Authenticator, when the last came without, how many had Proxy-State without it (the way of
CVE-2024-3596), the state of the ratchet of message_authenticator = "auto", and what to do next.`,
		Args: noArgs,
	}
	daemon := controlFlag(c)
	asJSON := c.Flags().Bool("json", false, "print JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		answer, err := daemon.call(c.Context(), http.MethodGet, "/clients")
		if err != nil {
			return err
		}
		if *asJSON {
			_, err = c.OutOrStdout().Write(answer)
			return err
		}
		var list []radiusd.ClientReport
		if err := json.Unmarshal(answer, &list); err != nil {
			return err
		}
		return printClients(c.OutOrStdout(), list)
	}
	return c
}

func printClients(out io.Writer, list []radiusd.ClientReport) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CLIENT\tPACKETS\tWITH M-A\tWRONG\tLAST WITHOUT\tPROXY-STATE WITHOUT\tCONFIGURED\tRATCHET\tNEXT")
	for _, r := range list {
		fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%s\t%d\t%s\t%s\t%s\n", r.Name, r.Packets, share(r), r.Wrong, lastWithout(r),
			r.ProxyStateUnguarded, r.MessageAuthenticator, ratchet(r), r.Recommendation)
	}
	return w.Flush()
}

func share(r radiusd.ClientReport) string {
	if r.Packets == 0 {
		return "-"
	}
	return fmt.Sprintf("%d%%", 100*r.Authenticated/r.Packets)
}

func lastWithout(r radiusd.ClientReport) string {
	if r.LastWithout.IsZero() {
		return "never"
	}
	return r.LastWithout.Local().Format("2006-01-02 15:04:05")
}

// ratchet is the state of a client's addresses, the least advanced first.
func ratchet(r radiusd.ClientReport) string {
	if r.MessageAuthenticator != radiusd.Auto || len(r.Ratchets) == 0 {
		return "-"
	}
	required := 0
	with := 0
	for _, one := range r.Ratchets {
		if one.Required {
			required++
		}
		with += one.With
	}
	switch {
	case required == len(r.Ratchets):
		return "required"
	case required > 0:
		return fmt.Sprintf("required of %d of %d addresses", required, len(r.Ratchets))
	case with > 0:
		return fmt.Sprintf("seen %d times", with)
	}
	return "unknown"
}
