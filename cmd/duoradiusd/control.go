package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"duoradiusd/cmd/internal/daemon"
	"duoradiusd/conf"
	"duoradiusd/internal/system"
)

// control speaks to a running daemon through its control socket.
type control struct {
	config *string // the configuration that names the socket; nil for none
	socket *string // "": as the configuration says
	json   *bool   // the answer is printed as it is, for programs
}

func controlFlags(c *cobra.Command) control {
	return control{
		config: configFlag(c),
		socket: c.Flags().String("socket", "", "`PATH` of the running daemon's control socket; default: as [admin] socket of the configuration says"),
		json:   c.Flags().Bool("json", false, "print JSON, for programs"),
	}
}

// path returns the control socket's path: --socket, or what the configuration says. Where the configuration can't be read it
// is the usual path, and unread says why the configuration could not be read.
func (c control) path() (path string, unread error) {
	if *c.socket != "" || c.config == nil {
		return *c.socket, nil
	}
	path, err := conf.AdminSocket(*c.config)
	if err != nil {
		return system.ControlSocket(), err
	}
	return path, nil
}

// show prints the daemon's answer: as it is, or by the function that makes it readable.
func show[T any](c *cobra.Command, running control, path string, readable func(io.Writer, T) error) error {
	answer, err := running.call(c.Context(), http.MethodGet, path)
	if err != nil {
		return err
	}
	if *running.json {
		_, err = c.OutOrStdout().Write(answer)
		return err
	}
	var v T
	if err := json.Unmarshal(answer, &v); err != nil {
		return fmt.Errorf("answer of the daemon: %w", err)
	}
	return readable(c.OutOrStdout(), v)
}

// maxAnswer bounds what the daemon may say: 100 000 approvals are 25 MB.
const maxAnswer = 1 << 30

// call returns the daemon's answer; an answer that is not 200 is an error of its text.
func (c control) call(ctx context.Context, method, path string) ([]byte, error) {
	socket, unread := c.path()
	if socket == "" {
		return nil, fmt.Errorf(`%s: [admin] socket = "" turns the control socket off`, *c.config)
	}
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return system.DialControl(ctx, socket)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, method, "http://duoradiusd"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, unreachable(socket, unread, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("answer of the daemon: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s", strings.TrimSpace(string(body)))
	}
	return body, nil
}

// unreachable says what to do about a daemon that does not answer at socket. unread is why the configuration could not say
// which socket it is; nil when it could.
func unreachable(socket string, unread, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		err = fmt.Errorf("%s: permission denied; try sudo, or join the group of this socket", socket)
	case errors.Is(err, fs.ErrNotExist), system.IsRefused(err):
		err = fmt.Errorf("no daemon answers at %s: is it running? (--config names its configuration, --socket its [admin] socket)", socket)
	default:
		err = fmt.Errorf("ask the daemon at %s: %w", socket, err)
	}
	if unread != nil {
		return fmt.Errorf("%w\nThe configuration could not be read, so the usual socket was tried: %v", err, unread)
	}
	return err
}

func reloadCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "reload",
		Short: "Have the running daemon read its configuration again",
		Long: `Has the running daemon read its configuration again, as SIGHUP does. The new configuration takes over
whole, or not at all: then its problems are printed and the exit status is 1. Pending logins, approvals
and challenges stay in either case.`,
		Args: noArgs,
	}
	running := controlFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		answer, err := running.call(c.Context(), http.MethodPost, "/reload")
		if err != nil {
			return err
		}
		var r daemon.Reloaded
		if err := json.Unmarshal(answer, &r); err != nil {
			return fmt.Errorf("answer of the daemon: %w", err)
		}
		switch {
		case *running.json:
			c.OutOrStdout().Write(answer)
		case r.Reloaded:
			fmt.Fprintf(c.OutOrStdout(), "The new configuration is in force: %s\n", r.Serves)
			for _, warning := range r.Warnings {
				fmt.Fprintln(c.OutOrStdout(), warning)
			}
		default:
			for _, problem := range r.Problems {
				fmt.Fprintln(c.ErrOrStderr(), problem)
			}
			fmt.Fprintf(c.ErrOrStderr(), "The old configuration stays in force: %s\n", r.Serves)
		}
		if !r.Reloaded {
			return errSaid
		}
		return nil
	}
	return c
}
