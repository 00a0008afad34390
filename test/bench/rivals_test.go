package main

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// TestWholeWork checks each server that asks Duo: it signs its calls, and it accepts the users whom Duo allows and
// nobody else.
func TestWholeWork(t *testing.T) {
	if testing.Short() {
		t.Skip("starts half a dozen programs")
	}
	ctx := t.Context()
	b := &bench{scale: tiny, dir: t.TempDir(), self: os.Args[0], people: crowd(1), progress: &strings.Builder{}}
	defer b.end()
	if err := b.build(ctx); err != nil {
		t.Fatal(err)
	}
	duo, err := b.duo(ctx, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	for title, start := range map[string]starting{
		titleOurs: func() (*server, error) { return b.ours(ctx, titleOurs, configuration(duo, "0s")) },
		titleRest: func() (*server, error) { return b.freeradius(ctx, guiseRest, duo) },
		titlePerl: func() (*server, error) { return b.freeradius(ctx, guisePerl, duo) },
		titleKept: func() (*server, error) { return b.freeradius(ctx, guiseKept, duo) },
	} {
		s, err := start()
		if errors.Is(err, errMissing) && os.Getenv("REQUIRE_REAL_CLIENTS") != "1" {
			t.Logf("%s: %v", title, err)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", title, err)
			continue
		}
		if err := duo.forget(ctx); err != nil {
			t.Fatal(err)
		}
		l := towards(s, []identity{{"jo b", "192.0.2.1"}, {stranger, "192.0.2.2"}})
		l.count, l.rate, l.twice = 2, 100, 0
		got, err := l.run(ctx)
		if err != nil {
			t.Fatal(err)
		}
		seen, err := duo.sightings(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if got.accepted != 1 || got.refused != 1 || seen.Pushes != 2 || seen.Refused != 0 {
			t.Errorf("%s: %d accepted, %d refused, %d pushes, %d wrong signatures", title, got.accepted, got.refused, seen.Pushes, seen.Refused)
		}
	}
}
