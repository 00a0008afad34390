package radiusd

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"duoradiusd/radiusd/wire"
)

// TestSocket: what is read is what was sent, by whom, also when the next read brings fewer; what is written arrives.
func TestSocket(t *testing.T) {
	for name, wrap := range map[string]func(*net.UDPConn, bool) (socket, error){
		"many at once": newSocket,
		"one by one":   func(conn *net.UDPConn, wildcard bool) (socket, error) { return newSingleSocket(conn, wildcard), nil },
	} {
		for _, listen := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"} {
			t.Run(name+" "+listen, func(t *testing.T) {
				l := &listener{wildcard: netip.MustParseAddrPort(listen).Addr().IsUnspecified(), v6: listen[0] == '['}
				conn, err := openUDP(netip.MustParseAddrPort(listen))
				if err != nil {
					t.Skip(err)
				}
				defer conn.Close()
				if l.wildcard {
					if err := tellDestination(conn, l.v6); err != nil {
						t.Fatal(err)
					}
				}
				if l.socket, err = wrap(conn, l.wildcard); err != nil {
					t.Fatal(err)
				}
				defer l.socket.Close()
				c := l.socket
				for _, n := range []int{batchSize + 3, 2, 1, 5} {
					exchangeDatagrams(t, l, c, n)
				}
				l.socket.SetReadDeadline(time.Time{})
				ended := make(chan error, 1)
				go func() {
					_, err := c.readBatch()
					ended <- err
				}()
				l.socket.Close()
				if err := <-ended; !errors.Is(err, net.ErrClosed) {
					t.Errorf("a closed socket says %v", err)
				}
				if err := l.socket.send(message{b: []byte("x"), peer: home}); err == nil {
					t.Error("a closed socket sends")
				}
			})
		}
	}
}

// exchangeDatagrams sends n to l, from as many sockets, and each back.
func exchangeDatagrams(t *testing.T, l *listener, c socket, n int) {
	t.Helper()
	local := l.socket.localAddress()
	to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), local.Port())
	if local.Addr() == netip.IPv6Loopback() {
		to = local
	}
	senders := map[netip.AddrPort]*net.UDPConn{}
	for i := range n {
		s, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		from := s.LocalAddr().(*net.UDPAddr).AddrPort()
		senders[from] = s
		if _, err := s.Write(bytes.Repeat([]byte(from.String()), 1+i%3)); err != nil {
			t.Fatal(err)
		}
	}
	l.socket.SetReadDeadline(time.Now().Add(10 * time.Second))
	var out []message
	for len(out) < n {
		list, err := c.readBatch()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			from := netip.AddrPortFrom(m.peer.Addr().Unmap(), m.peer.Port())
			if !bytes.HasPrefix(m.b, []byte(from.String())) || senders[from] == nil {
				t.Fatalf("%q from %v", m.b, m.peer)
			}
			if dst := destination(m.control, l.v6); l.wildcard && dst.Unmap() != to.Addr() {
				t.Fatalf("it was sent to %v, not %v", dst, to)
			}
			out = append(out, message{b: fmt.Appendf(nil, "to %v", from), control: sourceControl(destination(m.control, l.v6)), peer: m.peer})
		}
	}
	for left := out; len(left) > 0; {
		n, err := c.writeBatch(left)
		if err != nil {
			t.Fatal(err)
		}
		left = left[n:]
	}
	nobody := message{b: []byte("x"), peer: netip.MustParseAddrPort("[2001:db8::1]:9")}
	c.sendBatch(slices.Insert(out, len(out)/2, nobody)) // what can't be sent keeps nothing back
	for from, s := range senders {
		s.SetReadDeadline(time.Now().Add(10 * time.Second))
		for _, by := range []string{"writeBatch", "sendBatch"} {
			b := make([]byte, 100)
			n, err := s.Read(b)
			if err != nil || string(b[:n]) != fmt.Sprintf("to %v", from) {
				t.Errorf("%v got %q by %s: %v", from, b[:n], by, err)
			}
		}
	}
}

// TestSocketTooLarge: a datagram that is larger than a packet may be is seen to be.
func TestSocketTooLarge(t *testing.T) {
	conn, err := openUDP(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	listening, err := newSocket(conn, false)
	if err != nil {
		t.Fatal(err)
	}
	defer listening.Close()
	c := listening
	s, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(listening.localAddress()))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var sizes []int
	for _, size := range []int{0, wire.MaxLength, wire.MaxLength + 1, 9000} {
		if _, err := s.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		list, err := c.readBatch()
		if err != nil || len(list) != 1 {
			t.Fatal(len(list), err)
		}
		sizes = append(sizes, len(list[0].b))
	}
	if want := []int{0, wire.MaxLength, wire.MaxLength + 1, wire.MaxLength + 1}; !slices.Equal(sizes, want) {
		t.Errorf("got %v octets, want %v", sizes, want)
	}
	// What can't be sent says so, and takes nothing with it.
	if n, err := c.writeBatch([]message{{b: []byte("x"), peer: netip.MustParseAddrPort("[2001:db8::1]:9")}}); n != 0 || err == nil {
		t.Errorf("sent %d: %v", n, err)
	}
	listening.SetReadDeadline(past)
	if _, err := c.readBatch(); err == nil {
		t.Error("read what is not there")
	}
}
