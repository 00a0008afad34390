package shared_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/shared"
)

// realRedis is Debian's redis-server on loopback.
type realRedis struct {
	t    *testing.T
	addr string
	args []string
	cmd  *exec.Cmd
}

func runRedis(t *testing.T, args ...string) *realRedis {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("REQUIRE_REAL_CLIENTS") == "1" {
			t.Fatal("redis-server is not installed")
		}
		t.Skip("redis-server is not installed")
	}
	port := freePort(t)
	r := &realRedis{t: t, addr: fmt.Sprint("127.0.0.1:", port), args: append([]string{"--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir()}, args...)}
	r.start()
	t.Cleanup(r.kill)
	return r
}

func (r *realRedis) start() {
	r.t.Helper()
	r.cmd = exec.Command("redis-server", r.args...)
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	eventually(r.t, "redis-server listens", func() bool {
		c, err := net.Dial("tcp", r.addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

func (r *realRedis) kill() {
	if r.cmd != nil {
		r.cmd.Process.Kill()
		r.cmd.Wait()
		r.cmd = nil
	}
}

func (r *realRedis) signal(s syscall.Signal) { r.cmd.Process.Signal(s) }

// cli sends a command to the server, and returns what it says.
func (r *realRedis) cli(args ...string) string {
	r.t.Helper()
	_, port, _ := net.SplitHostPort(r.addr)
	out, err := exec.Command("redis-cli", append([]string{"-p", port}, args...)...).CombinedOutput()
	if err != nil {
		r.t.Fatalf("redis-cli %v: %v: %s", args, err, out)
	}
	return string(out)
}

// freePort returns a TCP port of loopback that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// TestK83_RealServer: whatever becomes of the server, a login waits no longer than two operations may take, gets in by a
// push of its own, and the store is used again afterwards.
func TestK83_RealServer(t *testing.T) {
	if testing.Short() {
		t.Skip("restarts a server several times")
	}
	faults := map[string]struct{ begin, end func(*realRedis) }{
		"killed, then empty": {(*realRedis).kill, (*realRedis).start},
		"hangs":              {func(r *realRedis) { r.signal(syscall.SIGSTOP) }, func(r *realRedis) { r.signal(syscall.SIGCONT) }},
		"out of memory":      {func(r *realRedis) { r.cli("config", "set", "maxmemory", "1") }, func(r *realRedis) { r.cli("config", "set", "maxmemory", "0") }},
		"read-only":          {func(r *realRedis) { r.cli("replicaof", "127.0.0.1", "1") }, func(r *realRedis) { r.cli("replicaof", "no", "one") }},
		"scripts forgotten":  {func(r *realRedis) { r.cli("script", "flush") }, func(*realRedis) {}},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			r, duo := runRedis(t), newDuo()
			a := start(t, "a", r.addr, duo)
			approve(t, a, duo, "alice")
			fault.begin(r)
			began := time.Now()
			v := a.login("bob")
			select {
			case got := <-v:
				if got.Outcome != policy.OutcomeAccept {
					t.Errorf("%v %s %v", got.Outcome, got.Reason, got.Err)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("no verdict")
			}
			if took, most := time.Since(began), 2*500*time.Millisecond+500*time.Millisecond; took > most {
				t.Errorf("the login took %v; want %v at most", took, most)
			}
			fault.end(r)
			eventually(t, "the store is used again", func() bool { return a.cluster.Counters().Up })
			b := start(t, "b", r.addr, duo)
			approve(t, a, duo, "carol")
			wants(t, "b", b.login("carol"), policy.OutcomeAccept, policy.ReasonRemembered)
			if _, _, err := a.cluster.Probe(t.Context()); err != nil {
				t.Errorf("a round trip with each script: %v", err)
			}
		})
	}
}

// TestK83_Password: a wrong password is an outage like any other, and is said.
func TestK83_Password(t *testing.T) {
	r, duo := runRedis(t, "--requirepass", "right"), newDuo()
	a := start(t, "a", r.addr, duo, func(c *shared.Config) { c.Password = "wrong" })
	approve(t, a, duo, "alice")
	if c := a.cluster.Counters(); c.Up || c.Error == "" {
		t.Errorf("%+v", c)
	}
	b := start(t, "b", r.addr, duo, func(c *shared.Config) { c.Password = "right" })
	if !b.cluster.Counters().Up {
		t.Error(b.cluster.Counters().Error)
	}
}

// TestK83_Unix: the server on a socket of this machine, and one that is not there when the daemon starts (K75).
func TestK83_Unix(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "r.sock")
	duo := newDuo()
	a := start(t, "a", "", duo, func(c *shared.Config) { c.Network, c.Address = "unix", socket })
	approve(t, a, duo, "alice")
	runRedis(t, "--unixsocket", socket)
	eventually(t, "a has the store", func() bool { return a.cluster.Counters().Up })
	approve(t, a, duo, "bob")
	wants(t, "a", a.login("bob"), policy.OutcomeAccept, policy.ReasonRemembered)
}
