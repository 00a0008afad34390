package duo

import (
	"container/list"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"
)

const (
	perConnection = 100 // requests that share a connection over HTTP/2; servers commonly take 100 to 250
	dialsAtOnce   = 32  // connections being made at once
	firstDials    = 4   // the same while it is not known which HTTP Duo speaks, hence how many are needed
	idleTimeout   = 90 * time.Second
)

// lanes shares out connections. A lane is an http.Transport that keeps one: a single Transport for all dials once for
// every request that finds no room, and throws most of what it has dialed away (1 000 pushes begun together were
// 1 700 handshakes). Calls and polls wait in line for room, in the order of their coming; polls leave an eighth of it
// to the calls, so that logins and the probe get through however many pushes are pending.
type lanes struct {
	model *http.Transport // that each lane's is a copy of
	max   int

	mu      sync.Mutex // guards all below, and every lane
	all     []*lane
	width   int          // requests to a lane at once; 0 = not known yet
	dialing int          // lanes that are
	polls   int          // under way
	waiting [2]list.List // of chan *lane: calls, polls
}

type lane struct {
	transport *http.Transport
	busy      int // requests under way
	dialing   bool
	warm      bool      // has a connection, as far as is known
	left      time.Time // by the last request
}

const pollPath = "/auth/v2/auth_status"

// RoundTrip implements http.RoundTripper.
func (l *lanes) RoundTrip(req *http.Request) (*http.Response, error) {
	poll := req.URL.Path == pollPath
	lane, err := l.acquire(req.Context(), poll)
	if err != nil {
		return nil, err
	}
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { l.connected(lane, info.Conn) }}
	resp, err := lane.transport.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	if err != nil {
		l.release(lane, poll, false)
		return nil, err
	}
	resp.Body = &heldBody{resp.Body, sync.OnceFunc(func() { l.release(lane, poll, true) })}
	return resp, nil
}

// heldBody is an answer's body; its request is under way until it is closed.
type heldBody struct {
	io.ReadCloser
	release func()
}

func (b *heldBody) Close() error {
	defer b.release()
	return b.ReadCloser.Close()
}

func (l *lanes) acquire(ctx context.Context, poll bool) (*lane, error) {
	l.mu.Lock()
	line := l.line(poll)
	if line.Len() == 0 {
		if lane := l.take(poll); lane != nil {
			l.mu.Unlock()
			return lane, nil
		}
	}
	mine := make(chan *lane, 1)
	place := line.PushBack(mine)
	l.mu.Unlock()
	select {
	case lane := <-mine:
		return lane, nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case lane := <-mine: // too late
		l.free(lane, poll)
	default:
		line.Remove(place)
	}
	return nil, context.Cause(ctx)
}

// connected takes in that a lane has its connection, and which HTTP it speaks.
func (l *lanes) connected(lane *lane, conn net.Conn) {
	width := 1
	if c, ok := conn.(*tls.Conn); ok && c.ConnectionState().NegotiatedProtocol == "h2" {
		width = perConnection
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.width = width
	lane.warm = true
	l.dialed(lane)
	l.admit()
}

// release ends a request. After one that broke the connection may be gone.
func (l *lanes) release(lane *lane, poll, whole bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lane.warm = lane.warm && whole
	l.free(lane, poll)
}

// The methods below are called with mu held.

func (l *lanes) free(lane *lane, poll bool) {
	lane.busy--
	lane.left = time.Now()
	if lane.busy == 0 {
		l.dialed(lane)
	}
	if poll {
		l.polls--
	}
	l.admit()
}

func (l *lanes) dialed(lane *lane) {
	if lane.dialing {
		lane.dialing = false
		l.dialing--
	}
}

// admit lets those in for whom there is room.
func (l *lanes) admit() {
	for _, poll := range []bool{false, true} {
		for line := l.line(poll); line.Len() > 0; {
			free := l.take(poll)
			if free == nil {
				break
			}
			line.Remove(line.Front()).(chan *lane) <- free
		}
	}
}

func (l *lanes) line(poll bool) *list.List {
	if poll {
		return &l.waiting[1]
	}
	return &l.waiting[0]
}

// take returns a lane with one request more on it; nil when there is no room.
func (l *lanes) take(poll bool) *lane {
	width, dials := l.width, dialsAtOnce
	if width == 0 {
		width, dials = 1, firstDials
	}
	kept := min(max(l.max/8, 1), l.max-1) // for the calls
	if poll && l.polls >= (l.max-kept)*width {
		return nil
	}
	lane := l.connection(width)
	if lane == nil && l.dialing < dials {
		lane = l.idle()
	}
	if lane == nil {
		return nil
	}
	lane.busy++
	if poll {
		l.polls++
	}
	return lane
}

// connection returns the first lane with room that has a connection or is about to: few lanes are in use then.
func (l *lanes) connection(width int) *lane {
	now := time.Now()
	for _, lane := range l.all {
		if lane.busy < width && (lane.busy > 0 || lane.warm && now.Sub(lane.left) < idleTimeout) {
			return lane
		}
	}
	return nil
}

// idle returns a lane that is to make a connection; nil when there are as many as there may be.
func (l *lanes) idle() *lane {
	for _, lane := range l.all {
		if lane.busy == 0 {
			lane.warm, lane.dialing = false, true
			l.dialing++
			return lane
		}
	}
	if len(l.all) >= l.max {
		return nil
	}
	l.all = append(l.all, &lane{transport: l.model.Clone()})
	return l.idle()
}

func (l *lanes) closeIdle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, lane := range l.all {
		lane.transport.CloseIdleConnections()
	}
}
