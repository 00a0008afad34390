package test

import (
	"bufio"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// patience is how long a test waits for something that must happen.
const patience = 30 * time.Second

// book keeps the lines that a program prints, and wakes the callers that wait for a line.
type book struct {
	mu      sync.Mutex // guards all fields
	lines   []string
	ended   bool
	changed chan struct{} // closed at the next line, or at the end
}

func newBook() *book { return &book{changed: make(chan struct{})} }

// fill reads until the program closes r.
func (b *book) fill(r io.Reader) {
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadString('\n')
		b.mu.Lock()
		if line != "" {
			b.lines = append(b.lines, strings.TrimSuffix(line, "\n"))
		}
		b.ended = err != nil
		close(b.changed)
		b.changed = make(chan struct{})
		b.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// all returns the lines that were read so far.
func (b *book) all() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.lines)
}

// wait returns the first line, from the start, that fits. ok is false if there is none and none can come, or if patience is
// over.
func (b *book) wait(fits func(line string) bool) (line string, ok bool) {
	late := time.NewTimer(patience)
	defer late.Stop()
	for from := 0; ; {
		b.mu.Lock()
		lines, ended, changed := b.lines[from:], b.ended, b.changed
		b.mu.Unlock()
		if i := slices.IndexFunc(lines, fits); i >= 0 {
			return lines[i], true
		}
		from += len(lines)
		if ended {
			return "", false
		}
		select {
		case <-changed:
		case <-late.C:
			return "", false
		}
	}
}
