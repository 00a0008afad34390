//go:build unix

package fileauth

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestEditKeepsMode: a changed file keeps its mode and owner, and only its owner can read a new file.
func TestEditKeepsMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "staff.htpasswd")
	e, err := Set(path, "jo", "pw")
	if info, statErr := os.Stat(path); err != nil || statErr != nil || !e.Made || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v %+v %v", err, statErr, e, info.Mode())
	}
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 {
		uid, gid = 12345, 23456
	}
	for _, mode := range []os.FileMode{0o640, 0o444, 0o600} {
		if err := errors.Join(os.Chown(path, uid, gid), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		if _, err := Set(path, "jo", "pw"); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		owner := info.Sys().(*syscall.Stat_t)
		if info.Mode().Perm() != mode || int(owner.Uid) != uid || int(owner.Gid) != gid {
			t.Errorf("%v of %d:%d, want %v of %d:%d", info.Mode(), owner.Uid, owner.Gid, mode, uid, gid)
		}
	}
	wantAlone(t, path)
}
