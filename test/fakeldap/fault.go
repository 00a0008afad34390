package fakeldap

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// Fault is one way to misbehave. The zero Fault is none. Fields add up: a Delay and a Code are a slow no.
type Fault struct {
	Times int    // how many requests suffer it; 0 means 1, a negative number all until Heal
	DN    string // only a bind as, or a search below, this name; "": any

	Delay time.Duration // before anything is done
	Hang  bool          // do nothing until Heal or until the client goes
	Drop  bool          // close the connection; nothing is done

	Code       uint16 // answer this instead
	Diagnostic string
	Referrals  []string // of Code 10

	Notice     bool     // a Notice of Disconnection (RFC 4511 §4.4.1), then close
	Raw        []byte   // these octets instead of an answer
	Behind     []byte   // these octets behind the answer, in one go with it
	References []string // of a search: where else to look (RFC 4511 §4.5.3)
	Unlimited  bool     // of a search: heed no limit
}

// String says what the fault does, "" if nothing.
func (f Fault) String() string {
	var words []string
	add := func(on bool, format string, args ...any) {
		if on {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	add(f.Delay > 0, "delay %v", f.Delay)
	add(f.Hang, "hang")
	add(f.Drop, "drop")
	add(f.Code != 0, "answer %d", f.Code)
	add(f.Notice, "notice of disconnection")
	add(f.Raw != nil, "%d raw octets", len(f.Raw))
	add(f.Behind != nil, "%d octets behind", len(f.Behind))
	add(f.References != nil, "references")
	add(f.Unlimited, "unlimited")
	return strings.Join(words, ", ")
}

// faults hands out what is to go wrong.
type faults struct {
	mu       sync.Mutex // guards what follows
	queue    []injected
	released chan struct{} // closed by Heal: hung requests go on
}

type injected struct {
	op   string
	left int // < 0: no end
	Fault
}

// next returns what a request suffers: the oldest injected fault that fits.
func (f *faults) next(op, dn string) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.queue {
		in := &f.queue[i]
		if in.op != op || in.DN != "" && !sameDN(in.DN, dn) {
			continue
		}
		fault := in.Fault
		if in.left--; in.left == 0 {
			f.queue = append(f.queue[:i], f.queue[i+1:]...)
		}
		return fault
	}
	return Fault{}
}

func (f *faults) release() chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.released
}

// Inject makes the next f.Times requests of one kind suffer f: connect (TLS not begun yet), starttls, bind, search or
// unbind. Faults injected earlier come first.
func (s *Server) Inject(op string, f Fault) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	if f.Times == 0 {
		f.Times = 1
	}
	s.faults.queue = append(s.faults.queue, injected{op, f.Times, f})
}

// Heal ends every fault: those injected and not used up, and hung requests, which go on as if nothing had been.
func (s *Server) Heal() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.queue = nil
	close(s.faults.released)
	s.faults.released = make(chan struct{})
}

// hold keeps a request as long as f wants. It returns false if the connection is to end.
func (c *conn) hold(f Fault) bool {
	if f.Delay > 0 {
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.gone:
			return false
		}
	}
	if f.Hang {
		select {
		case <-c.s.faults.release():
		case <-c.gone:
			return false
		}
	}
	return !f.Drop
}
