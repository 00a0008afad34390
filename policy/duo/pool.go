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
	mostStreams = 250 // requests that share a connection over HTTP/2, where Duo lets them
	dialsAtOnce = 32  // connections being made at once
	firstDials  = 4   // the same while it is not known which HTTP Duo speaks, hence how many are needed
	idleTimeout = 90 * time.Second
)

// pool shares out connections to Duo, over HTTP/2 or HTTP/1.1. Requests wait in line for a connection: calls before polls, which
// leave an eighth of the room to the calls, so that logins get through however many pushes are pending.
type pool struct {
	transport *http.Transport // makes the connections
	proxy     string          // host:port; "" = none
	address   string          // Duo's host:port
	max       int             // connections
	timeout   time.Duration   // of a dial

	mu      sync.Mutex // guards all below, and every conn
	conns   []*conn    // that take requests, or are being made
	width   int        // requests to a connection at once; 0 = not known yet
	dialing int
	polls   int          // requests under way that are polls
	leaving int          // connections that take no more requests, and still have some
	waiting [2]list.List // of chan *conn, each served once: calls, polls
	closed  bool
}

// conn is one connection, or one that is being made.
type conn struct {
	dialed chan struct{} // closed when client or err is there
	client *http.ClientConn
	err    error
	open   chan struct{} // closed when it is known how many requests it takes; before that it is lent to one only
	lent   atomic.Bool

	busy    int // requests that have it, or wait for it to be made
	room    int // how many there may be, once it is settled
	settled bool
	gone    bool        // it takes no more
	idle    *time.Timer // closes it; nil while it is busy
}

// queueError is the end of the wait in line.
type queueError struct{ error }

func (e *queueError) Unwrap() error { return e.error }

// errMoved: the connection takes no more requests. The next one may.
var errMoved = errors.New("the connection takes no more requests")

// enter waits until the connection is made and takes the request.
func (p *pool) enter(ctx context.Context, c *conn) error {
	select {
	case <-c.dialed:
	case <-ctx.Done():
		return p.through(context.Cause(ctx))
	}
	if c.err != nil {
		return c.err
	}
	// The first that asks has it until it is open. Requests beyond what Duo's SETTINGS allow, reserved before these have come,
	// would stop net/http's HTTP/2 connection for good (golang/go#70809).
	if c.lent.Swap(true) {
		select {
		case <-c.open:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if ctx.Err() != nil { // what is late does not begin: a phone would ring for nobody
		return context.Cause(ctx)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.busy > p.roomOf(c) {
		return errMoved
	}
	if err := c.client.Reserve(); err != nil { // ended, or Duo has said GOAWAY
		p.strike(c)
		return errMoved
	}
	return nil
}

// acquire returns a connection with room, after waiting in line for it where there is none.
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
	line.Remove(place) // nothing happens where it was served meanwhile
	p.mu.Unlock()
	select {
	case c := <-w:
		p.release(c, poll)
	default:
	}
	return nil, context.Cause(ctx)
}

// release ends a request.
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

// close lets the connections go that are idle, and the others as soon as they are.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, c := range slices.Clone(p.conns) {
		p.retire(c)
	}
}

// The methods below are called with p.mu held.

// retire takes a connection out of use that has nothing to do.
func (p *pool) retire(c *conn) {
	if c.busy == 0 {
		p.strike(c)
	}
}

// rest looks after a connection that may have nothing to do: it is closed after a while, or now where the pool is closed.
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

// take returns a connection with one request more on it, or one that is being made for it; nil when there is no room.
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
		c = p.conns[i] // the first, so that few are in use
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

// roomOf is how many requests a connection takes at once, as far as is known.
func (p *pool) roomOf(c *conn) int {
	if c.settled {
		return c.room
	}
	return max(p.width, 1)
}

// admit lets those in for whom there is room.
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

// strike takes a connection out of use. Its requests go on; it is closed when they are over, and does not count against the
// maximum until then.
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
		go c.client.Close() // it runs the state hook, and writes to a connection that may be stuck
	}
}
