package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMain makes the test program serve as the parts of a run when it is started again, as the command does.
func TestMain(m *testing.M) {
	if yes, err := serve(os.Args[1:]); yes {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Exit(m.Run())
}

// tiny is so small that its figures mean nothing, but it runs all of the code.
var tiny = scale{"tiny", 1, 2, 50 * time.Millisecond, []int{32}, 40, 1, 300, 60, 2, 200 * time.Millisecond, 0, 500, 50}

// sure lists the verdicts that must hold on every machine, however busy it is, because they depend on counts and not on
// times.
var sure = []string{"one push each", "at most 2048 connections"}

func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a dozen programs")
	}
	var progress strings.Builder
	r, err := run(t.Context(), tiny, "", "", &progress)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Figures {
		if f.Rate <= 0 || f.Peak <= 0 || f.Lost > 0 {
			t.Errorf("%+v", f)
		}
	}
	for _, want := range []string{titleOurs, titleFloor, "layeh"} {
		if !slices.ContainsFunc(r.Figures, func(f figure) bool { return strings.Contains(f.Server, want) }) {
			t.Errorf("no figures of %q", want)
		}
	}
	if len(r.Notes) > 0 && os.Getenv("REQUIRE_REAL_CLIENTS") == "1" {
		t.Errorf("left out: %q", r.Notes)
	}
	for _, v := range r.Verdicts {
		counted := slices.ContainsFunc(sure, func(s string) bool { return strings.Contains(v.Target, s) })
		if v.Target == "to be measured" || counted && !v.Reached {
			t.Errorf("%s: %s: %s", v.Row, v.Target, v.Measured)
		}
	}
	if t.Failed() {
		t.Log(progress.String())
	}
}

// TestRunOnly runs one row by its name. For an unknown name, the error lists all names.
func TestRunOnly(t *testing.T) {
	_, err := run(t.Context(), tiny, "remembered,speed", "", &strings.Builder{})
	if err == nil || !strings.Contains(err.Error(), `"speed"`) || !strings.Contains(err.Error(), "configuration") {
		t.Errorf("got %v", err)
	}
}

// TestInterrupted checks that all programs that a run has started end with the run.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b := &bench{scale: tiny, dir: t.TempDir(), self: os.Args[0], people: crowd(10), progress: &strings.Builder{}}
	floor, err := b.rival(ctx, titleFloor, "floor")
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, cancel)
	l := towards(floor, b.people)
	l.inFlight, l.duration = 8, 2*time.Second
	if _, err := l.run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("the load ended with %v", err)
	}
	b.end()
	if floor.running() == nil {
		t.Error("the floor runs on")
	}
}

// TestLoad runs a load against a server that never answers and one that always answers. At the first, every login is
// lost after it was repeated; at the second, none is lost.
func TestLoad(t *testing.T) {
	b := &bench{scale: tiny, dir: t.TempDir(), self: os.Args[0], people: crowd(10), progress: &strings.Builder{}}
	defer b.end()
	floor, err := b.rival(t.Context(), titleFloor, "batched")
	if err != nil {
		t.Fatal(err)
	}
	deaf, err := listenLoopback()
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	for _, paced := range []bool{false, true} {
		l := towards(floor, b.people)
		l.sources, l.count, l.inFlight = 3, 1000, 10
		if paced {
			l.rate, l.inFlight, l.byLogin = 5000, 0, make([]time.Duration, 1000)
		}
		got, err := l.run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got.accepted != 1000 || got.lost != 0 || got.refused != 0 || len(got.took) != 1000 || got.elapsed <= 0 {
			t.Errorf("paced %v: %d accepted, %d lost, %d refused, %d times", paced, got.accepted, got.lost, got.refused, len(got.took))
		}
		if paced && (slices.Contains(l.byLogin, 0) || got.starting < 150*time.Millisecond) {
			t.Errorf("1000 logins at 5000/s began within %v", got.starting)
		}
		l.target = deaf.LocalAddr().(*net.UDPAddr).AddrPort()
		l.count, l.every, l.patience, l.duration = 10, 50*time.Millisecond, 300*time.Millisecond, 0
		l.rate = 1000
		if got, err = l.run(t.Context()); err != nil || got.accepted != 0 || got.lost != 10 || got.copies < 10 {
			t.Errorf("deaf: %+v, %v", got, err)
		}
	}
}
