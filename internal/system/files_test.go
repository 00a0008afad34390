package system_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"duoradiusd/internal/system"
)

// TestLock: of two who lock a file or a folder one gets it, and after it is closed the other does.
func TestLock(t *testing.T) {
	for name, lock := range map[string]func(string) (io.Closer, error){
		filepath.Join(t.TempDir(), "lock"): system.Lock,
		t.TempDir():                        system.LockFolder,
	} {
		first, err := lock(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := lock(name); !errors.Is(err, system.ErrLocked) {
			t.Errorf("locked twice: %v, want ErrLocked", err)
		}
		if err := first.Close(); err != nil {
			t.Error(err)
		}
		second, err := lock(name)
		if err != nil {
			t.Fatalf("after the first was closed: %v", err)
		}
		second.Close()
	}
}

// TestRename: the new content has the old name, and the file of the new name is gone.
func TestRename(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "new"), filepath.Join(t.TempDir(), "old")
	for _, name := range []string{from, to} {
		if err := os.WriteFile(name, []byte(filepath.Base(name)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := system.Rename(from, to); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(to); string(b) != "new" || err != nil {
		t.Errorf("read %q, %v; want \"new\"", b, err)
	}
	if err := system.SyncFolder(filepath.Dir(to)); err != nil {
		t.Error(err)
	}
}

// TestWritable: a file and a folder of ours can be written, and one that is not there can't.
func TestWritable(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{folder: true, file: true, filepath.Join(folder, "none"): false} {
		if err := system.Writable(name); (err == nil) != want {
			t.Errorf("%s: %v, want writable %v", name, err, want)
		}
	}
	if left, err := os.ReadDir(folder); len(left) != 1 || err != nil {
		t.Errorf("the question left %v, %v", left, err)
	}
}

// TestKeepAccess: a file that replaces another one can be read by the same people.
func TestKeepAccess(t *testing.T) {
	folder := t.TempDir()
	old := filepath.Join(folder, "old")
	if err := os.WriteFile(old, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(old)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.CreateTemp(folder, "new")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := system.KeepAccess(f, old, before); err != nil {
		t.Fatal(err)
	}
	if now, err := f.Stat(); err != nil || now.Mode() != before.Mode() {
		t.Errorf("mode %v, %v; want %v", now.Mode(), err, before.Mode())
	}
}
