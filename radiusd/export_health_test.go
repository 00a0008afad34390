package radiusd

import (
	"context"
	"net"
	"net/netip"
)

// Hold takes the lock of the table of requests until release is called, like a login that never ends.
func (s *Server) Hold() (release func()) {
	s.init()
	s.duplicates.mu.Lock()
	return s.duplicates.mu.Unlock
}

// EndedLoop returns a function that asks whether a listener whose read loop has ended is alive.
func EndedLoop(conn *net.UDPConn) func(context.Context) error {
	l := newListener(netip.AddrPort{}, false, false)
	l.socket = newSingleSocket(conn, false)
	l.retired.Store(true)
	close(l.ended)
	return l.alive
}
