package test

import (
	"bufio"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"duoradiusd/test/fakeduo"
)

// daemon is a running duoradiusd, the real program in a process of its own.
type daemon struct {
	t     testing.TB
	duo   *fakeduo.Server
	dir   string // the folder of its configuration and all its files
	cmd   *exec.Cmd
	start string // its start line
	addr  netip.AddrPort
	log   *book
	ended chan struct{} // closed when the process is gone

	mu      sync.Mutex // guards secrets
	secrets []string   // texts that no line of the log may hold
}

// startDuo starts a fake Duo with users; it ends with the test.
func startDuo(t testing.TB, users ...fakeduo.User) *fakeduo.Server {
	t.Helper()
	duo := fakeduo.New(fakeduo.Config{})
	if err := duo.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(duo.Close)
	for _, u := range users {
		duo.SetUser(u)
	}
	return duo
}

// startDaemon starts the daemon against duo and returns when it listens. config is the TOML that the test is about, and
// complete adds the rest. Files that it names follow it, as in a txtar archive. The daemon ends with the test, which fails
// if the log holds a secret, a panic or a data race.
func startDaemon(t testing.TB, duo *fakeduo.Server, config string) *daemon {
	t.Helper()
	dir := t.TempDir()
	furnish(t, dir, duo, config)
	return launch(t, duo, dir)
}

var startLine = regexp.MustCompile(`^duoradiusd \S+ listens on udp (\S+?:\d+)(?:, .*)? \(.+\)$`)

// launch starts the daemon on the configuration in dir.
func launch(t testing.TB, duo *fakeduo.Server, dir string) *daemon {
	t.Helper()
	d := &daemon{t: t, duo: duo, dir: dir, log: newBook(), ended: make(chan struct{})}
	d.forbid(vpnSecret)
	if duo != nil {
		d.forbid(duo.SecretKey())
	}
	text, err := os.ReadFile(d.config())
	if err != nil {
		t.Fatal(err)
	}
	d.forbid(secretsIn(string(text))...)

	d.cmd = exec.Command(daemonProgram(t), "serve", "--config", d.config())
	d.cmd.Env = append(os.Environ(), "GOGC=100") // memory that is free for reuse must not look like growth
	// If a test is killed, its daemon ends, too.
	tie(d.cmd)
	stdout, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := d.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.cleanup)
	var reading sync.WaitGroup
	reading.Go(func() { d.log.fill(stderr) })
	out := bufio.NewReader(stdout)
	late := time.AfterFunc(patience, func() { d.cmd.Process.Kill() })
	line, _ := out.ReadString('\n')
	late.Stop()
	rest := newBook()
	reading.Go(func() { rest.fill(out) })
	go func() {
		reading.Wait()
		d.cmd.Wait()
		close(d.ended)
	}()
	d.start = strings.TrimSuffix(line, "\n")
	m := startLine.FindStringSubmatch(d.start)
	if m == nil {
		d.cmd.Process.Kill()
		<-d.ended
		t.Fatalf("start line %q; log:\n%s", d.start, strings.Join(d.Log(), "\n"))
	}
	if d.addr, err = netip.ParseAddrPort(m[1]); err != nil {
		t.Fatalf("start line %q: %v", d.start, err)
	}
	return d
}

// cleanup ends the process if it still runs, and checks the log for what must not be in it.
func (d *daemon) cleanup() {
	d.cmd.Process.Kill()
	<-d.ended
	lines := d.Log()
	if d.t.Failed() {
		d.t.Logf("the daemon's log:\n%s", strings.Join(lines, "\n"))
	}
	for _, line := range lines {
		for _, bug := range []string{"panic", "DATA RACE", "fatal error"} {
			if strings.Contains(line, bug) {
				d.t.Errorf("in the log: %s\n%s", bug, strings.Join(lines, "\n"))
				return
			}
		}
	}
	for _, secret := range d.secretsShown(lines) {
		d.t.Errorf("the log shows %q", secret)
	}
}

