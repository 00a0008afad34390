package radiusd

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestTrain(t *testing.T) {
	other := netip.AddrPortFrom(home.Addr(), home.Port()+1)
	short, long := make([]byte, 38), make([]byte, longestCar+1)
	reply := message{b: short, peer: home}
	for name, tt := range map[string]struct {
		list []message
		want int
	}{
		"one":                {[]message{reply}, 1},
		"alike":              {[]message{reply, reply, reply}, 3},
		"another client":     {[]message{reply, reply, {b: short, peer: other}, reply}, 2},
		"another length":     {[]message{reply, {b: short[1:], peer: home}, reply}, 1},
		"another address":    {[]message{reply, {b: short, peer: home, oob: []byte{1}}}, 1},
		"the same address":   {[]message{{b: short, peer: home, oob: []byte{1}}, {b: short, peer: home, oob: []byte{1}}}, 2},
		"the second again":   {[]message{reply, {b: short, peer: home, again: true}, reply}, 1},
		"the first again":    {[]message{{b: short, peer: home, again: true}, reply, reply}, 1},
		"longer than can be": {[]message{{b: long, peer: home}, {b: long, peer: home}}, 1},
	} {
		if got := train(tt.list); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}

// depot is a socket on address, and a client that has sent to it what it is to reply to.
type depot struct {
	*testing.T
	q      *quiet
	m      *mmsg
	client *net.UDPConn
	peer   netip.AddrPort // the client, as the socket has it
	oob    []byte         // to reply from the address that was asked
}

func newDepot(t *testing.T, address, asked string) *depot {
	t.Helper()
	conn, err := open(netip.MustParseAddrPort(address))
	if err != nil {
		t.Skip(err)
	}
	local := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	l := &listener{wildcard: local.Addr().IsUnspecified(), v6: local.Addr().Is6()}
	if err := l.takeOver(conn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.socket.Close() })
	client, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(asked), local.Port())))
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { client.Close() })
	if _, err := client.Write([]byte("a request")); err != nil {
		t.Fatal(err)
	}
	d := &depot{T: t, q: l.socket.(*quiet), client: client}
	d.m = d.q.batches(l.wildcard).(*mmsg)
	d.q.SetReadDeadline(time.Now().Add(10 * time.Second))
	list, err := d.m.read()
	if err != nil {
		t.Fatal(err)
	}
	d.peer, d.oob = list[0].peer, source(l.destination(list[0].oob))
	return d
}

// sends sends replies of these lengths, wants so many trains, and each reply as a datagram of its own, in order.
func (d *depot) sends(trains int, lengths ...int) {
	d.Helper()
	var list []message
	for i, n := range lengths {
		list = append(list, message{b: bytes.Repeat([]byte{byte('a' + i)}, n), peer: d.peer, oob: d.oob})
	}
	left := 0
	for rest := list; len(rest) > 0; {
		n, err := d.m.write(rest)
		if err != nil {
			d.Fatal(err)
		}
		rest = rest[n:]
		left += d.m.out.n
	}
	if left != trains {
		d.Errorf("%v: %d trains, want %d", lengths, left, trains)
	}
	b := make([]byte, 2000)
	for i, m := range list {
		d.client.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, err := d.client.Read(b) // a connected socket: from the address that was asked
		if err != nil || !bytes.Equal(b[:n], m.b) {
			d.Fatalf("%v: the %d. is %q, %v", lengths, i, b[:n], err)
		}
	}
}

// TestTrainsArrive: each reply of a train is a datagram of its own, from the address that was asked.
func TestTrainsArrive(t *testing.T) {
	for _, tt := range []struct{ listen, asked string }{
		{"127.0.0.1:0", "127.0.0.1"},
		{"0.0.0.0:0", "127.0.3.4"},
		{"[::]:0", "127.0.3.4"},
		{"[::]:0", "::1"},
		{"[::1]:0", "::1"},
	} {
		t.Run(tt.listen+" "+tt.asked, func(t *testing.T) {
			d := newDepot(t, tt.listen, tt.asked)
			if !d.q.trains.Load() {
				t.Skip("this system has no trains")
			}
			d.sends(1, 38)
			d.sends(1, 38, 38, 38)
			d.sends(3, 38, 38, 60, 60, 60, 20)
			d.sends(3, longestCar+1, longestCar+1, longestCar, longestCar)
			d.sends(1, slices.Repeat([]int{longestCar}, atOnce)...)
			d.sends(atOnce, slices.Repeat([]int{38, 39}, atOnce/2)...)
			d.sends(1, 38, 38)
			d.q.trains.Store(false)
			d.sends(3, 38, 38, 38)
		})
	}
}

// TestDerailed: where the way to a client has no trains, the replies go alone, this time and from then on.
func TestDerailed(t *testing.T) {
	runtime.LockOSThread() // for good: the thread ends with the test
	skip := t.Skip
	if os.Getenv("REQUIRE_REAL_CLIENTS") != "" {
		skip = t.Fatal
	}
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		skip("no network namespaces here:", err)
	}
	if b, err := exec.Command("ip", "link", "set", "lo", "up", "mtu", "300").CombinedOutput(); err != nil {
		skip(err, string(b))
	}
	d := newDepot(t, "0.0.0.0:0", "127.0.0.1")
	if !d.q.trains.Load() {
		t.Skip("this system has no trains")
	}
	d.sends(1, 200, 200, 200)
	if !d.q.trains.Load() {
		t.Error("no more trains after one that fitted the network")
	}
	d.sends(5, 38, 400, 400, 400, 38)
	if d.q.trains.Load() {
		t.Error("trains go on, although the network takes none")
	}
	d.sends(3, 38, 38, 38)
}

// TestRunsTrains: a socket that is no UDP socket has none, as that of a system that knows nothing of them.
func TestRunsTrains(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	raw, err := ln.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if runsTrains(raw) {
		t.Error("a TCP socket has trains")
	}
}
