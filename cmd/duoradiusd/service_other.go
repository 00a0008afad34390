//go:build !windows

package main

import "github.com/spf13/cobra"

// supervised runs the daemon for what has started it.
func supervised(_ *cobra.Command, run func(supervisor) error) error { return bySignals(run) }

// systemCommands are the commands that only one system has.
func systemCommands() []*cobra.Command { return nil }
