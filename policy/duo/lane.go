package duo

import (
	"container/list"
	"context"
	"io"
	"net/http"
	"sync"
)

const (
	perConnection = 100 // requests that share a connection over HTTP/2; servers commonly allow 100 to 250
	coldLanes     = 4   // connections tried at once while it is not known which HTTP Duo speaks
)

// lanes shares out connections. A lane is an http.Transport that keeps one: a single Transport for all dials once for
// every request that finds no room, and throws most of what it has dialed away (1 000 pushes begun together were
// 1 700 handshakes). Calls and polls wait in line for room, in the order of their coming; polls leave an eighth of it
// to the calls, so that logins and the probe get through however many pushes are pending.
type lanes struct {
	model *http.Transport // that each lane's is a copy of
	max   int

	mu      sync.Mutex // guards all below
	all     []*lane
	width   int          // requests to a lane at once; 0 = not known yet
	polls   int          // under way
	waiting [2]list.List // of chan *lane: calls, polls
}

type lane struct {
	transport *http.Transport
	busy      int // requests under way; lanes.mu guards it
}

const pollPath = "/auth/v2/auth_status"

// RoundTrip implements http.RoundTripper.
func (l *lanes) RoundTrip(req *http.Request) (*http.Response, error) {
	poll := req.URL.Path == pollPath
	lane, err := l.acquire(req.Context(), poll)
	if err != nil {
		return nil, err
	}
	resp, err := lane.transport.RoundTrip(req)
	if err != nil {
		l.release(lane, poll)
		return nil, err
	}
	l.learn(resp.ProtoMajor)
	resp.Body = &heldBody{resp.Body, sync.OnceFunc(func() { l.release(lane, poll) })}
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

// learn takes in which HTTP an answer came by.
func (l *lanes) learn(protoMajor int) {
	width := 1
	if protoMajor >= 2 {
		width = perConnection
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.width != width {
		l.width = width
		l.admit()
	}
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

func (l *lanes) release(lane *lane, poll bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free(lane, poll)
}

// The methods below are called with mu held.

func (l *lanes) free(lane *lane, poll bool) {
	lane.busy--
	if poll {
		l.polls--
	}
	l.admit()
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
	lane := l.room(poll)
	if lane != nil {
		lane.busy++
		if poll {
			l.polls++
		}
	}
	return lane
}

// room returns the first lane that has room, so that few are in use, or a new one; nil when all are full.
func (l *lanes) room(poll bool) *lane {
	width, most := l.width, l.max
	if width == 0 {
		width, most = 1, min(coldLanes, l.max)
	}
	kept := min(max(l.max/8, 1), l.max-1) // for the calls
	if poll && l.polls >= (l.max-kept)*width {
		return nil
	}
	for _, lane := range l.all {
		if lane.busy < width {
			return lane
		}
	}
	if len(l.all) >= most {
		return nil
	}
	l.all = append(l.all, &lane{transport: l.model.Clone()})
	return l.all[len(l.all)-1]
}

func (l *lanes) closeIdle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, lane := range l.all {
		lane.transport.CloseIdleConnections()
	}
}
