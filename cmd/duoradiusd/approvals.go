package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"duoradiusd/cmd/internal/daemon"
	"duoradiusd/internal/display"
	"duoradiusd/policy"
)

func approvalsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "approvals",
		Short: "Show or forget the approvals that the running daemon remembers",
		Long: `Shows or forgets the approvals that the running daemon remembers. While an approval counts, its user is
not asked for the second factor again. The configuration's remember says for how long, and [remember]
bind_to for what.`,
		Example: `  duoradiusd approvals                       who is not asked again, and until when?
  duoradiusd approvals forget alice          alice's phone is lost: ask at the next login`,
		Args: noArgs,
	}
	list := approvalsListCommand()
	c.RunE = list.RunE // approvals alone lists
	c.Flags().AddFlagSet(list.Flags())
	c.AddCommand(list, approvalsForgetCommand())
	return c
}

func approvalsListCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "list",
		Short: "Show what is remembered, of whom, and until when",
		Long: `Shows each approval that the running daemon remembers: of whom, by whom at Duo it was given, for which
service, client and address of the user it holds, when it was given, when it ends, and how often it has
answered a login. It ends as was granted with it; where the configuration grants less now, it ends sooner.`,
		Args: noArgs,
	}
	running := controlFlags(c)
	user := c.Flags().String("user", "", "only those of the user who logs in as `NAME`")
	c.RunE = func(c *cobra.Command, _ []string) error {
		path := "/approvals"
		if *user != "" {
			path += "?" + url.Values{"user": {*user}}.Encode()
		}
		return show(c, running, path, func(out io.Writer, list []policy.Approval) error {
			if len(list) == 0 && *user != "" {
				_, err := fmt.Fprintf(out, "Nothing is remembered of %s.\n", *user)
				return err
			}
			return printApprovals(out, list, time.Now())
		})
	}
	return c
}

func printApprovals(out io.Writer, list []policy.Approval, now time.Time) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(out, "Nothing is remembered.")
		return err
	}
	slices.SortStableFunc(list, func(a, b policy.Approval) int { return cmp.Compare(a.User, b.User) })
	w := table(out)
	fmt.Fprintln(w, "USER\tAT DUO\tSERVICE\tCLIENT\tUSER IP\tAPPROVED\tENDS\tUSES\tLAST USED")
	for _, a := range list {
		ip := "any"
		if a.UserIP.IsValid() {
			ip = a.UserIP.String()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", display.Visible(a.User), display.Visible(cmp.Or(a.DuoUserID, a.DuoUsername)),
			cmp.Or(a.Service, "any"), cmp.Or(a.Client, "any"), ip, ago(a.ApprovedAt, now), until(a.EndsAt, now), a.Uses,
			ago(a.LastUsedAt, now))
	}
	return w.Flush()
}

func approvalsForgetCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "forget USER | --all",
		Short: "Ask a user, or everybody, for the second factor at the next login",
		Long: `Forgets the approvals of a user, who may be named in any of the forms that logins may have, or those of
everybody: the next login is asked for the second factor. Nobody's session ends by it.

On a terminal --all asks whether you are sure, unless --yes says so; in a script --all is enough.
Exit status 1 says that nothing was remembered of USER.`,
		Args: func(c *cobra.Command, args []string) error {
			if all, _ := c.Flags().GetBool("all"); len(args) > 1 || (len(args) == 1) == all {
				return usageError{fmt.Errorf("approvals forget needs one USER, or --all")}
			}
			if len(args) == 1 && args[0] == "" {
				return usageError{fmt.Errorf("approvals forget: USER is empty; --all means everybody")}
			}
			return nil
		},
	}
	running := controlFlags(c)
	c.Flags().Bool("all", false, "everybody's")
	yes := c.Flags().BoolP("yes", "y", false, "do not ask whether --all is meant")
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 1 {
			return forget(c, running, url.Values{"user": args}, args[0])
		}
		if !*yes {
			if err := confirmAll(c, running); err != nil {
				return err
			}
		}
		return forget(c, running, url.Values{"all": {"true"}}, "")
	}
	return c
}

// confirmAll asks for confirmation on a terminal. It does not ask a script, because nobody would answer.
func confirmAll(c *cobra.Command, running control) error {
	stdin, ok := c.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(stdin.Fd())) {
		return nil
	}
	answer, err := running.call(c.Context(), http.MethodGet, "/approvals")
	if err != nil {
		return err
	}
	var list []policy.Approval
	if err := json.Unmarshal(answer, &list); err != nil {
		return fmt.Errorf("answer of the daemon: %w", err)
	}
	fmt.Fprintf(c.ErrOrStderr(), "Forget %s, everybody's? [y/N] ", display.Count(len(list), "approval"))
	line, _ := bufio.NewReader(stdin).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	}
	return fmt.Errorf("nothing was forgotten")
}

func forget(c *cobra.Command, running control, whose url.Values, user string) error {
	answer, err := running.call(c.Context(), http.MethodDelete, "/approvals?"+whose.Encode())
	if err != nil {
		return err
	}
	var f daemon.Forgotten
	if err := json.Unmarshal(answer, &f); err != nil {
		return fmt.Errorf("answer of the daemon: %w", err)
	}
	switch out := c.OutOrStdout(); {
	case *running.json:
		out.Write(answer)
	case f.Forgotten == 0 && user == "":
		fmt.Fprintln(out, "Nothing was remembered.")
	case f.Forgotten > 0 && user == "":
		fmt.Fprintf(out, "%s forgotten, everybody's.\n", display.Count(f.Forgotten, "approval"))
	case f.Forgotten > 0:
		fmt.Fprintf(out, "%s of %s forgotten.\n", display.Count(f.Forgotten, "approval"), display.Visible(f.User))
	}
	if f.Forgotten == 0 && user != "" {
		return fmt.Errorf("nothing was remembered of %s", user)
	}
	return nil
}
