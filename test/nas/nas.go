package nas

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"
)

// ErrNoReply is in the error when nothing came in time.
var ErrNoReply = errors.New("no reply")

// NAS is a RADIUS client's UDP socket. It sends one request at a time. A test with several requests at once uses several NAS.
type NAS struct {
	server  netip.AddrPort
	conn    *net.UDPConn
	earlier []*Request // of Exchange, done; their late replies are nothing new
}

// Dial opens a socket for requests to server. It sends from local; the system chooses the address and port where local is zero.
// The socket is not connected, so that a reply from another address is noticed.
func Dial(server, local netip.AddrPort) (*NAS, error) {
	server = netip.AddrPortFrom(server.Addr().Unmap(), server.Port())
	network := "udp4"
	if server.Addr().Is6() {
		network = "udp6"
	}
	var from *net.UDPAddr
	if local.Addr().IsValid() {
		from = net.UDPAddrFromAddrPort(local)
	}
	conn, err := net.ListenUDP(network, from)
	if err != nil {
		return nil, fmt.Errorf("nas: %w", err)
	}
	return &NAS{server: server, conn: conn}, nil
}

// Close closes the socket.
func (n *NAS) Close() error { return n.conn.Close() }

// LocalAddr returns the socket's own address; only its port counts where Dial was not given one.
func (n *NAS) LocalAddr() netip.AddrPort { return n.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// Send sends one datagram.
func (n *NAS) Send(b []byte) error {
	if _, err := n.conn.WriteToUDPAddrPort(b, n.server); err != nil {
		return fmt.Errorf("nas: %w", err)
	}
	return nil
}

// Receive returns the next datagram, whatever it holds. It returns an error for a datagram from another address than the
// server's.
func (n *NAS) Receive(timeout time.Duration) ([]byte, error) {
	if err := n.conn.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return nil, fmt.Errorf("nas: %w", err)
	}
	return n.read()
}

func (n *NAS) read() ([]byte, error) {
	b := make([]byte, maxPacket+1)
	size, from, err := n.conn.ReadFromUDPAddrPort(b)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, fmt.Errorf("nas: %w from %v", ErrNoReply, n.server)
	case err != nil:
		return nil, fmt.Errorf("nas: %w", err)
	}
	if from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port()); from != n.server {
		return nil, fmt.Errorf("nas: datagram from %v, asked %v", from, n.server)
	}
	return slices.Clone(b[:size]), nil
}

// Silence waits, and returns an error as soon as anything comes.
func (n *NAS) Silence(d time.Duration) error {
	b, err := n.Receive(d)
	switch {
	case errors.Is(err, ErrNoReply):
		return nil
	case err != nil:
		return err
	}
	if p, err := Parse(b); err == nil {
		return fmt.Errorf("nas: %v with Identifier %d, want silence", p, p.Identifier)
	}
	return fmt.Errorf("nas: % x, want silence", b)
}

// Retransmit says how a NAS repeats a request without an answer: it sends Copies datagrams with the same octets, Every apart,
// and waits for Every after the last. Copies below 2 mean one datagram. If Every is 0, it waits until the context ends.
type Retransmit struct {
	Every  time.Duration
	Copies int
}

// Exchange sends r and returns the reply. It returns an error for the first reply that is not right, where a real NAS would go
// on waiting. It ignores late replies to earlier requests of this socket.
func (n *NAS) Exchange(ctx context.Context, r *Request, again Retransmit) (*Response, error) {
	b := r.Bytes()
	asked := *r
	defer func() { n.remember(&asked) }()
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		n.conn.SetReadDeadline(time.Now())
		close(ended)
	})
	defer func() {
		if !stop() {
			<-ended // lest it cut the next wait short
		}
	}()
	for sent := 0; sent == 0 || sent < again.Copies; sent++ {
		if err := n.Send(b); err != nil {
			return nil, err
		}
		var until time.Time
		if again.Every > 0 {
			until = time.Now().Add(again.Every)
		}
		p, err := n.await(ctx, &asked, until)
		if !errors.Is(err, ErrNoReply) {
			return p, err
		}
	}
	return nil, fmt.Errorf("nas: %w from %v to Identifier %d", ErrNoReply, n.server, r.Identifier)
}

// await returns the reply to r, or ErrNoReply at until; a zero until waits for ctx.
func (n *NAS) await(ctx context.Context, r *Request, until time.Time) (*Response, error) {
	for {
		if err := n.conn.SetReadDeadline(until); err != nil {
			return nil, fmt.Errorf("nas: %w", err)
		}
		// After the deadline is set: ctx's end sets one too, which must be the last.
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("nas: wait for %v: %w", n.server, err)
		}
		b, err := n.read()
		if errors.Is(err, ErrNoReply) && ctx.Err() != nil {
			continue
		}
		if err != nil {
			return nil, err
		}
		p, err := r.Verify(b)
		if err != nil && n.late(b) {
			continue
		}
		return p, err
	}
}

// late reports whether b is a right reply to an earlier request, which was given up or whose copies were answered too.
func (n *NAS) late(b []byte) bool {
	return slices.ContainsFunc(n.earlier, func(r *Request) bool {
		_, err := r.Verify(b)
		return err == nil
	})
}

// remember keeps the last 256 requests, as many as there are Identifiers.
func (n *NAS) remember(r *Request) {
	if n.earlier = append(n.earlier, r); len(n.earlier) > 256 {
		n.earlier = n.earlier[1:]
	}
}
