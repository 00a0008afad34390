// Command duodemo shows whole logins on one desk, with no Duo account: a fake Duo, the daemon, a few users who log in
// through real UDP, and a page in the browser that is their phone.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	if err := command().Execute(); err != nil {
		fmt.Fprintf(os.Stderr, "duodemo: %v\n", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	c := &cobra.Command{
		Use:   "duodemo",
		Short: "Whole logins on one desk, with no Duo account",
		Long: `duodemo starts a fake Duo and the daemon on this machine, lets a few users log in through real RADIUS
packets, prints what happened, and then serves until Ctrl-C: try it with radclient, and be the phone in
a browser.`,
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	once := c.Flags().Bool("once", false, "end after the table; exit status 1 if a login did not end as it should")
	two := c.Flags().Bool("two", false, "run two daemons that act as one on a Redis inside this program, show a failover, and end")
	c.RunE = func(c *cobra.Command, _ []string) error {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		if *two {
			return demoTwo(ctx, c.OutOrStdout(), c.ErrOrStderr())
		}
		return demo(ctx, c.OutOrStdout(), c.ErrOrStderr(), *once)
	}
	return c
}

var errUnexpected = errors.New("a login did not end as it should")

func demo(ctx context.Context, out, logs io.Writer, once bool) error {
	d, err := open(logs)
	if err != nil {
		return err
	}
	defer d.close()
	fmt.Fprintf(out, "The daemon listens on %s, its clients' secret is %q.\nEach line is one login, through real UDP packets.\n\n", d.radius, secret)
	asExpected := d.logins(ctx, out)
	if !once && ctx.Err() == nil {
		d.invite(out)
		<-ctx.Done()
		fmt.Fprintln(out)
	}
	if !asExpected && ctx.Err() == nil {
		return errUnexpected
	}
	return nil
}
