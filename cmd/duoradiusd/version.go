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
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(c.OutOrStdout(), "duoradiusd %s (%s, %s/%s)\n",
				daemon.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
