package duo

import (
	"container/list"
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	mostStreams = 250              // most requests that share an HTTP/2 connection, if Duo permits so many
	dialsAtOnce = 32               // most connections that are being made at once
	firstDials  = 4                // the same before the first connection shows whether Duo speaks HTTP/2
	idleTimeout = 90 * time.Second // an unused connection is closed after this time
)

// pool holds the connections to Duo, over HTTP/2 or HTTP/1.1. Requests wait in two queues for a connection: calls are served
// before polls, and polls use at most seven eighths of the room, so that logins begin however many pushes are pending.
type pool struct {
	transport *http.Transport // makes the connections
	proxy     string          // host:port; "" = none
	address   string          // Duo's host:port
	max       int             // most connections
	timeout   time.Duration   // limit of a dial

	mu      sync.Mutex   // guards all below, and every conn
	conns   []*conn      // connections that take requests, or are being made
	width   int          // how many requests a connection takes at once; 0 = not known yet
	dialing int          // connections that are being made
	polls   int          // polls under way
	leaving int          // connections that take no more requests and still have some under way
	waiting [2]list.List // queues of chan *conn, each served once: calls, polls
	closed  bool
}

// conn is one connection, or one that is being made.
type conn struct {
	dialed chan struct{}    // closed when client or err is set
	client *http.ClientConn // the connection
	err    error            // why it could not be made
	open   chan struct{}    // closed when it is known how many requests it takes; before that one request has it
	lent   atomic.Bool      // whether that one request has it

	busy    int         // requests that have it, or wait for it to be made
	room    int         // how many requests it takes, once it is settled
	settled bool        // whether room is known
	gone    bool        // it takes no more requests
	idle    *time.Timer // closes it; nil while it is busy
}

// queueError is the error of a request whose time ended while it waited for a connection.
type queueError struct{ error }

func (e *queueError) Unwrap() error { return e.error }

// errMoved says that this connection takes no more requests. Another connection may take the request.
var errMoved = errors.New("the connection takes no more requests")

// enter waits until the connection is made, and reserves a place for the request on it.
func (p *pool) enter(ctx context.Context, c *conn) error {
	select {
	case <-c.dialed:
	case <-ctx.Done():
		return p.through(context.Cause(ctx))
	}
	if c.err != nil {
		return c.err
	}
	// Only the first request may use the connection before Duo's SETTINGS come. If more places were reserved than SETTINGS then
	// permit, net/http's HTTP/2 connection would stop for good (golang/go#70809).
	if c.lent.Swap(true) {
		select {
		case <-c.open:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if ctx.Err() != nil { // a request that is too late is not sent: a phone would ring for a login that is over
		return context.Cause(ctx)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.busy > p.roomOf(c) {
		return errMoved
	}
	if err := c.client.Reserve(); err != nil { // the connection has ended, or Duo has sent GOAWAY
		p.strike(c)
		return errMoved
	}
	return nil
}

// acquire returns a connection with room for the request. It waits in the queue if there is none.
func (p *pool) acquire(ctx context.Context, poll bool) (*conn, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	p.mu.Lock()
	line := p.line(poll)
	if line.Len() == 0 {
		if c := p.take(poll); c != nil {
			p.mu.Unlock()
			return c, nil
		}
	}
	w := make(chan *conn, 1)
	place := line.PushBack(w)
	p.mu.Unlock()
	select {
	case c := <-w:
		return c, nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	line.Remove(place) // does nothing if the request has been served meanwhile
	p.mu.Unlock()
	select {
	case c := <-w:
		p.release(c, poll)
	default:
	}
	return nil, context.Cause(ctx)
}

// release gives back the place of a request that has ended.
func (p *pool) release(c *conn, poll bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.busy--
	if poll {
		p.polls--
	}
	switch {
	case c.gone && c.busy == 0:
		p.leaving--
		c.close()
	case c.gone:
	case c.client != nil && c.client.Err() != nil:
		p.strike(c)
	default:
		p.rest(c)
	}
	p.admit()
}

// close closes the idle connections now, and the others when their requests have ended.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, c := range slices.Clone(p.conns) {
		p.retire(c)
	}
}

// The methods below are called with p.mu held.

// retire takes a connection out of use if it is idle.
func (p *pool) retire(c *conn) {
	if c.busy == 0 {
		p.strike(c)
	}
}

// rest starts the idle timer of a connection that has become idle. If the pool is closed, it closes the connection.
func (p *pool) rest(c *conn) {
	switch {
	case c.busy > 0 || c.gone:
	case p.closed:
		p.strike(c)
	default:
		c.idle = time.AfterFunc(idleTimeout, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.retire(c)
		})
	}
}

// take finds a connection for one more request, and counts the request on it. The connection may still have to be made. It
// returns nil if there is no room.
func (p *pool) take(poll bool) *conn {
	width, dials := p.width, dialsAtOnce
	if width == 0 {
		width, dials = 1, firstDials
	}
	room := p.max * width
	if poll && p.polls >= room-min(max(room/8, 1), room-1) {
		return nil
	}
	var c *conn
	if i := slices.IndexFunc(p.conns, func(c *conn) bool { return c.busy < p.roomOf(c) }); i >= 0 {
		c = p.conns[i] // the first with room, so that few connections are in use
	} else if p.dialing < dials && len(p.conns) < p.max && len(p.conns)+p.leaving < 2*p.max {
		c = &conn{dialed: make(chan struct{}), open: make(chan struct{})}
		p.conns = append(p.conns, c)
		p.dialing++
		go p.dial(c)
	} else {
		return nil
	}
	if c.idle != nil {
		c.idle.Stop()
		c.idle = nil
	}
	c.busy++
	if poll {
		p.polls++
	}
	return c
}

// roomOf returns how many requests a connection takes at once, as far as is known.
func (p *pool) roomOf(c *conn) int {
	if c.settled {
		return c.room
	}
	return max(p.width, 1)
}

// admit serves waiting requests while there is room.
func (p *pool) admit() {
	for _, poll := range []bool{false, true} {
		for line := p.line(poll); line.Len() > 0; {
			c := p.take(poll)
			if c == nil {
				break
			}
			line.Remove(line.Front()).(chan *conn) <- c
		}
	}
}

func (p *pool) line(poll bool) *list.List {
	if poll {
		return &p.waiting[1]
	}
	return &p.waiting[0]
}

// strike takes a connection out of use. It is closed when its requests have ended, and does not count for the maximum.
func (p *pool) strike(c *conn) {
	if c.gone {
		return
	}
	c.gone = true
	p.conns = slices.DeleteFunc(p.conns, func(other *conn) bool { return other == c })
	if c.busy > 0 {
		p.leaving++
		return
	}
	c.close()
}

func (c *conn) close() {
	if c.idle != nil {
		c.idle.Stop()
	}
	if c.client != nil {
		go c.client.Close() // in a goroutine: it runs the state hook, and its write may block
	}
}
