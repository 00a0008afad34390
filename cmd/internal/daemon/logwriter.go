package daemon

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"
)

// maxBacklog is how much of the log waits for a reader that has stopped reading, in octets; what comes then is lost.
const maxBacklog = 1 << 22

// lull is the least time between two writes: what comes meanwhile leaves together.
const lull = 2 * time.Millisecond

// LogWriter hands a log on in a goroutine of its own, many lines at once when there are many: neither the price of a
// system call a line nor a reader that stands still is a login's.
type LogWriter struct {
	to    io.Writer
	wake  chan struct{} // has a place for one
	ended chan struct{} // closed by Run's end

	mu      sync.Mutex // guards all below
	backlog []byte
	lost    int // lines, since the last that was written
	closed  bool
}

// NewLogWriter returns a LogWriter to to. Nothing is written until Run.
func NewLogWriter(to io.Writer) *LogWriter {
	return &LogWriter{to: to, wake: make(chan struct{}, 1), ended: make(chan struct{})}
}

// Write takes lines in; it never waits, and never fails.
func (w *LogWriter) Write(lines []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.backlog)+len(lines) > maxBacklog {
		w.lost += bytes.Count(lines, []byte{'\n'})
		return len(lines), nil
	}
	if len(w.backlog) == 0 {
		w.rouse()
	}
	w.backlog = append(w.backlog, lines...)
	return len(lines), nil
}

func (w *LogWriter) rouse() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Run writes until Close.
func (w *LogWriter) Run() {
	defer close(w.ended)
	var lines []byte
	for range w.wake {
		var lost int
		var closed bool
		lines, lost, closed = w.take(lines)
		w.to.Write(lines) // there is nowhere to say that it failed
		if lost > 0 {
			fmt.Fprintf(w.to, "duoradiusd: %d lines of the log were lost: whoever reads it is too slow\n", lost)
		}
		if closed {
			return
		}
		time.Sleep(lull)
	}
}

// take exchanges the backlog for an empty one.
func (w *LogWriter) take(spare []byte) (lines []byte, lost int, closed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines, w.backlog = w.backlog, spare[:0]
	lost, w.lost = w.lost, 0
	return lines, lost, w.closed
}

// Close writes what is left, if the reader takes it within a second.
func (w *LogWriter) Close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.rouse()
	select {
	case <-w.ended:
	case <-time.After(time.Second):
	}
}
