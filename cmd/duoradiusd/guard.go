package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"duoradiusd/cmd/internal/daemon"
	"duoradiusd/internal/display"
	"duoradiusd/policy/guard"
)

func guardCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "guard",
		Short: "Show or clear what the running daemon counts against guessers",
		Long: `Shows or clears what the running daemon counts against guesses of passwords and passcodes, and against
floods of pushes. The configuration's [guard] has the limits.

A user has one budget of wrong passwords, and one of wrong passcodes, at each address from which Duo has
allowed a login of that user within 30 days, and one for all other addresses together. A user who is held
back there reads when to try again. A user who never logged in anywhere may be held back while somebody
else guesses: guard clear helps. Too many wrong guesses from one address hold up only those users who never
logged in from there.`,
		Example: `  duoradiusd guard                           who is held back, and until when?
  duoradiusd guard clear --user alice        it was alice herself: let her try again at once`,
		Args: noArgs,
	}
	list := guardListCommand()
	c.RunE = list.RunE // guard alone lists
	c.Flags().AddFlagSet(list.Flags())
	c.AddCommand(list, guardClearCommand())
	return c
}

func guardListCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "list",
		Short: "Show what is counted, against whom, and who is held back",
		Long: `Shows each count that is not zero: the key of [guard] that limits it, the user, the address, how many wrong
guesses have not been regained yet, and when the next one is admitted. "others" are all addresses that
the user has not logged in from. "client NAME" is a client that tells no address. Those who are held back
come first.`,
		Args: noArgs,
	}
	running := controlFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return show(c, running, "/guard", func(out io.Writer, list []guard.Count) error {
			return printGuard(out, list, time.Now())
		})
	}
	return c
}

func printGuard(out io.Writer, list []guard.Count, now time.Time) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(out, "Nothing is counted against anybody.")
		return err
	}
	w := table(out)
	fmt.Fprintln(w, "LIMIT\tUSER\tADDRESS\tCOUNT\tHELD BACK")
	for _, c := range list {
		held := "no"
		if !c.HeldUntil.IsZero() {
			held = "ends " + until(c.HeldUntil, now)
		}
		user, address, count := cmp.Or(c.Person, "everybody"), cmp.Or(c.Source, "others"), fmt.Sprint(c.Count)
		if c.Limit == guard.LimitPushes {
			address, count = "any", "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", c.Limit, display.Visible(user), display.Visible(address), count, held)
	}
	return w.Flush()
}

func guardClearCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "clear --user NAME | --address ADDRESS",
		Short: "Let a user, or the users at an address, try again at once",
		Long: `With --user it takes away the wrong passwords and passcodes of a user, wherever they came from, and lets the
phone ring again. With --address it takes away the wrong guesses of everybody from an address, which may
be written as guard list shows it. The addresses that users have logged in from stay known.

Exit status 1 says that nothing was counted.`,
		Args: noArgs,
	}
	running := controlFlags(c)
	user := c.Flags().String("user", "", "the user who logs in as `NAME`")
	address := c.Flags().String("address", "", "everybody who comes from `ADDRESS`")
	c.RunE = func(c *cobra.Command, _ []string) error {
		switch {
		case (*user == "") == (*address == ""):
			return usageError{fmt.Errorf("guard clear needs one of --user NAME and --address ADDRESS")}
		case *user != "":
			return clearGuard(c, running, url.Values{"user": {*user}}, *user)
		}
		return clearGuard(c, running, url.Values{"address": {*address}}, *address)
	}
	return c
}

func clearGuard(c *cobra.Command, running control, whose url.Values, who string) error {
	answer, err := running.call(c.Context(), http.MethodDelete, "/guard?"+whose.Encode())
	if err != nil {
		return err
	}
	var cleared daemon.Cleared
	if err := json.Unmarshal(answer, &cleared); err != nil {
		return fmt.Errorf("answer of the daemon: %w", err)
	}
	if *running.json {
		c.OutOrStdout().Write(answer)
	}
	if cleared.Cleared == 0 {
		return fmt.Errorf("nothing was counted against %s", display.Visible(who))
	}
	if !*running.json {
		fmt.Fprintf(c.OutOrStdout(), "%s of %s cleared.\n", display.Count(cleared.Cleared, "count"), display.Visible(cleared.User+cleared.Address))
	}
	return nil
}
