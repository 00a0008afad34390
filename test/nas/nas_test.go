package nas

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// server is the other end, moved by the test itself.
type server struct {
	t    *testing.T
	conn *net.UDPConn
	nas  netip.AddrPort // where the last request came from
}

// pair returns a server and a NAS that knows it.
func pair(t *testing.T) (*server, *NAS) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	n, err := Dial(conn.LocalAddr().(*net.UDPAddr).AddrPort(), netip.AddrPort{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return &server{t: t, conn: conn}, n
}

// meanwhile runs f beside the test; the func that it returns waits for it.
func (s *server) meanwhile(f func()) func() {
	var wg sync.WaitGroup
	wg.Go(f)
	return wg.Wait
}

func (s *server) receive() []byte {
	s.t.Helper()
	b := make([]byte, maxPacket)
	s.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	size, from, err := s.conn.ReadFromUDPAddrPort(b)
	if err != nil {
		s.t.Error(err)
	}
	s.nas = from
	return b[:size]
}

func (s *server) send(b []byte) {
	s.t.Helper()
	if _, err := s.conn.WriteToUDPAddrPort(b, s.nas); err != nil {
		s.t.Error(err)
	}
}

// asked returns a request that is signed and has its Authenticator, so that a test can answer it from aside.
func asked() *Request {
	r := AccessRequest("secret", "jo", "hunter2").Sign(First)
	r.Bytes()
	return r
}

func accepted(r *Request) []byte { return answered(r, CodeAccessAccept, unsigned) }

var patient = Retransmit{Every: 5 * time.Second}

func TestExchange(t *testing.T) {
	s, n := pair(t)
	r := asked()
	wait := s.meanwhile(func() {
		if got := s.receive(); !bytes.Equal(got, r.Bytes()) {
			t.Errorf("the server got % x", got)
		}
		s.send(accepted(r))
	})
	p, err := n.Exchange(t.Context(), r, patient)
	wait()
	if err != nil || p.Code != CodeAccessAccept {
		t.Errorf("got %v, %v; want Access-Accept", p, err)
	}
	if n.LocalAddr().Port() != s.nas.Port() {
		t.Errorf("sent from %v, local %v", s.nas, n.LocalAddr())
	}
}

// TestExchangeRetransmits: the copies are the same octets, and their late replies no matter.
func TestExchangeRetransmits(t *testing.T) {
	s, n := pair(t)
	r := asked()
	wait := s.meanwhile(func() {
		for range 3 {
			if got := s.receive(); !bytes.Equal(got, r.Bytes()) {
				t.Errorf("a copy differs: % x", got)
			}
		}
		for range 3 {
			s.send(accepted(r))
		}
	})
	if _, err := n.Exchange(t.Context(), r, Retransmit{Every: 50 * time.Millisecond, Copies: 100}); err != nil {
		t.Fatal(err)
	}
	wait()
	for _, next := range []*Request{asked(), asked()} {
		wait := s.meanwhile(func() {
			s.receive() // a fourth copy, perhaps
			s.send(answered(next, CodeAccessReject, unsigned))
		})
		p, err := n.Exchange(t.Context(), next, patient)
		wait()
		if err != nil || p.Code != CodeAccessReject {
			t.Errorf("after late replies: got %v, %v; want Access-Reject", p, err)
		}
	}
}

func TestExchangeGivesUp(t *testing.T) {
	s, n := pair(t)
	r := asked()
	_, err := n.Exchange(t.Context(), r, Retransmit{Every: 20 * time.Millisecond, Copies: 3})
	if !errors.Is(err, ErrNoReply) {
		t.Errorf("got %v, want ErrNoReply", err)
	}
	for range 3 {
		s.receive()
	}
	s.conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if size, _, err := s.conn.ReadFromUDPAddrPort(make([]byte, maxPacket)); err == nil {
		t.Errorf("a fourth copy of %d octets", size)
	}

	// The reply comes when nobody waits any more: what is asked next goes past it.
	s.send(accepted(r))
	next := asked()
	s.send(answered(next, CodeAccessReject, unsigned))
	if p, err := n.Exchange(t.Context(), next, patient); err != nil || p.Code != CodeAccessReject {
		t.Errorf("after a late reply: got %v, %v; want Access-Reject", p, err)
	}
}

func TestExchangeContext(t *testing.T) {
	_, n := pair(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := n.Exchange(ctx, asked(), Retransmit{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want deadline exceeded", err)
	}
	if _, err := n.Exchange(ctx, asked(), patient); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a context that is done: got %v, want deadline exceeded", err)
	}
}

func TestExchangeRefusesWrongReply(t *testing.T) {
	s, n := pair(t)
	r := asked()
	wait := s.meanwhile(func() {
		s.receive()
		b := accepted(r)
		b[4] ^= 1
		s.send(b)
	})
	_, err := n.Exchange(t.Context(), r, patient)
	wait()
	if err == nil || !strings.Contains(err.Error(), "wrong Response Authenticator") {
		t.Errorf("got %v, want wrong Response Authenticator", err)
	}
}

func TestOtherSource(t *testing.T) {
	s, n := pair(t)
	other, _ := pair(t)
	r := asked()
	wait := s.meanwhile(func() {
		s.receive()
		other.nas = s.nas
		other.send(accepted(r))
	})
	_, err := n.Exchange(t.Context(), r, patient)
	wait()
	if err == nil || !strings.Contains(err.Error(), "datagram from 127.0.0.1:") {
		t.Errorf("got %v, want datagram from another port", err)
	}
}

func TestSendReceive(t *testing.T) {
	s, n := pair(t)
	if err := n.Send([]byte("anything")); err != nil {
		t.Fatal(err)
	}
	if got := s.receive(); string(got) != "anything" {
		t.Errorf("the server got %q", got)
	}
	s.send([]byte("whatever"))
	if got, err := n.Receive(5 * time.Second); err != nil || string(got) != "whatever" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := n.Receive(time.Millisecond); !errors.Is(err, ErrNoReply) {
		t.Errorf("got %v, want ErrNoReply", err)
	}
	if err := n.Silence(time.Millisecond); err != nil {
		t.Error(err)
	}
	for _, b := range [][]byte{accepted(asked()), []byte("whatever")} {
		s.send(b)
		if err := n.Silence(5 * time.Second); err == nil || !strings.HasSuffix(err.Error(), ", want silence") {
			t.Errorf("got %v, want silence broken", err)
		}
	}
}

func TestDialFrom(t *testing.T) {
	s, _ := pair(t)
	to := s.conn.LocalAddr().(*net.UDPAddr).AddrPort()
	mapped := netip.AddrPortFrom(netip.AddrFrom16(to.Addr().As16()), to.Port())
	n, err := Dial(mapped, netip.MustParseAddrPort("127.0.0.2:0"))
	if err != nil {
		t.Skip("127.0.0.2 is not one of this machine's addresses:", err)
	}
	defer n.Close()
	if err := n.Send([]byte("x")); err != nil {
		t.Fatal(err)
	}
	s.receive()
	if s.nas != n.LocalAddr() || s.nas.Addr() != netip.MustParseAddr("127.0.0.2") {
		t.Errorf("sent from %v, local %v", s.nas, n.LocalAddr())
	}
}

func TestDialIPv6(t *testing.T) {
	conn, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6loopback})
	if err != nil {
		t.Skip("no IPv6 here:", err)
	}
	defer conn.Close()
	n, err := Dial(conn.LocalAddr().(*net.UDPAddr).AddrPort(), netip.AddrPort{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	s := &server{t: t, conn: conn}
	if err := n.Send([]byte("x")); err != nil {
		t.Fatal(err)
	}
	s.receive()
	s.send([]byte("y"))
	if got, err := n.Receive(5 * time.Second); err != nil || string(got) != "y" {
		t.Errorf("got %q, %v", got, err)
	}
}
