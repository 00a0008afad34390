package winservice

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// eventList is an Event Log that remembers.
type eventList []string

func (l *eventList) Info(id uint32, message string) error    { return l.add("info", id, message) }
func (l *eventList) Warning(id uint32, message string) error { return l.add("warning", id, message) }
func (l *eventList) Error(id uint32, message string) error   { return l.add("error", id, message) }

func (l *eventList) add(kind string, id uint32, message string) error {
	*l = append(*l, fmt.Sprintf("%s %d %s", kind, id, message))
	return nil
}

// TestHandler: the Event Log gets warnings and errors, the log gets everything.
func TestHandler(t *testing.T) {
	var all bytes.Buffer
	var events eventList
	log := slog.New(NewHandler(slog.NewTextHandler(&all, nil), &events)).With("client", "vpn")
	log.Info("login", "user", "alice")
	log.Warn("unknown client", "from", "192.0.2.1")
	log.WithGroup("duo").Error("can't be asked", "error", "time-out\nof a call")
	want := eventList{
		"warning 3 unknown client client=vpn from=192.0.2.1",
		`error 4 can't be asked client=vpn error="time-out\nof a call"`,
	}
	if !slices.Equal(events, want) {
		t.Errorf("got %q\nwant %q", events, want)
	}
	if n := strings.Count(all.String(), "\n"); n != 3 {
		t.Errorf("%d lines in the log, want 3:\n%s", n, &all)
	}
}

// TestHandlerFlood: the Event Log is never filled, and tells how much it does not hold.
func TestHandlerFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events eventList
		log := slog.New(NewHandler(slog.DiscardHandler, &events))
		for range 1000 {
			log.Warn("unknown client")
		}
		if len(events) != maxEvents {
			t.Errorf("%d events at once, want %d", len(events), maxEvents)
		}
		time.Sleep(eventWindow)
		log.Warn("unknown client")
		want := []string{"warning 3 940 more warnings and errors are in the log file only", "warning 3 unknown client"}
		if got := events[maxEvents:]; !slices.Equal(got, want) {
			t.Errorf("a minute later %q, want %q", got, want)
		}
	})
}
