package duo

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2"
)

const (
	streamWindow = maxBody + 16<<10 // octets that Duo may send on a stream: an answer that is too long shows itself
	connWindow   = 4 << 20          // on a connection
	maxHeader    = 16 << 10         // octets of an answer's headers (RFC 9113, 6.5.2)
	maxUnwritten = 4 << 20          // octets that wait to be written: more is a peer that makes us talk and does not listen
	keptBuffer   = 8 << 10          // a larger buffer was for a burst
	lastStream   = 1<<31 - 1        // RFC 9113, 5.1.1

	defaultWindow = 65535 // RFC 9113, 6.9.2
	defaultFrame  = 16384 // RFC 9113, 6.5.2
	defaultTable  = 4096  // RFC 9113, 6.5.2
)

var (
	errLeaving = errors.New("http2: the connection takes no more requests")
	errFull    = errors.New("http2: the connection takes no more requests at once")
	errDead    = errors.New("http2: nothing is heard from Duo, not even the answer to a ping")
	errStuck   = errors.New("http2: Duo does not read what is written")
	errIdle    = errors.New("http2: the connection was idle for long")
)

// conn is one HTTP/2 connection (RFC 9113). Who calls encodes the request into out, wakes the writer and waits for the
// stream; the writer takes all that has gathered in one go; the reader hands out what comes. Two goroutines, however
// many requests there are: both end soon after end was called, the writer closes.
type conn struct {
	nc   net.Conn
	room func(int) // told how many requests may be under way at once; 0 = no more, ever

	mu      sync.Mutex // guards all below
	wake    sync.Cond  // the writer's
	out     buffer
	block   []byte        // of the request that begins
	framer  *http2.Framer // into out
	streams map[uint32]*stream
	nextID  uint32
	handed  uint32 // streams from here on have not been handed to nc
	leaving bool   // no more streams
	err     error  // why it has ended

	farewell error // Duo's reason to end it; nil: none was given

	peer    settings
	window  int64     // octets that may be sent on the connection
	blocked []*stream // that wait for a window
	credit  int64     // octets that Duo may send
	settled bool      // Duo's first SETTINGS have come
	unacked int       // SETTINGS of ours

	watch
}

// settings are the peer's.
type settings struct {
	streams uint32 // at once
	window  int64  // of a new stream
	frame   int    // octets
}

// buffer is an io.Writer that keeps what is written.
type buffer []byte

func (b *buffer) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}

// newConn begins to speak HTTP/2 on nc. The connection is used at once; room is told when Duo has said what it takes.
func newConn(nc net.Conn, room func(int)) *conn {
	c := &conn{
		nc: nc, room: room,
		streams: map[uint32]*stream{}, nextID: 1, handed: 1,
		peer:   settings{streams: perConnection, window: defaultWindow, frame: defaultFrame},
		window: defaultWindow, credit: connWindow, unacked: 1,
	}
	c.wake.L = &c.mu
	c.framer = http2.NewFramer(&c.out, nil)
	c.out.Write([]byte(http2.ClientPreface))
	c.framer.WriteSettings(
		http2.Setting{ID: http2.SettingEnablePush, Val: 0},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: streamWindow},
		http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: maxHeader},
	)
	c.framer.WriteWindowUpdate(0, connWindow-defaultWindow)
	c.watch.begin(c.tick)
	go c.write()
	go c.read()
	return c
}

// do makes one request. It returns as soon as there is an answer, or ctx or its time ends.
func (c *conn) do(ctx context.Context, r *request) (*response, error) {
	s, err := c.start(r)
	if err != nil {
		return nil, err
	}
	// A select, and a context with a deadline, would make a waiting push's stack twice as large, and cost more.
	heeded := context.AfterFunc(ctx, func() { c.abandon(s, context.Cause(ctx)) })
	var timer *time.Timer
	if !r.until.IsZero() {
		timer = time.AfterFunc(time.Until(r.until), func() { c.abandon(s, context.DeadlineExceeded) })
	}
	<-s.done
	heeded()
	if timer != nil {
		timer.Stop()
	}
	if s.err != nil {
		return nil, s.err
	}
	return &s.response, nil
}

