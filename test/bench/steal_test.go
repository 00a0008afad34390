package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestMachineTime(t *testing.T) {
	before := parseMachineTime("cpu  100 0 50 800 0 0 10 40 7 0")
	after := parseMachineTime("cpu  150 0 60 880 0 0 10 60 9 0")
	if before != (machineTime{1000, 40}) || after.stolenSince(before) != 0.125 {
		t.Errorf("%+v, %v", before, after.stolenSince(before))
	}
	for _, odd := range []string{"", "cpu", "cpu 1 2 3", "cpu x"} {
		if got := parseMachineTime(odd); got.stolen != 0 || got.stolenSince(got) != 0 {
			t.Errorf("%q: %+v", odd, got)
		}
	}
	if readMachineTime().all <= 0 {
		t.Error("nothing of this machine")
	}
}

func calmBench(patience time.Duration) *bench {
	s := scale{Patience: patience}
	return &bench{scale: s, progress: &strings.Builder{}, waited: make(map[string]time.Duration), accepted: make(map[string]int), report: newReport(s)}
}

// TestPatience checks that each row has its own time for repeated turns.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := calmBench(4 * time.Second)
		n := 0.0
		b.fakeMachine = func() machineTime { n++; return machineTime{all: n, stolen: n} }
		for _, row := range []string{"one", "one", "two"} {
			if _, err := calmly(t.Context(), b, row, func() (int, error) { return 0, nil }); err != nil {
				t.Fatal(err)
			}
		}
		var text strings.Builder
		b.report.text(&text)
		if b.report.Repeated != 6 || !strings.Contains(text.String(), "one is to be measured again: in 2 turns") || !strings.Contains(text.String(), "two is to be measured again: in 1 turns") {
			t.Errorf("%d taken again; %s", b.report.Repeated, &text)
		}
	})
}

// TestCalmly checks that a disturbed turn is repeated until a turn is not disturbed or the row may wait no longer. The
// results of the turns make no difference.
func TestCalmly(t *testing.T) {
	for _, tt := range []struct {
		patience           time.Duration
		disturbed          int // how many of the first turns are disturbed
		turns, left, taken int
	}{
		{time.Minute, 0, 1, 0, 0},
		{time.Minute, 3, 4, 0, 3},
		{0, 3, 1, 1, 0},
		{4 * time.Second, 99, 4, 1, 3}, // after pauses of 1, 2 and 4 s
	} {
		synctest.Test(t, func(t *testing.T) {
			b := calmBench(tt.patience)
			n := 0
			b.fakeMachine = func() machineTime {
				return machineTime{all: float64(1000 * n), stolen: float64(6 * min(n, tt.disturbed))}
			}
			got, err := calmly(t.Context(), b, "row", func() (int, error) { n++; return -n, nil })
			if got != -tt.turns || err != nil || b.report.Disturbed["row"] != tt.left || b.report.Repeated != tt.taken {
				t.Errorf("%+v: the turn that counts is %d, %v; %+v", tt, -got, err, b.report)
			}
		})
	}
}

// TestCalmlyEnds checks that calmly ends if a turn fails or the context ends.
func TestCalmlyEnds(t *testing.T) {
	b := calmBench(time.Hour)
	n := 0.0
	b.fakeMachine = func() machineTime { n++; return machineTime{all: n, stolen: n} }
	want := errors.New("broken")
	if _, err := calmly(t.Context(), b, "row", func() (int, error) { return 0, want }); err != want {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := calmly(ctx, b, "row", func() (int, error) { return 0, nil }); err != context.Canceled {
		t.Errorf("got %v", err)
	}
}
