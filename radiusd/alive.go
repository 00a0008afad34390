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

// reader is one of those who read a socket.
type reader struct {
	batch  *batch
	rounds chan chan struct{} // who asks whether its loop is alive
	ended  chan struct{}      // closed when the loop has
}

func newReader(b *batch) *reader {
	return &reader{batch: b, rounds: make(chan chan struct{}, 1), ended: make(chan struct{})}
}

// comeRound tells those who asked that the loop is alive.
func (r *reader) comeRound() {
	for {
		select {
		case round := <-r.rounds:
			close(round)
		default:
			return
		}
	}
}

// alive returns nil when the loops of all readers have come round, or read no more because l is retired.
func (l *listener) alive(ctx context.Context) error {
	for _, r := range l.readers {
		if !l.comesRound(ctx, r) {
			return fmt.Errorf("radiusd: reading from %s: %w", l.socket.local(), ctx.Err())
		}
	}
	return nil
}

// wakeAgain is how long one that was not woken waits for another try: one reader may wake in the place of another.
const wakeAgain = 20 * time.Millisecond

// comesRound reports whether r's loop comes round before ctx ends, or has ended as it should.
func (l *listener) comesRound(ctx context.Context, r *reader) bool {
	round, asks := make(chan struct{}), r.rounds
	again := time.NewTicker(wakeAgain)
	defer again.Stop()
	for {
		select {
		case asks <- round:
			asks = nil
			l.socket.SetReadDeadline(past) // wakes a loop; what has come in stays where it is
		case <-again.C:
			l.socket.SetReadDeadline(past)
		case <-round:
			return true
		case <-r.ended: // and nobody takes out what another has put in there
			return l.retired.Load()
		case <-ctx.Done():
			return false
		}
	}
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

// goesOn reports whether a loop that the deadline has woken is to go on.
func (l *listener) goesOn() bool {
	// The deadline goes first: that of a retire between here and the question below comes after it.
	l.socket.SetReadDeadline(time.Time{})
	if l.retired.Load() {
		l.socket.SetReadDeadline(past) // for the other readers
		return false
	}
	return true
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
