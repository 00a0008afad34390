package daemon

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode"
)

// maxRepeats is how many different lines are watched for repetitions at once; others pass uncounted.
const maxRepeats = 256

// repeatInterval is how long the same line is counted before the count is written.
const repeatInterval = time.Minute

// Repeats is a slog.Handler that writes a line once, counts its repetitions for a minute, and then writes the line with the
// count. Two lines are the same if their levels, messages and attributes are; durations and digits in an error, such as a
// port, may differ. A line about one person is always written, because it is a record. A line with a count of its own is
// always written, because its repetitions are counted already.
type Repeats struct {
	next  slog.Handler
	with  string // the key of the attributes and groups that a logger adds to each line
	alone bool   // these say that every line passes
	lines *repeatedLines
}

// repeatedLines are the lines of the last minute.
type repeatedLines struct {
	mu     sync.Mutex // guards all
	byKey  map[string]*repeatedLine
	closed bool
}

type repeatedLine struct {
	to    slog.Handler
	again slog.Record // the last repetition, which was not written
	count int         // number of repetitions
	timer *time.Timer
}

// NewRepeats returns a Repeats that writes to next. Close writes the remaining counts.
func NewRepeats(next slog.Handler) *Repeats {
	return &Repeats{next: next, lines: &repeatedLines{byKey: make(map[string]*repeatedLine)}}
}

// Enabled implements slog.Handler.
func (h *Repeats) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (h *Repeats) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.next = h.next.WithAttrs(attrs)
	for _, a := range attrs {
		with.with += keyOf(a)
		with.alone = with.alone || passes(a)
	}
	return &with
}

// WithGroup implements slog.Handler.
func (h *Repeats) WithGroup(name string) slog.Handler {
	with := *h
	with.next, with.with = h.next.WithGroup(name), h.with+"\x00"+name+"{"
	return &with
}

// Handle implements slog.Handler.
func (h *Repeats) Handle(ctx context.Context, r slog.Record) error {
	key, alone := r.Level.String()+"\x00"+r.Message+h.with, h.alone
	r.Attrs(func(a slog.Attr) bool {
		key += keyOf(a)
		alone = alone || passes(a)
		return true
	})
	if !alone && h.lines.count(key, h.next, r) {
		return nil
	}
	return h.next.Handle(ctx, r)
}

// Close writes the remaining counts. Later lines are written as they come.
func (h *Repeats) Close() {
	h.lines.mu.Lock()
	h.lines.closed = true
	left := h.lines.byKey
	h.lines.byKey = nil
	h.lines.mu.Unlock()
	for _, l := range left {
		l.timer.Stop()
		l.write()
	}
}

// count reports whether r repeats a line of the last minute, and counts it if so.
func (ls *repeatedLines) count(key string, to slog.Handler, r slog.Record) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l := ls.byKey[key]; l != nil {
		l.count++
		l.again = r.Clone()
		return true
	}
	if !ls.closed && len(ls.byKey) < maxRepeats {
		ls.byKey[key] = &repeatedLine{to: to, timer: time.AfterFunc(repeatInterval, func() { ls.due(key) })}
	}
	return false
}

// due ends the minute of a line. If the line was repeated, its repetitions are written and counted for another minute.
func (ls *repeatedLines) due(key string) {
	ls.mu.Lock()
	l := ls.byKey[key]
	if l == nil { // Close has written it
		ls.mu.Unlock()
		return
	}
	last := *l
	if l.count == 0 {
		delete(ls.byKey, key)
	} else {
		l.count = 0
		l.timer.Reset(repeatInterval)
	}
	ls.mu.Unlock()
	last.write()
}

// write writes how often the line came since it was written.
func (l *repeatedLine) write() {
	if l.count == 0 {
		return
	}
	l.again.AddAttrs(slog.Int("repeated", l.count))
	l.to.Handle(context.Background(), l.again) // an error can't be logged: this is the log
}

// keyOf returns the part of an attribute that two equal lines must share.
func keyOf(a slog.Attr) string {
	text := a.Value.Resolve().String()
	switch a.Value.Kind() {
	case slog.KindDuration, slog.KindTime:
		text = ""
	}
	if a.Key == "error" {
		text = strings.Map(func(r rune) rune {
			if unicode.IsDigit(r) {
				return -1
			}
			return r
		}, text)
	}
	return "\x00" + a.Key + "=" + text
}

// passes reports whether a line with this attribute is always written.
func passes(a slog.Attr) bool {
	switch a.Key {
	case "user", "by", "login_id", "txid", "count", "outage":
		return true
	}
	return false
}
