//go:build unix

package system_test

import (
	"os"
	"path/filepath"
	"testing"

	"duoradiusd/internal/system"
)

// TestOpenTo: a mode tells whether everybody may read; of what is no regular file it does not.
func TestOpenTo(t *testing.T) {
	name := filepath.Join(t.TempDir(), "secret")
	for mode, want := range map[os.FileMode]string{0o600: "", 0o640: "", 0o644: "everybody", 0o604: "everybody"} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		who, cure, err := system.OpenTo(f)
		f.Close()
		if who != want || (cure != "") != (want != "") || err != nil {
			t.Errorf("mode %v: open to %q (%q), %v; want %q", mode, who, cure, err, want)
		}
	}
	folder, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	if who, _, err := system.OpenTo(folder); who != "" || err != nil {
		t.Errorf("a folder is open to %q, %v; want no answer", who, err)
	}
}

// TestControl: the socket can be used by its owner and its group, takes the place of one that was left behind, and not
// of one that is served.
func TestControl(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "control.sock")
	l, err := system.ListenControl(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("mode %v, %v; want 0660", info.Mode(), err)
	}
	conn, err := system.DialControl(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if second, err := system.ListenControl(path); err == nil {
		second.Close()
		t.Error("a second daemon listens at the same socket")
	}
	l.Close()
}
