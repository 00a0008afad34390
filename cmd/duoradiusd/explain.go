package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"duoradiusd/conf"
	"duoradiusd/internal/display"
)

func explainCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "explain USER",
		Short: "Say which way a login would take, and why",
		Long: `Prints the way of a login through the configuration: who the user is, each rule and whether it fits,
what would be asked, how long an approval would count, and which attributes would go back. Nobody is asked:
no network is touched unless --directory is given.`,
		Example: `  duoradiusd explain alice                                 with one [[client]]
  duoradiusd explain alice --client vpn --user-ip 198.51.100.7
  duoradiusd explain bob --client vpn --group contractors --at 18:30
  duoradiusd explain client vpn`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("explain needs one USER")}
			}
			return nil
		},
	}
	file := configFlag(c)
	var flags explainFlags
	flags.register(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		q, err := flags.question(args[0])
		if err != nil {
			return err
		}
		config, err := load(c, *file)
		if err != nil {
			return err
		}
		return explainUser(c.Context(), c.OutOrStdout(), config, q)
	}
	c.AddCommand(explainClientCommand())
	return c
}

func explainClientCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "client NAME",
		Short: "Print what a client ends up with, and why",
		Long: `Prints every setting of a [[client]] with where it comes from: the file, the preset of its profile, or
the default; then what is known of that make of appliance. Nothing is sent anywhere.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("explain client needs the NAME of one [[client]]")}
			}
			return nil
		},
	}
	file := configFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		config, err := load(c, *file)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(config.Clients, func(cl conf.Client) bool { return cl.Name == args[0] })
		if i < 0 {
			return fmt.Errorf("no [[client]] is named %q; there are: %s", args[0], strings.Join(clientNames(config), ", "))
		}
		return explainClient(c.OutOrStdout(), config, config.Clients[i])
	}
	return c
}

func clientNames(c *conf.Config) (names []string) {
	for _, cl := range c.Clients {
		names = append(names, cl.Name)
	}
	return names
}

// presets are the keys for which profiles have presets.
var presets = []string{"timeout", "user_ip", "probe_users"}

func explainClient(out io.Writer, config *conf.Config, c conf.Client) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	why := func(key string) string {
		switch {
		case c.Given[key]:
			return "set in the file"
		case key == "message_authenticator" && c.MessageAuthenticator == conf.Require:
			return "required, as attributes tell clients of this address apart"
		case key == "service":
			return "default: the client's name"
		case key == "failmode" && c.Application == "":
			return "from [duo]"
		case key == "failmode":
			return fmt.Sprintf("from [[application]] %q", c.Application)
		case c.Profile != "generic" && slices.Contains(presets, key):
			return "preset of profile " + c.Profile
		}
		return "default"
	}
	row := func(key string, value any) { fmt.Fprintf(w, "%s\t%v\t%s\n", key, value, why(key)) }
	fmt.Fprintf(out, "client %q\n", c.Name)
	row("address", addressList(c.Address))
	row("listen", cmp.Or(list(c.Listen), "any"))
	row("nas_identifier", cmp.Or(list(c.NASIdentifier), "any"))
	row("called_station_id", cmp.Or(list(c.CalledStationID), "any"))
	fmt.Fprintf(w, "secret\t(not shown)\tset in the file\n")
	row("profile", c.Profile)
	row("service", c.Service)
	row("application", cmp.Or(c.Application, "[duo]"))
	row("first_factor", strings.Join(c.FirstFactors, ", "))
	row("mode", c.Mode)
	row("factors", list(c.Factors))
	row("delimiter", cmp.Or(c.Delimiter, "none: append mode is off"))
	row("timeout", duration(c.Timeout))
	row("user_ip", list(c.UserIP))
	row("password_charset", c.PasswordCharset)
	row("remember", cmp.Or(duration(c.Remember), "never"))
	row("probe_users", cmp.Or(list(c.ProbeUsers), "none"))
	row("probe_answer", c.ProbeAnswer)
	row("status_server", c.StatusServer)
	row("failmode", failmodeOf(config, c))
	row("message_authenticator", c.MessageAuthenticator)
	row("limit_proxy_state", c.LimitProxyState)
	row("omit_reply_message_authenticator", c.OmitReplyMA)
	if relays(config, c) {
		row("pass_attributes", passed(c))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return explainProfile(out, c)
}

// explainProfile prints what is known of the client's make of appliance.
func explainProfile(out io.Writer, c conf.Client) error {
	p := c.Preset()
	fmt.Fprintf(out, "\nwhat is known of %s:\n", p.Name)
	if p.Challenge {
		fmt.Fprintln(out, `- it shows challenges: mode = "challenge" works`)
	} else {
		fmt.Fprintln(out, `- it shows no challenges: mode = "auto", and passcodes after the password`)
	}
	if len(p.Replies) > 0 {
		fmt.Fprintf(out, "- in an Access-Accept it acts on %s\n", strings.Join(p.Replies, ", "))
	}
	for _, line := range p.Advice {
		fmt.Fprintf(out, "- there: %s\n", line)
	}
	_, err := fmt.Fprintf(out, "- an answer leaves within %s; it must wait longer than that\n", duration(c.Timeout))
	return err
}

// relays reports whether c's first factor is an upstream RADIUS server.
func relays(config *conf.Config, c conf.Client) bool {
	return slices.ContainsFunc(config.FirstFactors, func(f conf.FirstFactor) bool {
		return f.Name == c.FirstFactor && f.Type == conf.TypeRADIUS
	})
}

func passed(c conf.Client) string {
	if c.PassAll {
		return "*"
	}
	var names []string
	for _, id := range c.Pass {
		names = append(names, conf.AttributeName(id))
	}
	return cmp.Or(list(names), "none")
}

func failmodeOf(config *conf.Config, c conf.Client) string {
	if c.Failmode != "" {
		return string(c.Failmode)
	}
	for _, a := range config.Applications {
		if a.Name == c.Application {
			return string(a.Failmode)
		}
	}
	if config.Duo != nil {
		return string(config.Duo.Failmode)
	}
	return "secure"
}

func list[T any](items []T) string {
	words := make([]string, len(items))
	for i, item := range items {
		words[i] = fmt.Sprint(item)
	}
	return strings.Join(words, ", ")
}

// duration returns d as the configuration would say it: "15m", not "15m0s"; "" for zero.
func duration(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return display.Duration(d)
}
