package daemon

import (
	"context"
	"errors"
	"fmt"
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

// Manager is the service manager that started the daemon, if it wants to be told of the daemon's state by sd_notify(3). Without
// such a manager the methods do nothing.
type Manager struct {
	daemon   *Daemon
	watchdog time.Duration // the manager restarts the daemon after this time without a sign of life; 0: never
	beat     time.Duration // how often Watch sends something
	stopping atomic.Bool
}

// statusEvery is how often STATUS is sent.
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

// Ready tells the manager that the daemon listens and its configuration is in force, at the start and after Reloading.
func (m *Manager) Ready() { m.tell(sd.SdNotifyReady, "STATUS="+m.daemon.statusLine()) }

// Reloading tells the manager that a new configuration is being read. Ready must follow, whether or not it is put into force.
func (m *Manager) Reloading() {
	m.tell(sd.SdNotifyReloading, strings.TrimSpace(sd.SdNotifyMonotonicUsec()))
}

// Stopping tells the manager that the daemon is ending.
func (m *Manager) Stopping() {
	m.stopping.Store(true)
	m.tell(sd.SdNotifyStopping, "STATUS=ending: pending logins get their answer first")
}

// Watch tells the manager the daemon's status until ctx ends. To a manager with a watchdog it sends a sign of life, but only
// if Alive says that a login would be answered: a loop that merely goes on would hide that the daemon no longer works.
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
		m.daemon.log.Error("systemd: the watchdog gets no sign of life, because a part of the daemon does not answer", "error", err)
	}
}

// tell sends variables to the manager.
func (m *Manager) tell(variables ...string) {
	if _, err := sd.SdNotify(false, strings.Join(variables, "\n")); err != nil {
		m.daemon.log.Warn("systemd: the daemon's state could not be sent", "what", variables[0], "error", err)
	}
}

// Alive returns nil when everything that a login passes on its way to Duo has answered. If ctx ends first, it returns what has
// not answered.
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
		return fmt.Errorf("the tables of approvals, challenges and pushes do not answer: %w", ctx.Err())
	}
}

// statusLine describes what is served and Duo's health. It holds nothing that came from the network.
func (d *Daemon) statusLine() string {
	s := d.Status()
	parts := []string{s.Serves + " on " + strings.Join(s.Listens, ", ")}
	for _, a := range s.Duo {
		parts = append(parts, strings.Join(strings.Fields("Duo "+a.Application+" "+a.Health), " "))
	}
	return strings.Join(parts, "; ")
}

// inherit gives the server the sockets that systemd has opened for this process (sd_listen_fds(3)).
func (d *Daemon) inherit() { d.server.Sockets = activation.Files(true) }

// warnUnused logs the sockets that systemd has opened and nobody reads. Their packets are lost.
func (d *Daemon) warnUnused() {
	listens := d.Addresses()
	for _, f := range d.server.Sockets {
		name, reason := f.Name(), "it is not a datagram socket"
		if conn, err := net.FilePacketConn(f); err == nil {
			name, reason = conn.LocalAddr().String(), "no [[listen]] has its address"
			conn.Close()
		}
		if !slices.ContainsFunc(listens, func(a netip.AddrPort) bool { return a.String() == name }) {
			d.log.Warn("systemd: a socket is not used", "socket", name, "reason", reason)
		}
	}
}
