// Command duoradiusd is a RADIUS front end for Duo.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	_ "time/tzdata" // time zones for hours, for systems without them, such as a container

	"github.com/spf13/cobra"

	"duoradiusd/conf"
	"duoradiusd/internal/system"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// errSaid stands for an error whose text has been printed already.
var errSaid = errors.New("said")

// run executes one command line and returns the exit status: 0 = done, 1 = failed, 2 = the command line is wrong, 3 = done, but
// something is left for a person to decide.
func run(args []string, stdout, stderr io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	command, err := root.ExecuteC()
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errSaid):
		return 1
	case errors.Is(err, errUndecided):
		return 3
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "duoradiusd: %v\nTry %s --help.\n", err, command.CommandPath())
		return 2
	}
	fmt.Fprintf(stderr, "duoradiusd: %v\n", err)
	return 1
}

type usageError struct{ error }

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "duoradiusd",
		Short: "A RADIUS front end for Duo",
		Long: `duoradiusd takes RADIUS requests from VPNs, gateways and firewalls, checks the first factor,
asks Duo for the second (push, call or passcode), and answers before the client gives up.
One login, one push.`,
		Example: `  duoradiusd check --config duoradiusd.toml    is the configuration right?
  duoradiusd serve --config duoradiusd.toml    run`,
		SilenceErrors:              true,
		SuggestionsMinimumDistance: 2,
		SilenceUsage:               true,
		Args:                       noArgs,
		RunE:                       func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(serveCommand(), checkCommand(), loginCommand(), explainCommand(), statusCommand(), loginsCommand(), whyCommand(), reasonsCommand(), messagesCommand(), clientsCommand(), approvalsCommand(), guardCommand(), reloadCommand(), passwdCommand(), clusterCommand(), importCommand(), versionCommand())
	root.AddCommand(systemCommands()...)
	return root
}

// noArgs returns an error for unexpected arguments, with the command that was probably meant.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		return usageError{fmt.Errorf("%q: no such command; did you mean %q?", args[0], near[0])}
	}
	return usageError{fmt.Errorf("%q: no such command or argument", args[0])}
}

// configFlag gives a command its --config.
func configFlag(c *cobra.Command) *string {
	file := c.Flags().StringP("config", "c", system.ConfigFile(), "configuration `FILE`")
	c.MarkFlagFilename("config", "toml")
	return file
}

// load reads a configuration and prints its problems, one on each line.
func load(c *cobra.Command, file string) (*conf.Config, error) {
	config, err := conf.Load(file)
	if err != nil {
		fmt.Fprintln(c.ErrOrStderr(), err)
		return nil, errSaid
	}
	return config, nil
}
