package radiusd

import (
	"context"
	"net"
)

// Hold takes the lock of the table of exchanges, as a login would that never ends, until release is called.
func (s *Server) Hold() (release func()) {
	s.init()
	s.exchanges.mu.Lock()
	return s.exchanges.mu.Unlock
}

// EndedLoop returns what asks whether a listener whose loop has ended is alive.
func EndedLoop(conn *net.UDPConn) func(context.Context) error {
	l := &listener{socket: watched{conn}, readers: []*reader{newReader(nil)}}
	l.retired.Store(true)
	close(l.readers[0].ended)
	return l.alive
}
