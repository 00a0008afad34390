package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"duoradiusd/cmd/internal/daemon"
)

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Long:  "Prints the version, the commit that it was built from where that is known, and the version of Go.",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			commit := ""
			if daemon.Commit() != "" {
				commit = "commit " + daemon.Commit() + ", "
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "duoradiusd %s (%s%s, %s/%s)\n",
				daemon.Version(), commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
