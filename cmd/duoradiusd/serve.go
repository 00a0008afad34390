package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"duoradiusd/cmd/internal/daemon"
	"duoradiusd/conf"
	"duoradiusd/radiusd"
)

func serveCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "serve",
		Short: "Answer RADIUS clients until SIGTERM or SIGINT",
		Long: `Answers RADIUS clients. Prints one line when it listens, then logs to standard error.

SIGTERM and SIGINT end it: no new login begins, and it exits when those that are pending have their
answer; a second signal rejects them at once. SIGHUP reads the configuration again: the new one takes
over whole, or not at all.`,
		Args: noArgs,
	}
	file := configFlag(c)
	profiles := c.Flags().Bool("pprof", false, "serve Go's profiles of the daemon too, for go tool pprof, under /debug/pprof/ of [admin] address")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return supervised(c, func(by supervisor) error { return serve(c, *file, *profiles, by) })
	}
	return c
}

// supervisor connects the daemon with what has started it: a shell, systemd, or Windows' service control manager.
type supervisor struct {
	signals <-chan os.Signal                // SIGHUP reloads the configuration, any other signal ends the daemon
	handler func(slog.Handler) slog.Handler // adds another receiver of the log
	ready   func(summary string)            // called when the daemon listens
}

// bySignals runs the daemon for a shell or systemd.
func bySignals(run func(supervisor) error) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)
	same := func(h slog.Handler) slog.Handler { return h }
	return run(supervisor{signals: signals, handler: same, ready: func(string) {}})
}

func serve(c *cobra.Command, file string, profiles bool, by supervisor) error {
	config, err := load(c, file)
	if err != nil {
		return err
	}
	if profiles && config.Admin.Address == "" {
		return errors.New("--pprof: no [admin] address in the configuration; want one to serve the profiles at")
	}
	lines := daemon.NewLogWriter(c.ErrOrStderr())
	go lines.Run()
	defer lines.Close()
	handler := by.handler(newHandler(config.Log, lines))
	log := slog.New(handler) // of what an administrator does, every time
	warn(log, config)
	repeats := daemon.NewRepeats(handler)
	defer repeats.Close()
	d, err := daemon.New(config, slog.New(repeats))
	if err != nil {
		return err
	}
	d.WriteLogins(&radiusd.LoginLog{To: lines, JSON: config.Log.Format == "json", Level: config.Log.Level})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	manager := daemon.NewManager(d)
	reloadAs := func(number uint64) error {
		manager.Reloading()
		defer func() {
			if ctx.Err() == nil {
				manager.Ready()
			}
		}()
		return reload(ctx, d, number, file, config, log)
	}
	again := func() error { return reloadAs(d.ReloadNumber()) }
	if config.Admin.Address != "" {
		admin, err := d.ServeAdmin(config.Admin, again, profiles)
		if err != nil {
			log.Warn("running without metrics and status page", "error", err)
		}
		defer admin.Close()
	}
	if err := d.Listen(); err != nil {
		return err
	}
	summary := fmt.Sprintf("duoradiusd %s listens on %s (%s)", daemon.Version(), addresses(d), d.Summary())
	fmt.Fprintln(c.OutOrStdout(), summary)

	go d.CheckKeys(ctx, log)
	if path := config.Admin.Socket; path != "" {
		control, err := d.Serve(path, again)
		if err != nil {
			log.Warn("running without a control socket", "error", err)
		}
		defer control.Close()
	}
	manager.Ready()
	by.ready(summary)
	watched, unwatch := context.WithCancel(context.Background())
	defer unwatch()
	go manager.Watch(watched) // ends when the last login has its answer
	for s := range by.signals {
		if s != syscall.SIGHUP {
			break
		}
		go reloadAs(d.ReloadNumber()) // a file that is slow to read must not hold up the end
	}
	cancel()
	manager.Stopping()
	log.Info("ending: pending logins get their answer first")
	hurry, now := context.WithCancel(context.Background())
	defer now()
	go by.onEnd(now)
	d.Shutdown(hurry)
	return nil
}

// onEnd calls f when the next signal to end arrives. Reload signals are ignored meanwhile.
func (by supervisor) onEnd(f func()) {
	for s := range by.signals {
		if s != syscall.SIGHUP {
			f()
			return
		}
	}
}

// reload puts the configuration of the file into force, or logs and returns why it can't. first is the configuration with which
// the daemon started.
func reload(ctx context.Context, d *daemon.Daemon, number uint64, file string, first *conf.Config, log *slog.Logger) error {
	config, err := conf.Load(file)
	if err == nil {
		err = d.Reload(number, config)
	}
	if errors.Is(err, daemon.ErrLaterReload) {
		log.Warn("reload: nothing changes", "error", err)
		return err
	}
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			log.Error("reload: the old configuration stays", "problem", strings.TrimSpace(line))
		}
		return err
	}
	warn(log, config)
	if !reflect.DeepEqual(config.Admin, first.Admin) || config.State != first.State || config.Log != first.Log {
		log.Warn("reload: a change of [admin], [state] or [log] takes effect only after a restart")
	}
	log.Info("reload: the new configuration is in force", "summary", d.Summary())
	go d.CheckKeys(ctx, log)
	return nil
}

func newHandler(l conf.Log, w io.Writer) slog.Handler {
	options := &slog.HandlerOptions{Level: l.Level}
	if l.Format == "json" {
		return slog.NewJSONHandler(w, options)
	}
	return slog.NewTextHandler(w, options)
}

func warn(log *slog.Logger, c *conf.Config) {
	for _, w := range c.Warnings {
		log.Warn("configuration", "warning", w)
	}
}

func addresses(d *daemon.Daemon) string {
	list := d.Addresses()
	slices.SortFunc(list, netip.AddrPort.Compare)
	var b strings.Builder
	for i, a := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "udp %s", a)
	}
	return b.String()
}
