package checkup

import (
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
)

// TestUnreadable: who checks as root learns what the daemon's user can't read.
func TestUnreadable(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root")
	}
	if _, err := user.Lookup("nobody"); err != nil {
		t.Skip("no user nobody")
	}
	folder, err := os.MkdirTemp("", "unreadable") // that of the test is closed
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(folder)
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	var paths []string
	for name, mode := range map[string]os.FileMode{"open.toml": 0o644, "closed.secret": 0o600} {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	list := unreadable("nobody", paths)
	if len(list) != 1 || list[0].Level != Problem || filepath.Base(list[0].Subject) != "closed.secret" || !strings.HasPrefix(list[0].Remedy, "chgrp nobody "+list[0].Subject) {
		t.Errorf("%+v", list)
	}
	if list := unreadable("no-such-user", paths); list != nil {
		t.Errorf("a user that is not there: %+v", list)
	}
}
