package radiusd

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Alive returns nil when everything that a login passes in the Server has answered: the tables behind the sockets and
// the read loop of every socket. When one of them hangs it says which, at the end of ctx.
func (s *Server) Alive(ctx context.Context) error {
	s.init()
	var listeners []*listener
	tables := after(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, l := range s.listeners {
			listeners = append(listeners, l)
		}
		for _, t := range s.traffic {
			t.ratchets.required(netip.Addr{})
		}
		s.exchanges.load()
		s.Outcomes()
	})
	select {
	case <-tables:
	case <-ctx.Done():
		return fmt.Errorf("radiusd: the tables of logins: %w", ctx.Err())
	}
	for _, l := range listeners {
		if err := l.alive(ctx); err != nil {
			return err
		}
	}
	return nil
}

// alive returns nil when the read loop has come round, or reads no more because l is retired.
func (l *listener) alive(ctx context.Context) error {
	round := make(chan struct{})
	select {
	case l.rounds <- round:
		l.conn.SetReadDeadline(past) // wakes the loop; what has come in stays where it is
	case <-l.ended: // and nobody takes out what another has put in there
		return nil
	case <-ctx.Done():
	}
	select {
	case <-round:
		return nil
	case <-l.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("radiusd: reading from %s: %w", l.conn.LocalAddr(), ctx.Err())
	}
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

// comeRound tells those who asked that the read loop is alive, and reports whether it is to go on. It is called by the
// loop when its deadline has woken it.
func (l *listener) comeRound() (goOn bool) {
	// The deadline goes first: that of a retire between here and the question below comes after it.
	l.conn.SetReadDeadline(time.Time{})
	for {
		select {
		case round := <-l.rounds:
			close(round)
		default:
			return !l.retired.Load()
		}
	}
}

// inherited returns the socket of Sockets that is open on a; nil where there is none. It is a copy, so that a may be
// listened on again after it was given up: nobody but their owner could open it anew.
func (s *Server) inherited(a netip.AddrPort) *net.UDPConn {
	for _, f := range s.Sockets {
		c, err := net.FilePacketConn(f)
		if err != nil {
			continue // a socket of another kind
		}
		if conn, ok := c.(*net.UDPConn); ok && conn.LocalAddr().(*net.UDPAddr).AddrPort() == a {
			return conn
		}
		c.Close()
	}
	return nil
}
