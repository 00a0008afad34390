package daemon

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// stalling is a reader that takes nothing until it is let go.
type stalling struct {
	letGo chan struct{}

	mu  sync.Mutex // guards got
	got strings.Builder
}

func (s *stalling) Write(b []byte) (int, error) {
	<-s.letGo
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got.Write(b)
}

func TestLogWriterKeepsLinesInOrder(t *testing.T) {
	var got strings.Builder
	w := NewLogWriter(&got)
	go w.Run()
	var want strings.Builder
	for n := range 10_000 {
		fmt.Fprintf(w, "line %d\n", n)
		fmt.Fprintf(&want, "line %d\n", n)
	}
	w.Close()
	if got.String() != want.String() {
		t.Errorf("%d octets, want %d", got.Len(), want.Len())
	}
	if n, err := io.WriteString(w, "late\n"); n != 5 || err != nil || strings.Contains(got.String(), "late") {
		t.Errorf("after Close: %d, %v", n, err)
	}
}

// TestLogWriterWithoutAReader: nobody waits for it; what is lost is said when it reads again.
func TestLogWriterWithoutAReader(t *testing.T) {
	const lines = 2 * maxBacklog / 1024
	synctest.Test(t, func(t *testing.T) {
		s := &stalling{letGo: make(chan struct{})}
		w := NewLogWriter(s)
		go w.Run()
		io.WriteString(w, "first\n")
		synctest.Wait() // it is being written
		line := strings.Repeat("x", 1023) + "\n"
		for range lines {
			io.WriteString(w, line)
		}
		close(s.letGo)
		w.Close()
		if kept := strings.Count(s.got.String(), line); kept != maxBacklog/1024 {
			t.Errorf("%d lines kept, want %d", kept, maxBacklog/1024)
		}
		if want := fmt.Sprintf("duoradiusd: %d lines of the log were lost", lines-maxBacklog/1024); !strings.Contains(s.got.String(), want) {
			t.Errorf("it does not say %q", want)
		}
	})
}

// TestLogWriterIsClosedWithoutAReader: the daemon's end does not wait for it either.
func TestLogWriterIsClosedWithoutAReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stalling{letGo: make(chan struct{})}
		w := NewLogWriter(s)
		go w.Run()
		io.WriteString(w, "first\n")
		w.Close()
		close(s.letGo)
		<-w.ended
	})
}

// TestLogWriterWritesManyLinesTogether: a system call a line would cost more than the login that it tells of.
func TestLogWriterWritesManyLinesTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		writes := &counted{}
		w := NewLogWriter(writes)
		go w.Run()
		begun := time.Now()
		for range 1000 {
			io.WriteString(w, "line\n")
			time.Sleep(100 * time.Microsecond)
		}
		w.Close()
		if most := int(time.Since(begun)/lull) + 1 + burst; writes.n > most || writes.octets != 5000 {
			t.Errorf("%d writes of %d octets in %v, want %d writes at most", writes.n, writes.octets, time.Since(begun), most)
		}
		if waited := time.Since(begun) - 100*time.Millisecond; waited > lull {
			t.Errorf("the last line waited %v", waited)
		}
	})
}

// TestLogWriterQuiet: lines that come after a quiet time are written at once.
func TestLogWriterQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		writes := &counted{}
		w := NewLogWriter(writes)
		go w.Run()
		defer w.Close()
		for n := range 10 * burst {
			if n%burst == 0 {
				time.Sleep(2 * quiet)
			}
			io.WriteString(w, "line\n")
			synctest.Wait()
			if writes.n != n+1 {
				t.Fatalf("after %d lines there were %d writes", n+1, writes.n)
			}
		}
	})
}

// counted counts what is written to it.
type counted struct{ n, octets int }

func (c *counted) Write(b []byte) (int, error) {
	c.n++
	c.octets += len(b)
	return len(b), nil
}
