package test

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// manager takes the place of systemd in a sandbox, where systemd can't run. It answers systemctl and runs the service as
// the unit's file says. If it does not know a command, the test fails.
type manager struct {
	t   testing.TB
	box *sandbox

	*notified
	log *book

	mu     sync.Mutex // guards all fields below; it is held while systemctl is answered
	asked  []string
	daemon *exec.Cmd // nsenter
	pid    int       // of the daemon; 0 means that it does not run
	ended  chan struct{}
	starts int
	addr   netip.AddrPort
}

const unitFile = "/usr/lib/systemd/system/duoradiusd.service"

// newManager installs a systemctl in the sandbox that asks the manager.
func newManager(t testing.TB, box *sandbox) *manager {
	t.Helper()
	m := &manager{t: t, box: box, notified: newNotified(t), log: newBook()}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var answering sync.WaitGroup
	answering.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			line, _ := bufio.NewReader(conn).ReadString('\n')
			fmt.Fprintf(conn, "%d\n", m.systemctl(strings.Fields(line)))
			conn.Close()
		}
	})
	t.Cleanup(func() {
		l.Close()
		answering.Wait()
		m.mu.Lock()
		defer m.mu.Unlock()
		m.stop()
	})
	if err := os.MkdirAll(box.path("/run/systemd/system"), 0o755); err != nil {
		t.Fatal(err)
	}
	box.write("/usr/bin/systemctl", fmt.Sprintf(`#!/bin/bash
exec 3<>/dev/tcp/127.0.0.1/%d
echo "$*" >&3
read -r status <&3
exit "$status"
`, l.Addr().(*net.TCPAddr).Port), 0o755)
	return m
}

// systemctl does what it is told and returns its exit status.
func (m *manager) systemctl(args []string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	asked := strings.Join(args, " ")
	m.asked = append(m.asked, asked)
	switch asked {
	case "daemon-reload":
	case "is-active --quiet duoradiusd.service":
		if m.pid == 0 {
			return 3
		}
	case "stop duoradiusd.service", "disable --now --quiet duoradiusd.socket duoradiusd.service":
		m.stop()
	case "restart duoradiusd.service":
		m.stop()
		return m.start()
	default:
		m.t.Errorf("systemctl %s: nobody here knows what that is", asked)
		return 1
	}
	return 0
}

// took returns the commands that systemctl was given since the last call.
func (m *manager) took() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer func() { m.asked = nil }()
	return m.asked
}

// stop is called with mu held.
func (m *manager) stop() {
	if m.pid == 0 {
		return
	}
	syscall.Kill(m.pid, syscall.SIGTERM)
	<-m.ended
	m.pid = 0
}

// unit returns the values that a unit gives a key, the last first.
func unit(text, key string) (values []string) {
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), key+"="); ok {
			values = slices.Insert(values, 0, v)
		}
	}
	return values
}

// start runs the unit's command line as the unit's user, with the environment that systemd gives (systemd.exec(5)). mu is
// held.
func (m *manager) start() int {
	text := m.box.read(unitFile)
	one := func(key string) string {
		values := unit(text, key)
		if len(values) != 1 {
			m.t.Errorf("%s: %s: %q, want one", unitFile, key, values)
			return ""
		}
		return values[0]
	}
	user, group := one("User"), one("Group")
	env := []string{"LANG=C.UTF-8", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "USER=" + user, "LOGNAME=" + user,
		"HOME=/var/lib/duoradiusd", "INVOCATION_ID=0123456789abcdef0123456789abcdef", "NOTIFY_SOCKET=" + m.notified.path, "WATCHDOG_USEC=600000"}
	for _, d := range []struct{ key, parent, variable string }{
		{"StateDirectory", "/var/lib/", "STATE_DIRECTORY"}, {"RuntimeDirectory", "/run/", "RUNTIME_DIRECTORY"}, {"LogsDirectory", "/var/log/", "LOGS_DIRECTORY"},
	} {
		dir := d.parent + one(d.key)
		if out, status := m.box.try("install", "-d", "-o", user, "-g", group, "-m", one(d.key+"Mode"), dir); status != 0 {
			m.t.Errorf("make %s: %s", dir, out)
		}
		env = append(env, d.variable+"="+dir)
	}
	args := []string{"setpriv", "--reuid=" + user, "--regid=" + group, "--clear-groups", "--no-new-privs", "--inh-caps=-all",
		"--bounding-set=-all", "sh", "-c", "umask " + one("UMask") + "; exec env -i \"$@\"", "sh"}
	args = append(append(args, env...), strings.Fields(one("ExecStart"))...)
	m.daemon = m.box.command(args...)
	stdout, err := m.daemon.StdoutPipe()
	if err != nil {
		m.t.Error(err)
		return 1
	}
	stderr, err := m.daemon.StderrPipe()
	if err == nil {
		err = m.daemon.Start()
	}
	if err != nil {
		m.t.Error(err)
		return 1
	}
	m.starts++
	first := make(chan string, 1)
	m.ended = make(chan struct{})
	go func() {
		out := bufio.NewReader(stdout)
		line, _ := out.ReadString('\n')
		first <- strings.TrimSuffix(line, "\n")
		m.log.fill(stderr)
		m.daemon.Wait()
		close(m.ended)
	}()
	line := <-first
	found := startLine.FindStringSubmatch(line)
	if found == nil {
		<-m.ended
		return 1
	}
	m.addr = netip.MustParseAddrPort(found[1])
	ready := 0
	if _, ok := m.wait(func(line string) bool {
		if line == "READY=1" {
			ready++
		}
		return ready == m.starts
	}); !ok {
		m.t.Errorf("started %d times, and ready %d times", m.starts, ready)
		return 1
	}
	m.pid, err = childOf(m.daemon.Process.Pid)
	if err != nil {
		m.t.Error(err)
		return 1
	}
	return 0
}