func (d *daemon) secretsShown(lines []string) (shown []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, secret := range d.secrets {
		if slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, secret) }) {
			shown = append(shown, secret)
		}
	}
	return shown
}

// forbid adds secrets that the log must not hold.
func (d *daemon) forbid(secrets ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range secrets {
		if !slices.Contains(d.secrets, s) {
			d.secrets = append(d.secrets, s)
		}
	}
}

// forbidTyped does the same for a password field, whole and in its parts. It leaves out words that are short or not secret,
// because the log may hold them.
func (d *daemon) forbidTyped(field string) {
	for _, part := range append(strings.Split(field, ","), field) {
		if len(part) >= 6 {
			d.forbid(part)
		}
	}
}

// config returns the path of the configuration.
func (d *daemon) config() string { return filepath.Join(d.dir, configFile) }

// Socket returns the path of the control socket.
func (d *daemon) Socket() string { return filepath.Join(d.dir, socketFile) }

// Addr returns the address at which the daemon listens: 127.0.0.1 and a port.
func (d *daemon) Addr() netip.AddrPort { return d.addr }

// StartLine returns the line that the daemon printed when it listened.
func (d *daemon) StartLine() string { return d.start }

// Log returns the lines that were logged so far.
func (d *daemon) Log() []string { return d.log.all() }

// WaitLog waits for a line, from the start of the log, that holds all of parts, and returns it.
func (d *daemon) WaitLog(parts ...string) string {
	d.t.Helper()
	line, ok := d.log.wait(func(line string) bool {
		return !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(line, p) })
	})
	if !ok {
		d.t.Fatalf("no line of the log holds %q:\n%s", parts, strings.Join(d.Log(), "\n"))
	}
	return line
}

// Signal sends a signal.
func (d *daemon) Signal(s os.Signal) {
	d.t.Helper()
	if err := d.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		d.t.Fatal(err)
	}
}

// Wait waits for the process to end and returns its exit status, or -1 if a signal ended it.
func (d *daemon) Wait() int {
	d.t.Helper()
	select {
	case <-d.ended:
	case <-time.After(patience):
		d.t.Fatalf("the daemon does not end; log:\n%s", strings.Join(d.Log(), "\n"))
	}
	return d.cmd.ProcessState.ExitCode()
}

// Stop ends the daemon by SIGTERM.
func (d *daemon) Stop() {
	d.t.Helper()
	d.Signal(syscall.SIGTERM)
	if status := d.Wait(); status != 0 {
		d.t.Fatalf("exit status %d; log:\n%s", status, strings.Join(d.Log(), "\n"))
	}
}

// Rewrite replaces the configuration. The daemon does not notice this by itself.
func (d *daemon) Rewrite(config string) {
	d.t.Helper()
	furnish(d.t, d.dir, d.duo, config)
	text, err := os.ReadFile(d.config())
	if err != nil {
		d.t.Fatal(err)
	}
	d.forbid(secretsIn(string(text))...)
}

// Reload replaces the configuration, sends SIGHUP and waits until the new one is in effect or refused; taken says which.
func (d *daemon) Reload(config string) (taken bool) {
	d.t.Helper()
	d.Rewrite(config)
	before := len(d.Log())
	seen := 0
	d.Signal(syscall.SIGHUP)
	line, ok := d.log.wait(func(line string) bool {
		seen++
		return seen > before && strings.Contains(line, `msg="reload: `)
	})
	if !ok {
		d.t.Fatalf("no reload; log:\n%s", strings.Join(d.Log(), "\n"))
	}
	return strings.Contains(line, "the new configuration is in force")
}

// Do runs a command of duoradiusd that speaks to this daemon, and returns what it printed and its exit status.
func (d *daemon) Do(command string, args ...string) (stdout, stderr string, status int) {
	d.t.Helper()
	return run(d.t, "", daemonProgram(d.t), append([]string{command, "--socket", d.Socket()}, args...)...)
}

// String returns a text for messages.
func (d *daemon) String() string {
	return fmt.Sprintf("duoradiusd at %v, process %d", d.addr, d.cmd.Process.Pid)
}
