package radiusd_test

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"duoradiusd/radiusd"
	"duoradiusd/test/nas"
)

// hosts are two network namespaces that a cable connects. The test's thread is in one of them at a time. A socket stays in
// the namespace in which it was opened.
type hosts struct {
	t              *testing.T
	server, client *os.File
}

// newHosts gives the server 10.9.0.1, .2 and .3, fd09::1 and ::2, and fe80::a on "wire"; the client 10.9.0.9, fd09::9 and
// fe80::b. It skips the test where that is not allowed.
func newHosts(t *testing.T) *hosts {
	t.Helper()
	runtime.LockOSThread() // the thread is never unlocked, so it ends with the test
	h := &hosts{t: t}
	h.server, h.client = h.namespace(), h.namespace()
	// The interface has an index of its own, the same on both sides, because package net remembers the names of indices for
	// all namespaces.
	h.ip("link add wire index 7777 type veth peer name far index 7778")
	h.ip(fmt.Sprintf("link set far netns /proc/%d/fd/%d index 7777", os.Getpid(), h.server.Fd()))
	h.ip("addr add 10.9.0.9/24 dev wire", "addr add fd09::9/64 dev wire nodad", "link set wire addrgenmode none", "link set wire up",
		"addr add fe80::b/64 dev wire nodad")
	h.enter(h.server)
	h.ip("link set far name wire", "addr add 10.9.0.1/24 dev wire", "addr add 10.9.0.2/24 dev wire", "addr add 10.9.0.3/32 dev wire",
		"addr add fd09::1/64 dev wire nodad", "addr add fd09::2/64 dev wire nodad", "link set wire addrgenmode none", "link set wire up",
		"addr add fe80::a/64 dev wire nodad")
	return h
}

func (h *hosts) namespace() *os.File {
	h.t.Helper()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		h.skip("no network namespaces here:", err)
	}
	f, err := os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
	if err != nil {
		h.skip(err)
	}
	h.t.Cleanup(func() { f.Close() })
	return f
}

// skip fails instead where the environment says that all tests must run.
func (h *hosts) skip(why ...any) {
	h.t.Helper()
	if os.Getenv("REQUIRE_REAL_CLIENTS") != "" {
		h.t.Fatal(why...)
	}
	h.t.Skip(why...)
}

func (h *hosts) enter(namespace *os.File) {
	h.t.Helper()
	if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err != nil {
		h.t.Fatal(err)
	}
}

func (h *hosts) ip(commands ...string) {
	h.t.Helper()
	for _, c := range commands {
		if b, err := exec.Command("ip", strings.Fields(c)...).CombinedOutput(); err != nil {
			h.skip("ip", c, err, string(b))
		}
	}
}

// TestC5_C6_Acceptance12_BetweenHosts: on a host with several addresses, replies leave from the one that was asked.
func TestC5_C6_Acceptance12_BetweenHosts(t *testing.T) {
	h := newHosts(t)
	for _, tt := range []struct {
		listen string
		asked  []string
	}{
		{"0.0.0.0:0", []string{"10.9.0.1", "10.9.0.2"}},
		{"[::]:0", []string{"10.9.0.1", "10.9.0.2", "fd09::1", "fd09::2", "fe80::a%wire"}},
		{"[fe80::a%wire]:0", []string{"fe80::a%wire"}},
		{"[fd09::2]:0", []string{"fd09::2"}},
		{"10.9.0.2:0", []string{"10.9.0.2"}},
	} {
		h.enter(h.server)
		d := open(t, house{decide: always(accept), listen: tt.listen, clients: []*radiusd.Client{client(
			func(c *radiusd.Client) {
				c.Addresses = []netip.Prefix{netip.MustParsePrefix("10.9.0.9/32"), netip.MustParsePrefix("fd09::9/128"),
					netip.MustParsePrefix("fe80::b/128")}
			})}})
		h.enter(h.client)
		for _, asked := range tt.asked {
			local := map[bool]string{true: "::", false: "0.0.0.0"}[strings.Contains(asked, ":")]
			n := dial(t, netip.AddrPortFrom(netip.MustParseAddr(asked), d.address.Port()), local)
			p, err := n.Exchange(t.Context(), login(), nas.Retransmit{Every: patience / 10, Copies: 3})
			if err != nil || p.Code != nas.CodeAccessAccept {
				t.Errorf("%s asked at %s: %v, %v", tt.listen, asked, p, err)
				continue
			}
			d.wants(nas.CodeAccessAccept, n, nas.StatusServer(secret))
		}
	}
}
