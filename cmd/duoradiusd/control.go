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
	config *string // path of the configuration that names the socket; nil = none
	socket *string // path of the socket; "" = as the configuration says
	json   *bool   // whether the answer is printed as JSON, for programs
}

func controlFlags(c *cobra.Command) control {
	return control{
		config: configFlag(c),
		socket: c.Flags().String("socket", "", "`PATH` of the running daemon's control socket; default: as [admin] socket of the configuration says"),
		json:   c.Flags().Bool("json", false, "print JSON, for programs"),
	}
}

// path returns the control socket's path: that of --socket, or that of the configuration. If the configuration can't be read,
// path returns the default path, and unread says why it could not be read.
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

// show prints the daemon's answer, as JSON with --json, otherwise by the function readable.
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

// maxAnswer bounds the daemon's answer, in octets. 100 000 approvals take 25 MB.
const maxAnswer = 1 << 30

// call returns the daemon's answer. An answer with another status than 200 becomes an error with the answer's text.
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

// unreachable returns an error that says what to do if no daemon answers at socket. unread says why the configuration could not
// be read; nil if it could.
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