// start puts a request into the buffer.
func (c *conn) start(r *request) (*stream, error) {
	c.mu.Lock()
	if err := c.full(); err != nil {
		c.mu.Unlock()
		if !errors.Is(err, errFull) {
			c.room(0)
		}
		return nil, unseen{err}
	}
	defer c.mu.Unlock()
	s := &stream{id: c.nextID, unsent: r.body(), window: c.peer.window, credit: streamWindow, length: -1, done: make(chan struct{})}
	c.nextID += 2
	c.leaving = c.nextID > lastStream
	c.streams[s.id] = s
	c.asking(time.Now())
	c.block = r.appendBlock(c.block[:0])
	c.head(s, c.block)
	if cap(c.block) > keptBuffer {
		c.block = nil
	}
	c.send(s)
	c.wake.Signal()
	return s, nil
}

// full says why a request can't begin.
func (c *conn) full() error {
	switch {
	case c.err != nil:
		return c.err
	case c.leaving:
		return errLeaving
	case len(c.streams) >= int(c.peer.streams):
		return errFull
	}
	return nil
}

// head writes the request's HEADERS.
func (c *conn) head(s *stream, block []byte) {
	part := block[:min(len(block), c.peer.frame)]
	block = block[len(part):]
	c.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: s.id, BlockFragment: part, EndStream: len(s.unsent) == 0, EndHeaders: len(block) == 0,
	})
	for len(block) > 0 {
		part = block[:min(len(block), c.peer.frame)]
		block = block[len(part):]
		c.framer.WriteContinuation(s.id, len(block) == 0, part)
	}
}

// abandon ends a request that nobody waits for any more.
func (c *conn) abandon(s *stream, why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.streams[s.id] == s {
		c.reset(s, http2.ErrCodeCancel, why)
	}
}

// write hands to nc what has gathered, until the connection ends; then it closes.
func (c *conn) write() {
	var batch buffer
	for {
		c.mu.Lock()
		for len(c.out) == 0 && c.err == nil && !(c.leaving && len(c.streams) == 0) {
			c.wake.Wait()
		}
		if c.err == nil && len(c.out) == 0 {
			c.mu.Unlock()
			c.end(http2.ErrCodeNo, errLeaving)
			continue
		}
		batch, c.out = c.out, batch[:0]
		ended, before := c.err != nil, c.handed
		c.handed = c.nextID
		c.writing = time.Now()
		c.mu.Unlock()

		n, err := c.nc.Write(batch)

		c.mu.Lock()
		c.writing = time.Time{}
		if err != nil && n == 0 { // not one record: TLS shows the peer whole ones only
			c.handed = before
		}
		c.mu.Unlock()
		if err != nil {
			c.end(http2.ErrCodeNo, fmt.Errorf("write: %w", err))
			c.drop()
			return
		}
		if ended {
			c.nc.Close()
			return
		}
		if cap(batch) > keptBuffer {
			batch = nil
		}
	}
}

// drop closes without TLS's last word, which nobody would take.
func (c *conn) drop() {
	if t, ok := c.nc.(*tls.Conn); ok {
		t.NetConn().Close()
		return
	}
	c.nc.Close()
}

// leave lets no more requests begin; when those under way are over the connection ends.
func (c *conn) leave() {
	c.mu.Lock()
	c.leaving = true
	c.wake.Signal()
	c.mu.Unlock()
	c.room(0)
}

// end is the end of the connection: what waits on it fails with err, and is unseen where it has not been written. The
// writer says goodbye with code and closes; it has a second for it.
func (c *conn) end(code http2.ErrCode, err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	if c.farewell != nil && errors.Is(err, io.ErrUnexpectedEOF) {
		err = c.farewell
	}
	c.err = err
	c.timer.Stop()
	for id, s := range c.streams {
		if id >= c.handed {
			c.finish(s, unseen{err})
			continue
		}
		c.finish(s, err)
	}
	c.out = c.out[:0] // what is unseen must stay so
	c.framer.WriteGoAway(0, code, nil)
	c.nc.SetDeadline(time.Now().Add(lastWords))
	c.wake.Signal()
	c.mu.Unlock()
	c.room(0)
}
