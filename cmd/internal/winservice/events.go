package winservice

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// EventLog takes the messages for the Windows Event Log, as *eventlog.Log of golang.org/x/sys does.
type EventLog interface {
	Info(id uint32, message string) error
	Warning(id uint32, message string) error
	Error(id uint32, message string) error
}

// The numbers of our events, by which an administrator filters.
const (
	EventStarted uint32 = 1
	EventStopped uint32 = 2
	EventWarning uint32 = 3
	EventError   uint32 = 4
)

// At most maxEvents are written in each eventWindow, so that a sender of many bad packets can't fill the Event Log.
const (
	maxEvents   = 60
	eventWindow = time.Minute
)

// Handler is a slog.Handler that hands every record on to another one, and warnings and errors to the Event Log too.
type Handler struct {
	slog.Handler
	events *events
	attrs  []slog.Attr
}

// events is shared by a Handler and the Handlers that its WithAttrs and WithGroup return.
type events struct {
	log EventLog

	mu    sync.Mutex // guards all below
	since time.Time  // when the window began
	n     int        // events in it
	lost  int        // records that found no room in it
}

// NewHandler returns a Handler for all of the log and for the Event Log.
func NewHandler(all slog.Handler, log EventLog) *Handler {
	return &Handler{Handler: all, events: &events{log: log}}
}

// Enabled implements slog.Handler.
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn || h.Handler.Enabled(ctx, level)
}

// Handle implements slog.Handler. Errors of the Event Log are not reported, because there is no better place to report them.
func (h *Handler) Handle(ctx context.Context, r slog.Record) (err error) {
	if h.Handler.Enabled(ctx, r.Level) {
		err = h.Handler.Handle(ctx, r)
	}
	if r.Level >= slog.LevelWarn {
		h.events.put(r, h.attrs)
	}
	return err
}

// WithAttrs implements slog.Handler.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Handler{h.Handler.WithAttrs(attrs), h.events, append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)}
}

// WithGroup implements slog.Handler. The Event Log shows names without their group.
func (h *Handler) WithGroup(name string) slog.Handler {
	return &Handler{h.Handler.WithGroup(name), h.events, h.attrs}
}

// put writes a record as a text handler would, without the time and the level, because the Event Log adds both.
func (e *events) put(r slog.Record, attrs []slog.Attr) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if r.Time.Sub(e.since) >= eventWindow || r.Time.Before(e.since) {
		if e.lost > 0 {
			e.log.Warning(EventWarning, fmt.Sprintf("%d more warnings and errors are in the log file only", e.lost))
		}
		e.since, e.n, e.lost = r.Time, 0, 0
	}
	if e.n++; e.n > maxEvents {
		e.lost++
		return
	}
	if text := describe(r, attrs); r.Level >= slog.LevelError {
		e.log.Error(EventError, text)
	} else {
		e.log.Warning(EventWarning, text)
	}
}

// describe returns the record's message and facts on one line.
func describe(r slog.Record, attrs []slog.Attr) string {
	var b bytes.Buffer
	text := slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
			return slog.Attr{}
		}
		return a
	}})
	text.WithAttrs(attrs).Handle(context.Background(), r)
	return string(bytes.TrimSpace(append([]byte(r.Message+" "), b.Bytes()...)))
}
