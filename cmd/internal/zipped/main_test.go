package main

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestZipped: the same files make the same zip, whatever their order and their times.
func TestZipped(t *testing.T) {
	var zips [2][]byte
	for i := range zips {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "pages"), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"b.txt", "a.txt", "pages/c.md"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("this is "+name), 0o600); err != nil {
				t.Fatal(err)
			}
			when := time.Unix(int64(i)*1e6, 0)
			if err := os.Chtimes(filepath.Join(dir, name), when, when); err != nil {
				t.Fatal(err)
			}
		}
		names := []string{filepath.Join(dir, "pages"), filepath.Join(dir, "a.txt"), filepath.Join(dir, "b.txt")}
		if i == 1 {
			slices.Reverse(names)
		}
		t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
		target := filepath.Join(dir, "x.zip")
		if err := run(append([]string{target, "top"}, names...)); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(target)
		if err != nil {
			t.Fatal(err)
		}
		zips[i] = b
	}
	if !bytes.Equal(zips[0], zips[1]) {
		t.Error("two zips of the same files differ")
	}
	z, err := zip.NewReader(bytes.NewReader(zips[0]), int64(len(zips[0])))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range z.File {
		names = append(names, f.Name)
		if f.Modified.Unix() != 1700000000 {
			t.Errorf("%s is of %v", f.Name, f.Modified)
		}
	}
	if want := []string{"top/a.txt", "top/b.txt", "top/pages/c.md"}; !slices.Equal(names, want) {
		t.Errorf("it holds %q, want %q", names, want)
	}
}

// TestZippedMissing: a file that is not there is an error.
func TestZippedMissing(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	if err := run([]string{filepath.Join(t.TempDir(), "x.zip"), "top", filepath.Join(t.TempDir(), "none")}); err == nil {
		t.Error("no error")
	}
}
