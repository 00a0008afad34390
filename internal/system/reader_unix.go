//go:build unix

package system

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// UnitUser is the user that the packages' unit runs the daemon as.
const UnitUser = "duoradiusd"

// CanRead reports whether the user of that name may read the file and pass through the folders above it, by their owners,
// groups and modes. known is false where there is no such user.
func CanRead(name, path string) (can, known bool, err error) {
	u, err := user.Lookup(name)
	if err != nil {
		return false, false, nil
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return false, true, err
	}
	groups, err := u.GroupIds()
	if err != nil {
		return false, true, fmt.Errorf("groups of %s: %w", name, err)
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return false, true, err
	}
	for at, need := path, os.FileMode(0o4); ; at, need = filepath.Dir(at), 0o1 {
		info, err := os.Stat(at)
		if err != nil {
			return false, true, err
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return false, true, fmt.Errorf("tell the owner of %s: the system tells none", at)
		}
		mode := info.Mode().Perm()
		switch {
		case uid == 0:
			mode = need
		case uint64(stat.Uid) == uid:
			mode >>= 6
		case slices.Contains(groups, strconv.FormatUint(uint64(stat.Gid), 10)):
			mode >>= 3
		}
		if mode&need == 0 {
			return false, true, nil
		}
		if at == filepath.Dir(at) {
			return true, true, nil
		}
	}
}
