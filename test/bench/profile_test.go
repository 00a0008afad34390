package main

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestProfile checks that the daemon's profile is written into a file that is named after row and server, and that a
// server without profiles gets no file.
func TestProfile(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second")
	}
	ctx := t.Context()
	b := &bench{scale: tiny, dir: t.TempDir(), self: os.Args[0], profiles: filepath.Join(t.TempDir(), "new"), people: crowd(10), progress: &strings.Builder{}}
	defer b.end()
	if err := b.build(ctx); err != nil {
		t.Fatal(err)
	}
	duo, err := b.duo(ctx, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	s, err := b.ours(ctx, titleOurs+", HTTP/1.1", configuration(duo, "0s"))
	if err != nil {
		t.Fatal(err)
	}
	bare := &server{title: titleFloor}
	for _, s := range []*server{s, bare} {
		if err := b.profile(ctx, s, "a row, once", 50*time.Millisecond); err != nil {
			t.Error(err)
		}
	}
	files, err := os.ReadDir(b.profiles)
	if err != nil || len(files) != 1 || files[0].Name() != "a_row__once-duoradiusd__HTTP_1.1.pprof" {
		t.Fatalf("%v, %v", files, err)
	}
	f, err := os.Open(filepath.Join(b.profiles, files[0].Name()))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	packed, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(packed); err != nil || !strings.Contains(string(text), "cpu") {
		t.Errorf("%d octets that are no profile of the processor: %v", len(text), err)
	}
	s.stop()
	if err := b.profile(ctx, s, "a row", 50*time.Millisecond); err == nil {
		t.Error("a daemon that has ended has a profile")
	}
}
