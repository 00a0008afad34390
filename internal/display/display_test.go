package display

import (
	"testing"
	"time"
)

// TestVisible: nothing that a terminal obeys is left.
func TestVisible(t *testing.T) {
	for in, want := range map[string]string{
		"plain text": "plain text", "Größe 日本": "Größe 日本", "": "",
		"a\x1b[2Jb": "a\ufffd[2Jb", "a\nb\tc\x7f": "a\ufffdb\ufffdc\ufffd", "\u202egnp": "\ufffdgnp", "\u009b1m": "\ufffd1m", "\xff": "\ufffd",
	} {
		if got := Visible(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// TestLines: line ends stay, what does not print goes.
func TestLines(t *testing.T) {
	for in, want := range map[string]string{
		"one\ntwo": "one\ntwo", "tab\tand\r\n": "taband\n", "\x1b[31mred\x00": "[31mred", "\xc3\x28": "(", "日本": "日本",
	} {
		if got := Lines(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// TestCount: one thing, several things.
func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 users", 1: "1 user", 2: "2 users"} {
		if got := Count(n, "user"); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}

// TestDuration: as the configuration has it.
func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 30 * time.Second: "30s", 15 * time.Minute: "15m", 90 * time.Second: "1m30s", 12 * time.Hour: "12h", 10*time.Hour + 30*time.Minute: "10h30m",
	} {
		if got := Duration(d); got != want {
			t.Errorf("%d: got %q, want %q", d, got, want)
		}
	}
}
