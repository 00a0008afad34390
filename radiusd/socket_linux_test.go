package radiusd

import (
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// TestQuietRingsOnce: a datagram rings the bell of a socket that was armed, and none after it until it is armed anew: then
// one that came meanwhile does.
func TestQuietRingsOnce(t *testing.T) {
	listening, err := newSocket(mustListen(t))
	if err != nil {
		t.Fatal(err)
	}
	defer listening.Close()
	sender, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(listening.local()))
	if err != nil {
		t.Fatal(err)
	}
	defer sender.Close()
	q := listening.(*quiet)
	epoll := q.bell.Fd() // nobody reads here
	send := func() {
		t.Helper()
		if _, err := sender.Write([]byte("a request")); err != nil {
			t.Fatal(err)
		}
	}
	rings := func(when string, want bool) {
		t.Helper()
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(epoll), Events: unix.POLLIN}}, 0)
		if err != nil || (n > 0) != want {
			t.Errorf("%s: it rings: %v, %v", when, n > 0, err)
		}
	}
	rings("nothing came", false)
	if q.disarm(epoll); !q.armed {
		t.Error("disarmed before it rang: it will ring once more than is known")
	}
	send()
	rings("armed", true)
	q.disarm(epoll)
	rings("disarmed", false)
	send()
	rings("another came", false)
	if err := q.arm(epoll, unix.EPOLL_CTL_MOD); err != nil || !q.armed {
		t.Fatal(err)
	}
	rings("armed again", true)
}

// TestInsist: what there is no room for is tried once more, whatever else fails is not.
func TestInsist(t *testing.T) {
	conn, err := unwatched(mustListen(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, tt := range []struct {
		answers []error
		want    error
		tries   int
	}{
		{[]error{nil}, nil, 1},
		{[]error{unix.EAGAIN, nil}, nil, 2},
		{[]error{unix.EAGAIN, unix.EAGAIN}, unix.EAGAIN, 2},
		{[]error{unix.EPERM}, unix.EPERM, 1},
	} {
		tries := 0
		got := insist(conn.Fd(), func() error {
			tries++
			return tt.answers[tries-1]
		})
		if got != tt.want || tries != tt.tries {
			t.Errorf("%v: %v after %d tries", tt.answers, got, tries)
		}
	}
}

func mustListen(t *testing.T) *net.UDPConn {
	t.Helper()
	conn, err := open(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}
