package duo

import (
	"container/list"
	"context"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	perConnection = 100 // requests that share a connection over HTTP/2; servers commonly take 100 to 250
	dialsAtOnce   = 32  // connections being made at once
	firstDials    = 4   // the same while it is not known which HTTP Duo speaks, hence how many are needed
	unseenTries   = 6   // of a request that Duo has not looked at
)

// lanes shares out connections. A lane is one of them: a transport that dials, and over HTTP/2 the conn that came of it.
// A pool that dials for every request that finds no room throws most of what it has dialed away (1 000 pushes begun
// together were 1 700 handshakes). Calls and polls wait in line for room, in the order of their coming; polls leave an
// eighth of it to the calls, so that logins and the probe get through however many pushes are pending.
type lanes struct {
	model   *http.Transport // that each lane's is a copy of
	address string          // host:port to connect to
	max     int

	mu      sync.Mutex // guards all below, and every lane
	all     []*lane
	width   int          // requests to a lane at once; 0 = not known yet
	dialing int          // lanes that are
	polls   int          // under way
	leaving int          // lanes that are in all no more, and still have requests
	waiting [2]list.List // of *waiter: calls, polls
	closed  bool
}

// waiter is one in line.
type waiter struct {
	given  chan *lane // closed without any for who gives up
	served bool       // and in line no more
}

type lane struct {
	way atomic.Pointer[way]

	busy    int // requests under way
	room    int // how many there may be over HTTP/2; 0 = lanes.width
	dialing bool
	warm    bool      // has a connection over HTTP/1.1, as far as is known
	left    time.Time // by the last request, when there was no other
	gone    bool      // its connection takes no more
}

// way is what a lane's requests take: the transport, until it has handed over an HTTP/2 connection.
type way struct {
	transport *http.Transport
	conn      *conn
}

// do makes one request. One that Duo has certainly not looked at is made again.
func (l *lanes) do(ctx context.Context, r *request) (*response, error) {
	for try := 1; ; try++ {
		if err := r.late(ctx); err != nil {
			return nil, err
		}
		lane, err := l.acquire(ctx, r.until, r.poll())
		if err != nil {
			return nil, err
		}
		var resp *response
		conn := lane.way.Load().conn
		if conn == nil {
			resp, conn, err = l.dial(ctx, lane, r)
		}
		if conn != nil {
			resp, err = conn.do(ctx, r)
		}
		l.release(lane, r.poll(), err == nil)
		if err == nil || try == unseenTries || !isUnseen(err) || !sleep(ctx, unseenPause(try)) {
			return resp, err
		}
	}
}

// unseenPause is 0 at first: the connection was just closing. More of them are a server that takes nothing.
func unseenPause(try int) time.Duration {
	if try == 1 {
		return 0
	}
	return 5 * time.Millisecond << try
}

// acquire returns a lane with room, after waiting in line for it where there is none.
func (l *lanes) acquire(ctx context.Context, until time.Time, poll bool) (*lane, error) {
	l.mu.Lock()
	line := l.line(poll)
	if line.Len() == 0 {
		if lane := l.take(poll); lane != nil {
			l.mu.Unlock()
			return lane, nil
		}
	}
	w := &waiter{given: make(chan *lane, 1)}
	place := line.PushBack(w)
	l.mu.Unlock()
	return l.wait(ctx, until, poll, w, place)
}

// wait waits in line. A select would make a waiting push's stack twice as large, and so would this frame, inlined.
//
//go:noinline
func (l *lanes) wait(ctx context.Context, until time.Time, poll bool, w *waiter, place *list.Element) (lane *lane, err error) {
	ctx, cancel := within(ctx, until)
	heeded := context.AfterFunc(ctx, func() { l.quit(poll, w, place) })
	lane = <-w.given
	if err = context.Cause(ctx); err != nil && lane != nil { // too late
		l.release(lane, poll, true)
		lane = nil
	}
	heeded()
	cancel()
	return lane, err
}

// quit takes one out of the line, who gets no lane then.
func (l *lanes) quit(poll bool, w *waiter, place *list.Element) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !w.served {
		w.served = true
		l.line(poll).Remove(place)
		close(w.given)
	}
}

// release ends a request. After one that broke an HTTP/1.1 connection may be gone.
func (l *lanes) release(lane *lane, poll, whole bool) {
	l.mu.Lock()
	lane.warm = lane.warm && whole
	l.free(lane, poll)
	idle := l.closed && lane.busy == 0
	l.mu.Unlock()
	if idle {
		lane.closeIdle()
	}
}

// connected takes in that a lane has an HTTP/1.1 connection.
func (l *lanes) connected(lane *lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.width = 1
	lane.warm = true
	l.dialed(lane)
	l.admit()
}

// roomFor takes in how many requests a lane's HTTP/2 connection takes at once; 0 = no more, ever.
func (l *lanes) roomFor(lane *lane, room int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if lane.gone {
		return
	}
	l.dialed(lane)
	if room > 0 {
		l.width, lane.room = room, room
	} else {
		l.strike(lane)
	}
	l.admit()
}

// close lets the connections go that are idle, and the others as soon as they are.
func (l *lanes) close() {
	l.mu.Lock()
	l.closed = true
	var idle []*lane
	for _, lane := range l.all {
		if lane.busy == 0 {
			idle = append(idle, lane)
		}
	}
	l.mu.Unlock()
	for _, lane := range idle {
		lane.closeIdle()
	}
}

func (l *lane) is(other *lane) bool { return l == other }

func (l *lane) closeIdle() {
	if way := l.way.Load(); way.conn != nil {
		way.conn.leave()
	} else {
		way.transport.CloseIdleConnections()
	}
}

// The methods below are called with mu held.

func (l *lanes) free(lane *lane, poll bool) {
	lane.busy--
	if lane.busy == 0 {
		lane.left = time.Now()
		l.dialed(lane)
		if lane.gone {
			l.leaving--
		}
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

// strike takes a lane out of use.
func (l *lanes) strike(lane *lane) {
	lane.gone = true
	l.all = slices.DeleteFunc(l.all, lane.is)
	if lane.busy > 0 {
		l.leaving++
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
			w := line.Remove(line.Front()).(*waiter)
			w.served = true
			w.given <- free
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
	for _, lane := range l.all {
		switch {
		case lane.room > 0:
			if lane.busy < lane.room {
				return lane
			}
		case lane.busy < width && (lane.busy > 0 || lane.warm && time.Since(lane.left) < idleTimeout):
			return lane
		}
	}
	return nil
}

// idle returns a lane that is to make a connection; nil when there are as many as there may be. A connection that takes
// no more requests does not count, unless there are many of them.
func (l *lanes) idle() *lane {
	for _, lane := range l.all {
		if lane.busy == 0 && lane.room == 0 {
			lane.warm, lane.dialing = false, true
			l.dialing++
			return lane
		}
	}
	if len(l.all) >= l.max || len(l.all)+l.leaving >= 2*l.max {
		return nil
	}
	l.all = append(l.all, l.newLane())
	return l.idle()
}
