package main

import (
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"duoradiusd/cmd/internal/daemon"
	"duoradiusd/conf"
)

func checkCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "check",
		Short: "Read the configuration and say what it means, or what is wrong with it",
		Long: `Reads the configuration and the files that it names, and prints what it means in a few lines. When it has problems, each is a line
FILE:LINE: KEY: found; wanted
and the exit status is 1. Nothing is sent anywhere.`,
		Args: noArgs,
	}
	file := configFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		config, err := load(c, *file)
		if err != nil {
			return err
		}
		if err := daemon.Check(config); err != nil {
			return err
		}
		describe(c.OutOrStdout(), config)
		return nil
	}
	return c
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
	for _, cl := range c.Clients {
		fmt.Fprintf(w, "client %q from %s: service %q, first factor %q, mode %s, answers within %s, remembers %s\n",
			cl.Name, addressList(cl.Address), cl.Service, cl.FirstFactor, cl.Mode, duration(cl.Timeout),
			orWord(duration(cl.Remember), "nothing"))
	}
	fmt.Fprintf(w, "%s; users that are not listed: %s\n", daemon.Summary(c), c.Username.Unlisted)
	for _, warning := range c.Warnings {
		fmt.Fprintf(w, "warning: %s\n", warning)
	}
	fmt.Fprintln(w, "The configuration is right.")
}

// addressList leaves out the length of the prefixes that are one host.
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
