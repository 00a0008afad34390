package main

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// timedListener accepts connections of which is known when they were read and written: from the octets of a request to those
// of its answer is what Duo itself takes, its HTTP and TLS with it.
type timedListener struct{ net.Listener }

func (l timedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &timedConn{Conn: c}, nil
}

// timedConn is one such connection.
type timedConn struct {
	net.Conn

	mu    sync.Mutex        // guards what follows
	read  time.Time         // when octets came last
	wrote []func(time.Time) // called at the next write
}

func (c *timedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = time.Now()
	return n, err
}

// Write takes the time before it writes, because the other side may be faster than the call returns.
func (c *timedConn) Write(b []byte) (int, error) {
	now := time.Now()
	c.mu.Lock()
	wrote := c.wrote
	c.wrote = nil
	c.mu.Unlock()
	for _, f := range wrote {
		f(now)
	}
	return c.Conn.Write(b)
}

// atWrite calls f at the next write. If answers share the connection that may be the write of another one, which came
// before: Duo is said to have taken less than it did, never more.
func (c *timedConn) atWrite(f func(time.Time)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wrote = append(c.wrote, f)
}

// timedKey is the key of a request's connection in its context.
type timedKey struct{}

func timed(r *http.Request) *timedConn { return r.Context().Value(timedKey{}).(*timedConn) }

// arrived returns when the last octets came over the connection of r. They may be those of a later request: Duo is said to have
// taken less than it did, never more.
func arrived(r *http.Request) time.Time {
	c := timed(r)
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read
}
