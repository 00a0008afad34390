//go:build unix

package system

import (
	"os"
	"os/user"
	"path/filepath"
	"testing"
)

// TestCanRead: a file's mode counts, and those of the folders above it.
func TestCanRead(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root")
	}
	if _, err := user.Lookup("nobody"); err != nil {
		t.Skip("no user nobody")
	}
	folder, err := os.MkdirTemp("", "reader") // that of the test is closed
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(folder)
	file := filepath.Join(folder, "secret")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		folder, file os.FileMode
		user         string
		can, known   bool
	}{
		{0o755, 0o644, "nobody", true, true},
		{0o755, 0o640, "nobody", false, true},
		{0o750, 0o644, "nobody", false, true},
		{0o700, 0o600, "root", true, true},
		{0o755, 0o644, "no-such-user", false, false},
	} {
		if err := os.Chmod(folder, tt.folder); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, tt.file); err != nil {
			t.Fatal(err)
		}
		if can, known, err := CanRead(tt.user, file); can != tt.can || known != tt.known || err != nil {
			t.Errorf("%+v: got %v, %v, %v", tt, can, known, err)
		}
	}
}
