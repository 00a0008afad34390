package ldapauth

import (
	"slices"
	"sync"
	"time"
)

const (
	maxPooled = 16          // connections to one server that are bound as the service account
	maxIdle   = time.Minute // shorter than the time after which directories and firewalls close idle connections
	maxBinds  = 64          // binds of users at the same time at one server
)

// pool keeps the connections to one server that are bound as the service account.
type pool struct {
	slots chan struct{} // one place for each connection in use

	mu     sync.Mutex // guards what follows
	idle   []*conn    // the one that was used last comes last
	closed bool
}

// take returns an idle connection, or nil if there is none.
func (p *pool) take() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) > 0 {
		c := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		c.idle.Stop()
		if !c.IsClosing() {
			return c
		}
		c.drop() // the server has closed it
	}
	return nil
}

// put keeps a connection for later.
func (p *pool) put(c *conn) {
	if !p.keep(c) {
		c.leave()
	}
}

func (p *pool) keep(c *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || c.IsClosing() || len(p.idle) >= maxPooled {
		return false
	}
	c.idle = time.AfterFunc(maxIdle, func() { p.expire(c) })
	p.idle = append(p.idle, c)
	return true
}

// expire closes a connection that was idle for too long.
func (p *pool) expire(c *conn) {
	p.mu.Lock()
	i := slices.Index(p.idle, c)
	if i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
	}
	p.mu.Unlock()
	if i >= 0 {
		c.leave()
	}
}

// empty closes all idle connections.
func (p *pool) empty() {
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, c := range idle {
		c.idle.Stop()
		c.leave()
	}
}

func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.empty()
}
