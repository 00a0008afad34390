package main

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"duoradiusd/cmd/internal/daemon"
	"duoradiusd/conf"
	"duoradiusd/policy"
)

func loginCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "login USER",
		Short: "Walk one real login through the configuration, without a VPN",
		Long: `Asks for what the user types into the password field, and takes a real login through the configuration:
the first factor is asked and the phone rings. Each step is printed with its answer and its time. What the
running daemon remembers is neither used nor changed.

Exit status 0 is an Access-Accept.`,
		Example: "  duoradiusd login alice --client vpn",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("login needs one USER")}
			}
			return nil
		},
	}
	file := configFlag(c)
	client := c.Flags().String("client", "", "the [[client]] `NAME` to log in through")
	ip := c.Flags().String("user-ip", "", "the user's `ADDRESS`, as the client would tell it")
	c.RunE = func(c *cobra.Command, args []string) error {
		var addr netip.Addr
		if *ip != "" {
			var err error
			if addr, err = netip.ParseAddr(*ip); err != nil {
				return usageError{fmt.Errorf("--user-ip %q: no IP address", *ip)}
			}
		}
		config, err := load(c, *file)
		if err != nil {
			return err
		}
		at, err := clientNamed(config, *client)
		if err != nil {
			return err
		}
		return login(c, config, config.Clients[at].Name, args[0], addr)
	}
	return c
}

func login(c *cobra.Command, config *conf.Config, client, user string, ip netip.Addr) error {
	out := c.OutOrStdout()
	walk, err := daemon.NewWalk(config, client, func(s daemon.Step) {
		fmt.Fprintf(out, "%8s  %s: %s\n", s.Took.Round(time.Millisecond), s.Asked, s.Answer)
	})
	if err != nil {
		return err
	}
	defer walk.Close()
	ask := newPrompt(c)
	password, err := ask("Password field of " + user + ": ")
	if err != nil {
		return err
	}
	for state := ""; ; {
		start := time.Now()
		v := walk.Decide(c.Context(), user, password, state, ip)
		printVerdict(out, v, time.Since(start))
		switch v.Outcome {
		case policy.OutcomeAccept:
			return nil
		case policy.OutcomeChallenge:
			if password, err = ask(v.Message + " "); err != nil {
				return err
			}
			state = v.State
		default:
			return errSaid
		}
	}
}

func printVerdict(out io.Writer, v policy.Verdict, took time.Duration) {
	answer := map[policy.Outcome]string{
		policy.OutcomeAccept: "Access-Accept", policy.OutcomeReject: "Access-Reject", policy.OutcomeChallenge: "Access-Challenge",
		policy.OutcomeDiscard: "no reply",
	}[v.Outcome]
	fmt.Fprintf(out, "%8s  %s: %s\n", took.Round(time.Millisecond), answer, v.Reason)
	if v.Err != nil {
		fmt.Fprintf(out, "%8s  because %v\n", "", v.Err)
	}
	if v.Message != "" && v.Outcome != policy.OutcomeChallenge {
		fmt.Fprintf(out, "%8s  the user reads: %s\n", "", v.Message)
	}
}

// newPrompt returns a function that asks for a line. On a terminal it reads without echo; otherwise it reads a line of standard
// input.
func newPrompt(c *cobra.Command) func(string) (string, error) {
	lines := bufio.NewReader(c.InOrStdin())
	return func(prompt string) (string, error) {
		fmt.Fprint(c.ErrOrStderr(), prompt)
		if stdin, ok := c.InOrStdin().(*os.File); ok && term.IsTerminal(int(stdin.Fd())) {
			b, err := term.ReadPassword(int(stdin.Fd()))
			fmt.Fprintln(c.ErrOrStderr())
			return string(b), err
		}
		line, err := lines.ReadString('\n')
		if err == io.EOF && line != "" {
			err = nil
		}
		if err == io.EOF {
			err = fmt.Errorf("standard input ended before an answer")
		}
		return strings.TrimRight(line, "\r\n"), err
	}
}
