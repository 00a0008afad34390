package daemon

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	sd "github.com/coreos/go-systemd/v22/daemon"
)

// Manager is the service manager that started the daemon, when it is one that is to be told how the daemon is, by
// sd_notify(3). Without one nothing is told.
type Manager struct {
	daemon   *Daemon
	watchdog time.Duration // without a sign of life for so long, it restarts the daemon; 0: it does not
	beat     time.Duration // how often it hears of the daemon
	stopping atomic.Bool
}

// statusEvery is how old STATUS may get.
const statusEvery = 10 * time.Second

// NewManager returns the manager of d.
func NewManager(d *Daemon) *Manager {
	m := &Manager{daemon: d, beat: statusEvery}
	watchdog, err := sd.SdWatchdogEnabled(false)
	if err != nil {
		d.log.Warn("systemd: running without a watchdog", "error", err)
	}
	if watchdog > 0 {
		m.watchdog = watchdog
		m.beat = min(m.beat, watchdog/3)
	}
	return m
}

// Ready tells that the daemon listens and its configuration is in force, at the start and after Reloading.
func (m *Manager) Ready() { m.tell(sd.SdNotifyReady, "STATUS="+m.daemon.statusLine()) }

// Reloading tells that a new configuration is being read. Ready has to follow, whatever becomes of it.
func (m *Manager) Reloading() {
	m.tell(sd.SdNotifyReloading, strings.TrimSpace(sd.SdNotifyMonotonicUsec()))
}

// Stopping tells that the end has begun.
func (m *Manager) Stopping() {
	m.stopping.Store(true)
	m.tell(sd.SdNotifyStopping, "STATUS=ending: pending logins get their answer first")
}

// Watch tells how the daemon is, until ctx ends: what it serves and how Duo is, and, for a manager that restarts what has
// died, that a login would be answered. Nothing but that is a sign of life: the end of the work must not be hidden by a
// loop that goes on.
func (m *Manager) Watch(ctx context.Context) {
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return
	}
	ticker := time.NewTicker(m.beat)
	defer ticker.Stop()
	told := ""
	for {
		if m.watchdog > 0 {
			m.signOfLife(ctx)
		}
		if line := m.daemon.statusLine(); line != told && !m.stopping.Load() {
			told = line
			m.tell("STATUS=" + line)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (m *Manager) signOfLife(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, m.beat)
	defer cancel()
	switch err := m.daemon.Alive(ctx); {
	case err == nil:
		m.tell(sd.SdNotifyWatchdog)
	case !errors.Is(err, context.Canceled):
		m.daemon.log.Error("no sign of life for the watchdog", "error", err)
	}
}

// tell sends variables.
func (m *Manager) tell(variables ...string) {
	if _, err := sd.SdNotify(false, strings.Join(variables, "\n")); err != nil {
		m.daemon.log.Warn("systemd: not told", "what", variables[0], "error", err)
	}
}

// Alive returns nil when everything that a login passes on its way to Duo has answered, or at the end of ctx what has
// not.
func (d *Daemon) Alive(ctx context.Context) error {
	if err := d.server.Alive(ctx); err != nil {
		return err
	}
	answered := make(chan struct{})
	go func() {
		d.memory.Alive()
		close(answered)
	}()
	select {
	case <-answered:
		return nil
	case <-ctx.Done():
		return errors.Join(errors.New("the tables of approvals, challenges and pushes"), ctx.Err())
	}
}

// statusLine says what is served and how Duo is. It holds nothing that came from the network.
func (d *Daemon) statusLine() string {
	s := d.Status()
	parts := []string{s.Serves + " on " + strings.Join(s.Listens, ", ")}
	for _, a := range s.Duo {
		parts = append(parts, strings.Join(strings.Fields("Duo "+a.Application+" "+a.Health), " "))
	}
	return strings.Join(parts, "; ")
}

// inherit has the server use the sockets that systemd has opened for us (sd_listen_fds(3)).
func (d *Daemon) inherit() { d.server.Sockets = activation.Files(true) }

// warnUnused names the sockets that systemd has opened and nobody reads: their packets are lost without a word.
func (d *Daemon) warnUnused() {
	listens := d.Addresses()
	for _, f := range d.server.Sockets {
		name, reason := f.Name(), "it is no datagram socket"
		if conn, err := net.FilePacketConn(f); err == nil {
			name, reason = conn.LocalAddr().String(), "no [[listen]] has its address"
			conn.Close()
		}
		if !slices.ContainsFunc(listens, func(a netip.AddrPort) bool { return a.String() == name }) {
			d.log.Warn("systemd: a socket is not used", "socket", name, "reason", reason)
		}
	}
}
