package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"duoradiusd/policy/fileauth"
)

func passwdCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "passwd FILE USER",
		Short: "Set a user's password in the file of a first factor",
		Long: `Sets a user's password in FILE, the path of a [[first_factor]] of type "file": changes the user's line, or
adds one at the end. Every other line stays as it is. The password is kept as a hash (argon2id).

On a terminal the password is asked for twice, and not shown. Otherwise it is the first line of standard
input, as a script would give it. It is never an argument, which other users of this machine could read.

The running daemon reads the changed file within a second, without a reload, and sees it whole. FILE keeps
its mode and owner; a new one can be read by its owner only. USER is kept as it is typed here; the daemon
compares names as [username] says.`,
		Example: `  duoradiusd passwd /etc/duoradiusd/staff.htpasswd alice
  duoradiusd passwd staff.htpasswd alice < password.txt
  duoradiusd passwd --delete staff.htpasswd alice`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usageError{fmt.Errorf("passwd needs FILE and USER")}
			}
			return nil
		},
	}
	remove := c.Flags().BoolP("delete", "d", false, "take the user's line away")
	c.RunE = func(c *cobra.Command, args []string) error {
		if *remove {
			return passwdDelete(c, args[0], args[1])
		}
		return passwd(c, args[0], args[1])
	}
	return c
}

func passwd(c *cobra.Command, file, user string) error {
	// The name is checked before the user has to type a password.
	if err := fileauth.CheckName(user); err != nil {
		return fmt.Errorf("passwd: %w", err)
	}
	password, err := newPassword(c, user)
	if err != nil {
		return fmt.Errorf("passwd: %w", err)
	}
	e, err := fileauth.Set(file, user, password)
	if err != nil {
		return fmt.Errorf("passwd: %w", err)
	}
	out := c.OutOrStdout()
	switch {
	case e.Made:
		fmt.Fprintf(out, "%s made, with %s. Its mode is 0600: the daemon's user must be able to read it.\n", file, user)
	case e.Known:
		fmt.Fprintf(out, "Password of %s changed.\n", user)
	default:
		fmt.Fprintf(out, "%s added.\n", user)
	}
	warnOfLines(c.ErrOrStderr(), file, e)
	return nil
}

func passwdDelete(c *cobra.Command, file, user string) error {
	e, err := fileauth.Delete(file, user)
	if err != nil {
		return fmt.Errorf("passwd: %w", err)
	}
	fmt.Fprintf(c.OutOrStdout(), "%s deleted.\n", user)
	warnOfLines(c.ErrOrStderr(), file, e)
	return nil
}

// warnOfLines prints the lines for which the daemon refuses the file. They may have been there before.
func warnOfLines(w io.Writer, file string, e fileauth.Edit) {
	if e.Problems == nil {
		return
	}
	fmt.Fprintf(w, "duoradiusd: warning: the daemon does not use %s as it is (unless [username] makes other names of these):\n", file)
	for line := range strings.Lines(e.Problems.Error()) {
		fmt.Fprintf(w, "  %s\n", strings.TrimSpace(line))
	}
}

// newPassword asks for a password, twice on a terminal. It reads one line from a script.
func newPassword(c *cobra.Command, user string) (string, error) {
	stdin, ok := c.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(stdin.Fd())) {
		line, err := bufio.NewReader(io.LimitReader(c.InOrStdin(), 4096)).ReadString('\n')
		if err != nil && err != io.EOF {
			return "", fmt.Errorf("read standard input: %w", err)
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	first, err := hidden(c.ErrOrStderr(), stdin, "New password of "+user+": ")
	if err != nil {
		return "", err
	}
	if _, err := fileauth.Hash(first); err != nil { // checks the password before it is typed again
		return "", err
	}
	again, err := hidden(c.ErrOrStderr(), stdin, "Again: ")
	if err == nil && again != first {
		err = errors.New("the two are not the same; nothing was changed")
	}
	return first, err
}

// hidden asks for a line without echo. It restores the echo also if the user ends the program.
func hidden(w io.Writer, terminal *os.File, prompt string) (string, error) {
	fd := int(terminal.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer close(ended) // after Stop, nothing is sent to it
	defer signal.Stop(ended)
	go func() {
		if _, ok := <-ended; ok {
			term.Restore(fd, before)
			fmt.Fprintln(w)
			os.Exit(1)
		}
	}()
	fmt.Fprint(w, prompt)
	line, err := term.ReadPassword(fd)
	fmt.Fprintln(w)
	return string(line), err
}
