package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"duoradiusd/policy/messages"
)

func messagesCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "messages [ID]",
		Short: "Print what users read, as a file of [messages] to translate or change",
		Long: `Prints each sentence that users read, with its ID, where it stands and which variables it has: all of
them, or one. The output is a file that [messages] can name: change the texts, leave out what can stay, and
let duoradiusd check look at it. {NAME} is a variable; what users type, such as push, is the same in every
language.`,
		Example: `  duoradiusd messages > /etc/duoradiusd/messages.toml
  duoradiusd messages try-later`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("messages needs one ID, or none")}
			}
			return nil
		},
	}
	asJSON := c.Flags().Bool("json", false, "print JSON, for programs")
	c.RunE = func(c *cobra.Command, args []string) error {
		list := messages.All()
		if len(args) == 1 {
			m, ok := messages.Find(messages.ID(args[0]))
			if !ok {
				return fmt.Errorf("no message %q; duoradiusd messages prints all", args[0])
			}
			list = []messages.Message{m}
		}
		if *asJSON {
			return encodeMessages(c.OutOrStdout(), list)
		}
		return printMessages(c.OutOrStdout(), list)
	}
	return c
}

func encodeMessages(out io.Writer, list []messages.Message) error {
	type message struct {
		messages.Message
		Variables []messages.Variable `json:"variables"`
	}
	all := make([]message, len(list))
	for i, m := range list {
		all[i] = message{m, append([]messages.Variable{}, m.Variables()...)}
	}
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(all)
}

// printMessages writes a file of [messages].
func printMessages(out io.Writer, list []messages.Message) error {
	var b strings.Builder
	for i, m := range list {
		if i > 0 {
			b.WriteByte('\n')
		}
		comment(&b, m.Where+".")
		for _, v := range m.Variables() {
			comment(&b, fmt.Sprintf("{%s} is %s.", v.Name, v.Means))
		}
		fmt.Fprintf(&b, "%s = %s\n", m.ID, strconv.Quote(m.Text))
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// comment writes a text as lines of a comment, 100 columns wide at most.
func comment(b *strings.Builder, text string) {
	line := "#"
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > 100 {
			fmt.Fprintln(b, line)
			line = "#"
		}
		line += " " + word
	}
	fmt.Fprintln(b, line)
}
