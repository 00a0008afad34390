package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"duoradiusd/internal/display"
	"duoradiusd/radiusd"
)

func clientsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "clients",
		Short: "Show what the running daemon has seen of its RADIUS clients",
		Long: `Shows for each RADIUS client how many Access-Requests came, how many of them had a valid
Message-Authenticator, when the last came without, how many had Proxy-State without it (the way of
CVE-2024-3596), whether message_authenticator = "auto" requires it now, and what to do next. Clients
that give up before their users have answered are named below the table.`,
		Args: noArgs,
	}
	running := controlFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error { return show(c, running, "/clients", printClients) }
	return c
}

func printClients(out io.Writer, list []radiusd.ClientReport) error {
	w := table(out)
	fmt.Fprintln(w, "CLIENT\tPACKETS\tWITH M-A\tWRONG\tLAST WITHOUT\tPROXY-STATE WITHOUT\tCONFIGURED\tREQUIRED NOW\tNEXT")
	now := time.Now()
	for _, r := range list {
		fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%s\t%d\t%s\t%s\t%s\n", r.Name, r.Packets, share(r), r.Wrong, ago(r.LastWithout, now),
			r.ProxyStateUnguarded, r.MessageAuthenticator, ratchet(r), r.Recommendation)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, r := range list {
		if by := toldApart(r.Listen, r.NASIdentifiers, r.CalledStationIDs); by != "" {
			fmt.Fprintf(out, "\n%s: accepts only requests%s\n", r.Name, by)
		}
		if r.Accounting > 0 {
			fmt.Fprintf(out, "\n%s: sends accounting requests, which duoradiusd does not accept (%s): set it to send them to another server, or switch accounting off there\n", r.Name, display.Count(int(r.Accounting), "Accounting-Request"))
		}
		for _, one := range r.Ratchets[:min(len(r.Ratchets), 8)] { // of a prefix with many hosts the first
			if one.WaitsFor != "" && r.MessageAuthenticator == radiusd.Auto {
				fmt.Fprintf(out, "\n%s: Message-Authenticator is not required of %s yet: %s\n", r.Name, one.Address, one.WaitsFor)
			}
		}
		if r.Patience.Advice != "" {
			fmt.Fprintf(out, "\n%s: %s\n", r.Name, r.Patience.Advice)
		}
	}
	return nil
}

// toldApart says which requests of an address are a client's; "" for all.
func toldApart[T any](listeners []T, nasIdentifiers, calledStationIDs []string) (by string) {
	if len(listeners) > 0 {
		by += " at " + list(listeners)
	}
	with := " with"
	if len(nasIdentifiers) > 0 {
		by += with + " NAS-Identifier " + quoted(nasIdentifiers)
		with = " and"
	}
	if len(calledStationIDs) > 0 {
		by += with + " Called-Station-Id " + quoted(calledStationIDs)
	}
	return by
}

// quoted joins values, any of which fits.
func quoted(values []string) string {
	words := make([]string, len(values))
	for i, value := range values {
		words[i] = strconv.Quote(value)
	}
	return strings.Join(words, " or ")
}

func share(r radiusd.ClientReport) string {
	if r.Packets == 0 {
		return "-"
	}
	return fmt.Sprintf("%d%%", 100*r.Authenticated/r.Packets)
}

// ratchet describes whether Message-Authenticator is required of a client's addresses now.
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
		if with == 1 {
			return "seen once"
		}
		return fmt.Sprintf("seen %d times", with)
	}
	return "unknown"
}
