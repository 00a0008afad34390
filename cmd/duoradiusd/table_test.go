package main

import (
	"testing"
	"time"

	"duoradiusd/internal/display"
)

func TestSpan(t *testing.T) {
	const day = 24 * time.Hour
	for d, want := range map[time.Duration]string{
		0:                               "0 s",
		1500 * time.Millisecond:         "2 s",
		59*time.Second + 600e6:          "1 min",
		14*time.Minute + 59*time.Second: "15 min",
		59*time.Minute + 50*time.Second: "1 h",
		time.Hour + 29*time.Minute:      "1 h 29 min",
		3 * time.Hour:                   "3 h",
		day - time.Second:               "1 d",
		day + time.Hour:                 "1 d 1 h",
		2*day - time.Minute:             "2 d",
		400 * day:                       "400 d",
	} {
		if got := span(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func TestAgoAndUntil(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct{ got, want string }{
		{ago(time.Time{}, now), "never"},
		{ago(now, now), "just now"},
		{ago(now.Add(time.Minute), now), "just now"}, // a clock that was set back
		{ago(now.Add(-3*time.Minute), now), "3 min ago"},
		{until(now.Add(-time.Minute), now), "now"},
		{until(now.Add(90*time.Minute), now), "in 1 h 30 min"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %s, want %s", tt.got, tt.want)
		}
	}
}

func TestShown(t *testing.T) {
	if got, want := display.Visible("a\x1b[31m\n\u0085\u202eÄ\x7f"), "a\ufffd[31m\ufffd\ufffd\ufffdÄ\ufffd"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
