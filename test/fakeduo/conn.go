package fakeduo

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// conns counts connections; it is the http.Server's ConnContext and ConnState.
type conns struct {
	mu    sync.Mutex // guards what follows
	open  int
	most  int
	total int
}

// link is one connection, known to its requests through their context.
type link struct {
	id   int
	conn net.Conn
}

type linkKey struct{}

// connection returns the connection a request came over, nil if it came without one.
func connection(r *http.Request) *link {
	l, _ := r.Context().Value(linkKey{}).(*link)
	return l
}

func (l *link) number() int {
	if l == nil {
		return 0
	}
	return l.id
}

func (l *link) sever() {
	if l == nil {
		return
	}
	if t, ok := l.conn.(*tls.Conn); ok {
		t.NetConn().Close()
		return
	}
	l.conn.Close()
}

func (c *conns) opened(ctx context.Context, conn net.Conn) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total++
	c.open++
	c.most = max(c.most, c.open)
	return context.WithValue(ctx, linkKey{}, &link{c.total, conn})
}

func (c *conns) changed(_ net.Conn, state http.ConnState) {
	if state != http.StateClosed {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open--
}

func (c *conns) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.most = c.open
}

// Connections returns how many connections are open now.
func (s *Server) Connections() int {
	s.conns.mu.Lock()
	defer s.conns.mu.Unlock()
	return s.conns.open
}

// MaxConnections returns the most that were open at once since the start or the last Forget.
func (s *Server) MaxConnections() int {
	s.conns.mu.Lock()
	defer s.conns.mu.Unlock()
	return s.conns.most
}

// TotalConnections returns how many connections were accepted since the start. Each took a TLS handshake.
func (s *Server) TotalConnections() int {
	s.conns.mu.Lock()
	defer s.conns.mu.Unlock()
	return s.conns.total
}
