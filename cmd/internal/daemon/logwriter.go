package daemon

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"
)

// maxBacklog is how much of the log, in octets, waits for a reader that has stopped reading. Lines beyond it are lost.
const maxBacklog = 1 << 22

// The first writes after a quiet time are made at once. After burst of them each further write is followed by a lull, and the
// lines that come in it are written together, until the log is quiet again.
const (
	quiet = 20 * time.Millisecond
	burst = 8
	lull  = 2 * time.Millisecond
)

// LogWriter writes a log in a goroutine of its own, several lines with one system call. No login waits for the system call or
// for a reader that has stopped reading.
type LogWriter struct {
	to    io.Writer
	wake  chan struct{} // wakes Run; buffer of one
	ended chan struct{} // closed when Run ends

	mu      sync.Mutex // guards all below
	backlog []byte
	lost    int // lines lost since the last that was written
	closed  bool
}

// NewLogWriter returns a LogWriter that writes to the given writer. Nothing is written before Run.
func NewLogWriter(to io.Writer) *LogWriter {
	return &LogWriter{to: to, wake: make(chan struct{}, 1), ended: make(chan struct{})}
}

// Write queues lines. It never waits and never fails.
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
	var last time.Time // when it wrote
	writes := 0        // since the log was quiet
	for range w.wake {
		var lost int
		var closed bool
		lines, lost, closed = w.take(lines)
		w.to.Write(lines) // an error can't be logged: this is the log
		if lost > 0 {
			fmt.Fprintf(w.to, "duoradiusd: %d lines of the log were lost: the program that reads the log is too slow\n", lost)
		}
		if closed {
			return
		}
		now := time.Now()
		if now.Sub(last) > quiet {
			writes = 0
		}
		last = now
		if writes++; writes > burst {
			time.Sleep(lull)
		}
	}
}

// take returns the backlog and leaves an empty one.
func (w *LogWriter) take(spare []byte) (lines []byte, lost int, closed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines, w.backlog = w.backlog, spare[:0]
	lost, w.lost = w.lost, 0
	return lines, lost, w.closed
}

// Close writes the rest of the log, but waits at most a second for the reader, and ends Run.
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
