package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// repeatsLog returns a log through a Repeats, and what it has written since the last call of read, without times.
func repeatsLog() (log *slog.Logger, h *Repeats, read func() string) {
	var b lockedBuffer
	h = NewRepeats(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey && len(groups) == 0 {
			return slog.Attr{}
		}
		return a
	}}))
	return slog.New(h), h, b.take
}

// lockedBuffer is written to by timers as well.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.b.Reset()
	return b.b.String()
}

// TestRepeatedLinesAreCounted: the first line at once, then one a minute with the count, and none once it is over.
func TestRepeatedLinesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, h, read := repeatsLog()
		defer h.Close()
		say := func(port int) { // another port and another time are the same failure
			log.Warn("the store can't be asked", "error", fmt.Errorf("read tcp 127.0.0.1:%d: refused", port), "took", time.Duration(port))
		}
		say(40001)
		if got, want := read(), "level=WARN msg=\"the store can't be asked\" error=\"read tcp 127.0.0.1:40001: refused\" took=40.001µs\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		for i := range 41 {
			say(40002 + i)
		}
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if got := read(); got != "" {
			t.Errorf("within the minute: %q", got)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got, want := read(), "level=WARN msg=\"the store can't be asked\" error=\"read tcp 127.0.0.1:40042: refused\" took=40.042µs repeated=41\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		say(1)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := read(); !strings.HasSuffix(got, " repeated=1\n") || strings.Count(got, "\n") != 1 {
			t.Errorf("the second minute: %q", got)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if got := read(); got != "" {
			t.Errorf("after its end: %q", got)
		}
		say(2)
		if got := read(); strings.Contains(got, "repeated") || got == "" {
			t.Errorf("later: %q", got)
		}
	})
}

// TestLinesThatAreNoRepetitions all pass.
func TestLinesThatAreNoRepetitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, h, read := repeatsLog()
		defer h.Close()
		for _, tt := range []struct {
			name string
			say  func()
		}{
			{"another message", func() { log.Warn("a"); log.Warn("b") }},
			{"another level", func() { log.Warn("c"); log.Error("c") }},
			{"another server", func() { log.Warn("d", "server", "one"); log.Warn("d", "server", "two") }},
			{"another cause", func() { log.Warn("e", "error", errors.New("refused")); log.Warn("e", "error", errors.New("silent")) }},
			{"one person's", func() { log.Warn("f", "user", "alice"); log.Warn("f", "user", "alice") }},
			{"one login's", func() { log.Warn("g", "login_id", "x"); log.Warn("g", "login_id", "x") }},
			{"counted elsewhere", func() { log.Warn("h", "count", 3); log.Warn("h", "count", 3) }},
			{"another logger's", func() { log.With("application", "one").Warn("i"); log.With("application", "two").Warn("i") }},
			{"another group's", func() { log.WithGroup("one").Warn("j", "x", 1); log.WithGroup("two").Warn("j", "x", 1) }},
		} {
			if tt.say(); strings.Count(read(), "\n") != 2 {
				t.Errorf("%s: not both written", tt.name)
			}
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := read(); got != "" {
			t.Errorf("counted: %q", got)
		}
	})
}

// TestRepeatsAreBounded: of more different lines than are watched, each is written.
func TestRepeatsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, h, read := repeatsLog()
		for range 2 {
			for i := range maxRepeats + 10 {
				log.Warn("x", "i", i)
			}
		}
		if got, want := strings.Count(read(), "\n"), maxRepeats+10+10; got != want {
			t.Errorf("%d lines, want %d", got, want)
		}
		if n := len(h.lines.byKey); n != maxRepeats {
			t.Errorf("%d watched", n)
		}
		h.Close()
		if got := strings.Count(read(), "repeated=1\n"); got != maxRepeats {
			t.Errorf("%d counts at the end, want %d", got, maxRepeats)
		}
		if log.Warn("x", "i", 0); read() == "" {
			t.Error("a line after the end is lost")
		}
	})
}
