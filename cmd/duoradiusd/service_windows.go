package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"duoradiusd/cmd/internal/winservice"
)

// supervised runs the daemon for what has started it: as a service, whose log goes to a file and the Event Log, or in a
// window, where Ctrl-C ends it.
func supervised(c *cobra.Command, run func(supervisor) error) error {
	service, err := winservice.IsService()
	if err != nil {
		return err
	}
	if !service {
		return bySignals(run)
	}
	return winservice.Run(func(d winservice.Daemon) error {
		c.SetOut(d.Log)
		c.SetErr(d.Log)
		return run(supervisor{signals: d.Signals, handler: d.Handler, ready: d.Ready})
	})
}

// systemCommands are the commands that only one system has.
func systemCommands() []*cobra.Command { return []*cobra.Command{serviceCommand()} }

func serviceCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "service",
		Short: "Install or remove the Windows service",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(installCommand(), removeCommand())
	return c
}

func installCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "install",
		Short: "Make the service duoradiusd of this program",
		Long: `Makes the Windows service "duoradiusd" of this program, where it lies now. The service starts with the
machine, as an account of its own (NT SERVICE\duoradiusd), and is started again when it dies. Folders for the
configuration, the state and the log are made below %ProgramData%\duoradiusd; nobody but administrators and
the service can read them. Run it as an administrator.

The service is not started: check the configuration first, then run "sc start duoradiusd". "duoradiusd reload"
and "sc control duoradiusd paramchange" have it read its configuration again.`,
		Args: noArgs,
	}
	file := configFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		program, err := os.Executable()
		if err != nil {
			return err
		}
		config, err := filepath.Abs(*file)
		if err != nil {
			return err
		}
		if err := winservice.Install(program, config); err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "The service %s is made. Its configuration is %s. Start it with: sc start %[1]s\n", winservice.Name, config)
		return nil
	}
	return c
}

func removeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "remove",
		Short: "Remove the service",
		Long:  "Removes the Windows service. Stop it first. Configuration, state and logs stay. Run it as an administrator.",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := winservice.Remove(); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "The service %s is removed.\n", winservice.Name)
			return nil
		},
	}
}
