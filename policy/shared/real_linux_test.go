package shared_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"duoradiusd/policy"
)

// realRedis is Debian's redis-server on the loopback address.
type realRedis struct {
	t    *testing.T
	addr string
	args []string
	user []string // the options of redis-cli that name its user
	path *path    // that the packets of the daemons take; nil means that they connect directly
	cmd  *exec.Cmd
}

func init() {
	realServer = func(t *testing.T) *server {
		r := runRedis(t)
		s := newServer(t, r.addr)
		s.down, s.up = func() { r.signal(syscall.SIGSTOP) }, func() { r.signal(syscall.SIGCONT) }
		return s
	}
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
	waitForListener(r.t, r.addr)
}

// waitForListener waits until a program listens on address.
func waitForListener(t *testing.T, address string) {
	t.Helper()
	eventually(t, "a program listens on "+address, func() bool {
		c, err := net.Dial("tcp", address)
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

// cli sends a command to the server, and returns the answer.
func (r *realRedis) cli(args ...string) string {
	r.t.Helper()
	out, err := r.tryCLI(args...)
	if err != nil {
		r.t.Fatalf("redis-cli %v: %v: %s", args, err, out)
	}
	return out
}

// tryCLI is cli for a server that may close the connection, as one does that becomes the primary.
func (r *realRedis) tryCLI(args ...string) (string, error) {
	_, port, _ := net.SplitHostPort(r.addr)
	out, err := exec.Command("redis-cli", slices.Concat([]string{"-p", port}, r.user, args)...).CombinedOutput()
	return string(out), err
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

// TestK83_Faults: whatever happens to the server while a push is open, that push answers all logins that wait for it. A
// login that begins meanwhile waits no longer than two operations may take, and begins its own push. When the server
// answers again, a daemon that starts then finds the open pushes.
func TestK83_Faults(t *testing.T) {
	if testing.Short() {
		t.Skip("stops and starts several servers")
	}
	faults := map[string]struct{ begin, end func(*realRedis) }{
		"killed, then empty": {(*realRedis).kill, (*realRedis).start},
		"hangs":              {func(r *realRedis) { r.signal(syscall.SIGSTOP) }, func(r *realRedis) { r.signal(syscall.SIGCONT) }},
		"packets dropped":    {func(r *realRedis) { r.path.drop() }, func(r *realRedis) { r.path.pass() }},
		"out of memory":      {func(r *realRedis) { r.cli("config", "set", "maxmemory", "1") }, func(r *realRedis) { r.cli("config", "set", "maxmemory", "0") }},
		"read-only":          {func(r *realRedis) { r.cli("replicaof", "127.0.0.1", "1") }, func(r *realRedis) { r.cli("replicaof", "no", "one") }},
		"another password": {func(r *realRedis) {
			r.cli("config", "set", "requirepass", "another")
			r.user = []string{"--no-auth-warning", "-a", "another"}
			r.cli("client", "kill", "type", "normal")
		}, func(r *realRedis) { r.cli("config", "set", "requirepass", "") }},
		"emptied":           {func(r *realRedis) { r.cli("flushall") }, func(*realRedis) {}},
		"scripts forgotten": {func(r *realRedis) { r.cli("script", "flush") }, func(*realRedis) {}},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, duo := runRedis(t, "--maxmemory-policy", "noeviction"), newDuo()
			r.path = newPath(t, r.addr)
			a, b := start(t, "a", r.path.addr, duo, quickly), start(t, "b", r.path.addr, duo, quickly)
			waiting := []<-chan policy.Verdict{a.login("alice")}
			eventually(t, "alice's phone rings", func() bool { return duo.ringsOf("alice") == 1 })
			waiting = append(waiting, b.login("alice"))
			eventually(t, "b follows", func() bool { return b.memory.Counts().Transactions == 1 })

			fault.begin(r)
			began := time.Now()
			waiting = append(waiting, a.login("bob"))
			eventually(t, "bob's phone rings", func() bool { return duo.ringsOf("bob") == 1 })
			if took, most := time.Since(began), 2*500*time.Millisecond+500*time.Millisecond; took > most {
				t.Errorf("it took %v until bob's phone rang; want %v at most", took, most)
			}
			fault.end(r)
			for _, d := range []*daemon{a, b} {
				eventually(t, "the store is used again", func() bool { return d.cluster.Counters().Up })
			}
			s := newServer(t, r.addr)
			eventually(t, "both pushes are in the store", func() bool { return len(s.keys("join")) == 2 && len(s.keys("lease")) == 2 })
			c := start(t, "c", r.path.addr, duo, quickly)
			waiting = append(waiting, c.login("alice"), c.login("bob"))
			eventually(t, "c follows", func() bool { return c.memory.Counts().Transactions == 2 })
			duo.allows()
			for _, v := range waiting {
				wants(t, "all", v, policy.OutcomeAccept, policy.ReasonApproved)
			}
			if duo.ringsOf("alice") != 1 || duo.ringsOf("bob") != 1 {
				t.Errorf("the phones rang %v times", duo.ofUser)
			}
			wants(t, "b", b.login("bob"), policy.OutcomeAccept, policy.ReasonRemembered)
			if _, _, err := a.cluster.Probe(t.Context()); err != nil {
				t.Errorf("a round trip with each script: %v", err)
			}
		})
	}
}

// path is the network between the daemons and a server. A packet that it drops is sent again, as in TCP.
type path struct {
	addr  string
	delay time.Duration // of each way
	mu    sync.RWMutex  // held while packets are dropped
}

func (p *path) drop() { p.mu.Lock() }
func (p *path) pass() { p.mu.Unlock() }

func newPath(t *testing.T, to string) *path {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &path{addr: l.Addr().String()}
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	t.Cleanup(func() {
		stop()
		l.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.carry(ctx, from, to) })
		}
	})
	return p
}

func (p *path) carry(ctx context.Context, from net.Conn, addr string) {
	defer from.Close()
	to, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer to.Close()
	defer context.AfterFunc(ctx, func() { from.Close(); to.Close() })()
	var wg sync.WaitGroup
	for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
		wg.Go(func() {
			b := make([]byte, 1<<16)
			for {
				n, err := way[0].Read(b)
				if err == nil {
					time.Sleep(p.delay)
					p.mu.RLock()
					_, err = way[1].Write(b[:n])
					p.mu.RUnlock()
				}
				if err != nil {
					from.Close()
					to.Close()
					return
				}
			}
		})
	}
	wg.Wait()
}
