package test

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"duoradiusd/test/fakeduo"
	"duoradiusd/test/nas"
)

// netns is a network namespace of this test, which is removed at its end.
type netns struct {
	t    testing.TB
	name string
	file *os.File
}

var netnsNumber atomic.Int32

// sweep removes the namespaces of tests that were killed.
var sweep = sync.OnceFunc(func() {
	left, _ := filepath.Glob("/run/netns/duoradiusd-test-*-*")
	for _, path := range left {
		name := filepath.Base(path)
		var pid int
		if _, err := fmt.Sscanf(name, "duoradiusd-test-%d-", &pid); err == nil && unix.Kill(pid, 0) == unix.ESRCH {
			exec.Command("ip", "netns", "del", name).Run()
		}
	}
})

func newNetns(t testing.TB, what string) *netns {
	t.Helper()
	sweep()
	n := &netns{t: t, name: fmt.Sprintf("duoradiusd-test-%d-%d-%s", os.Getpid(), netnsNumber.Add(1), what)}
	if out, err := exec.Command("ip", "netns", "add", n.name).CombinedOutput(); err != nil {
		noNetns(t, fmt.Sprintf("ip netns add: %v: %s", err, bytes.TrimSpace(out)))
	}
	t.Cleanup(func() {
		if n.file != nil {
			n.file.Close()
		}
		if out, err := exec.Command("ip", "netns", "del", n.name).CombinedOutput(); err != nil {
			t.Errorf("ip netns del: %v: %s", err, out)
		}
	})
	file, err := os.Open(filepath.Join("/run/netns", n.name))
	if err != nil {
		t.Fatal(err)
	}
	n.file = file
	n.ip("link set lo up")
	return n
}

// noNetns skips a test, or fails it if no test may be skipped.
func noNetns(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("REQUIRE_REAL_CLIENTS") == "1" {
		t.Fatalf("no network namespaces, and REQUIRE_REAL_CLIENTS=1: %s", why)
	}
	t.Skip("no network namespaces: " + why)
}

// ip runs the program ip in the namespace.
func (n *netns) ip(args string) {
	n.t.Helper()
	c := exec.Command("ip", append([]string{"-n", n.name}, strings.Fields(args)...)...)
	if out, err := c.CombinedOutput(); err != nil {
		n.t.Fatalf("ip %s: %v: %s", args, err, out)
	}
}

// do runs f in the namespace: sockets that f opens and programs that it starts stay there.
func (n *netns) do(f func()) {
	n.t.Helper()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		n.t.Fatal(err)
	}
	defer home.Close()
	runtime.LockOSThread()
	// A thread that can't return to its own namespace must not be used again. It stays locked and ends with its goroutine.
	if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
		n.t.Fatal(err)
	}
	defer func() {
		if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
			n.t.Errorf("back from a network namespace: %v", err)
			return
		}
		runtime.UnlockOSThread()
	}()
	f()
}

// site is a host with a daemon, and a cable to another host with a NAS.
type site struct {
	server, client *netns
	wire           string // the name of the client's end of the cable
	duo            *fakeduo.Server
	*daemon
}

// These are the addresses of both ends of the cable.
var (
	serverAddrs = []string{"10.77.0.1", "10.77.0.2", "fd77::1", "fd77::2"}
	clientAddrs = []string{"10.77.0.10", "fd77::10"}
)

const (
	serverLocal = "fe80::77:1"
	clientLocal = "fe80::77:10"
)

// newSite makes both hosts, a cable between them, and a daemon on one of them.
func newSite(t *testing.T, config string, users ...fakeduo.User) *site {
	t.Helper()
	if os.Geteuid() != 0 {
		noNetns(t, "not root")
	}
	realClient(t, "ip")
	daemonProgram(t) // the daemon is built outside of the namespace
	s := &site{server: newNetns(t, "server"), client: newNetns(t, "client")}
	near := fmt.Sprintf("s%d", netnsNumber.Load())
	s.wire = fmt.Sprintf("c%d", netnsNumber.Load())
	s.server.ip("link add " + near + " type veth peer name " + s.wire + " netns " + s.client.name)
	s.server.raise(near, append(serverAddrs, serverLocal))
	s.client.raise(s.wire, append(clientAddrs, clientLocal))
	s.server.do(func() {
		s.duo = startDuo(t, users...)
		s.daemon = startDaemon(t, s.duo, config)
	})
	return s
}

// raise gives an interface its addresses. The kernel adds none, and does not check for a second whether others have them.
func (n *netns) raise(link string, addresses []string) {
	n.t.Helper()
	n.ip("link set " + link + " addrgenmode none up")
	for _, a := range addresses {
		if addr := netip.MustParseAddr(a); addr.Is4() {
			n.ip("addr add " + a + "/24 dev " + link)
		} else {
			n.ip("addr add " + a + "/64 dev " + link + " nodad")
		}
	}
}

// dial opens a NAS on the client's host. Its replies must come from the address that it asks.
func (s *site) dial(t testing.TB, server string) (n *nas.NAS) {
	t.Helper()
	s.client.do(func() {
		var err error
		if n, err = nas.Dial(netip.MustParseAddrPort(server), netip.AddrPort{}); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { n.Close() })
	return n
}

// ask sends one request and requires a reply of this code. It runs on the client's host, where the zone is defined.
func (s *site) ask(t testing.TB, n *nas.NAS, r *nas.Request, code byte) (b []byte) {
	t.Helper()
	s.client.do(func() {
		if err := n.Send(r.Bytes()); err != nil {
			t.Fatal(err)
		}
		b = s.await(t, n, r, code)
	})
	return b
}

func (s *site) await(t testing.TB, n *nas.NAS, r *nas.Request, code byte) []byte {
	t.Helper()
	b, err := n.Receive(patience)
	if err != nil {
		t.Fatal(err)
	}
	p, err := r.Verify(b)
	if err != nil {
		t.Fatal(err)
	}
	if p.Code != code {
		t.Fatalf("got %v, want code %d", p, code)
	}
	return b
}
