package winservice

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestLogFile: the log never takes more than two files of the size that was given, and the newest lines are kept.
func TestLogFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "duoradiusd.log")
	l, err := OpenLogFile(name, 20)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 7 {
		if _, err := fmt.Fprintf(l, "line %d\n", i); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{name: "line 6\n", name + ".1": "line 4\nline 5\n"} {
		if b, err := os.ReadFile(file); string(b) != want || err != nil {
			t.Errorf("%s: %q, %v; want %q", filepath.Base(file), b, err, want)
		}
	}
	if l, err = OpenLogFile(name, 20); err != nil { // as the next start does
		t.Fatal(err)
	}
	defer l.Close()
	fmt.Fprintln(l, "line 7")
	if b, _ := os.ReadFile(name); string(b) != "line 6\nline 7\n" {
		t.Errorf("after a restart: %q", b)
	}
}
