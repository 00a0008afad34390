package fakeduo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Fault is one way to misbehave. The zero Fault does nothing. The fields can be combined: a Delay and a Status 503 make a slow
// 503.
//
// A Go client repeats some requests by itself after their connection was cut: a GET, and a request of which nothing was
// written, on a connection that it had used before. Server.Count shows it.
type Fault struct {
	Times int           // how many requests suffer it; 0 means 1, a negative number all until Heal
	Delay time.Duration // before anything is done

	// These replace the answer. What was asked is not done, unless Effect is set.
	Status      int    // 500, 503, 429, 401, ...; 0 with a Body means 200
	Code        int    // Duo's code; 0: the one that goes with Status. Alone it gives the Status too
	Detail      string // message_detail
	RetryAfter  string // header Retry-After, as is: seconds or an HTTP date
	XRetryAfter string // header X-Retry-After
	Body        string // sent as is: malformed JSON, a proxy's HTML page
	Effect      bool   // do what was asked first (begin the push), then answer otherwise

	CutBefore bool // close the connection; nothing is read, nothing is done
	CutAfter  bool // do what was asked (begin the push), then close the connection without a reply
	Stream    bool // over HTTP/2, cut this stream only and leave the connection and its other streams alone

	Hang    bool          // take the request, do nothing until Heal or until the client goes
	Trickle time.Duration // a pause before each byte of the answer's body
}

// String says what the fault does, "" if nothing.
func (f Fault) String() string {
	var words []string
	add := func(on bool, format string, args ...any) {
		if on {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	add(f.CutBefore, "cut before")
	add(f.Hang, "hang")
	add(f.Delay > 0, "delay %v", f.Delay)
	add(f.Effect && f.replaces(), "effect")
	add(f.replaces() && !f.CutAfter, "answer %d", f.reply().status)
	add(f.CutAfter, "cut after")
	add(f.Trickle > 0, "trickle %v", f.Trickle)
	return strings.Join(words, ", ")
}

// replaces reports whether the fault replaces the answer. CutAfter sends no answer.
func (f Fault) replaces() bool {
	return (f.Status != 0 || f.Code != 0 || f.Body != "") && !f.CutAfter
}

func (f Fault) reply() reply {
	code := f.Code
	if code == 0 {
		code = f.Status * 100
		if f.Status < 500 {
			code++ // 42901, 40101: the first code of a 4xx; 50000, 50300
		}
	}
	r := failReply(code, "", f.Detail)
	if f.Status != 0 {
		r.status = f.Status
	}
	if f.Body != "" {
		r = reply{status: max(f.Status, f.Code/100), body: []byte(f.Body)}
		if r.status == 0 {
			r.status = http.StatusOK
		}
	}
	r.header = map[string]string{}
	if f.RetryAfter != "" {
		r.header["Retry-After"] = f.RetryAfter
	}
	if f.XRetryAfter != "" {
		r.header["X-Retry-After"] = f.XRetryAfter
	}
	return r
}

// faults holds the injected faults and decides which one a request suffers.
type faults struct {
	mu       sync.Mutex // guards what follows
	queue    []injected
	rate     float64
	chaos    []Fault
	dice     *rand.Rand
	released chan struct{} // closed by Heal: hung requests go on
}

type injected struct {
	path string
	left int // < 0: no end
	Fault
}

// next returns the fault of the next request on path: the oldest injected one that fits, otherwise one of chaos.
func (f *faults) next(path string) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.queue {
		in := &f.queue[i]
		if in.path != "" && in.path != path {
			continue
		}
		fault := in.Fault
		if in.left--; in.left == 0 {
			f.queue = append(f.queue[:i], f.queue[i+1:]...)
		}
		return fault
	}
	if f.rate > 0 && f.dice.Float64() < f.rate {
		return f.chaos[f.dice.IntN(len(f.chaos))]
	}
	return Fault{}
}

func (f *faults) release() chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.released
}

// Inject makes the next f.Times requests on path suffer f; path "" means any path. Faults injected earlier
// come first.
func (s *Server) Inject(path string, f Fault) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	if f.Times == 0 {
		f.Times = 1
	}
	s.faults.queue = append(s.faults.queue, injected{path, f.Times, f})
}

// Chaos makes requests on all paths fail at random, rate of them (0.01 is one in a hundred), each with one of
// kinds. Without kinds it chooses among a 500, a 503, a 429, an HTML page, a malformed body, 50 ms of delay, a
// stream cut before and one cut after its effect. The same seed throws the same dice. Heal ends it.
func (s *Server) Chaos(seed int64, rate float64, kinds ...Fault) {
	if len(kinds) == 0 {
		kinds = []Fault{
			{Status: 500}, {Status: 503}, {Status: 429, RetryAfter: "1"},
			{Status: 502, Body: "<html><body><h1>502 Bad Gateway</h1></body></html>"},
			{Body: `{"stat": "OK", "response": {`},
			{Delay: 50 * time.Millisecond},
			{CutBefore: true, Stream: true}, {CutAfter: true, Stream: true},
		}
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.rate, s.faults.chaos = rate, kinds
	s.faults.dice = rand.New(rand.NewPCG(uint64(seed), 0))
}

// Heal ends all faults: it removes injected faults and chaos, and lets hung requests go on normally.
func (s *Server) Heal() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.queue, s.faults.rate = nil, 0
	close(s.faults.released)
	s.faults.released = make(chan struct{})
}

// hold delays a request as f says. It returns false if the client has gone in the meantime.
func (s *Server) hold(ctx context.Context, f Fault) bool {
	if f.Hang {
		select {
		case <-s.faults.release():
		case <-ctx.Done():
			return false
		}
	}
	return f.Delay <= 0 || pause(ctx, f.Delay)
}

// pause waits for d and returns true, or for the end of ctx and returns false.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// cut ends the request without an answer, and does not return. It closes the TCP connection without TLS's closing alert, as
// when a line breaks.
func cut(r *http.Request, stream bool) {
	if !stream || r.ProtoMajor < 2 {
		connection(r).sever()
	}
	panic(http.ErrAbortHandler)
}
