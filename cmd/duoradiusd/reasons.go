package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"duoradiusd/policy/reasons"

	"github.com/spf13/cobra"
)

func reasonsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "reasons [REASON]",
		Short: "Explain the reasons that the log gives for how logins ended",
		Long: `Prints each reason that a login can end for, what it means and what to do about it: all of them, or one.
The same words stand in the log (reason=), in auth_log, on the status page and in the metrics.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("reasons needs one REASON, or none")}
			}
			return nil
		},
	}
	asJSON := c.Flags().Bool("json", false, "print JSON, for programs")
	c.RunE = func(c *cobra.Command, args []string) error {
		list := reasons.All()
		if len(args) == 1 {
			list = nil
			for _, r := range reasons.All() {
				if string(r.Reason) == args[0] {
					list = append(list, r)
				}
			}
			if list == nil {
				return fmt.Errorf("no reason %q; duoradiusd reasons prints all", args[0])
			}
		}
		if *asJSON {
			e := json.NewEncoder(c.OutOrStdout())
			e.SetEscapeHTML(false)
			return e.Encode(list)
		}
		return printReasons(c.OutOrStdout(), list)
	}
	return c
}

func printReasons(out io.Writer, list []reasons.Text) error {
	var b strings.Builder
	for _, r := range list {
		fmt.Fprintf(&b, "%s\n    %s\n", r.Reason, r.Meaning)
		if r.Cure != "" {
			fmt.Fprintf(&b, "    → %s\n", r.Cure)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}
