//go:build unix

package system

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// Lock locks a file, which it makes if there is none. The lock holds until the returned Closer is closed or the process
// ends. Lock does not wait: if another process holds the lock, the error is ErrLocked.
func Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	return flock(f)
}

// LockFolder locks a folder as Lock locks a file.
func LockFolder(name string) (io.Closer, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	return flock(f)
}

// flock locks f. It closes f if it can't.
func flock(f *os.File) (io.Closer, error) {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return f, nil
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EWOULDBLOCK):
			err = ErrLocked
		}
		f.Close()
		return nil, err
	}
}

// OpenTo returns who may read f beside its owner, its group and administrators: "everybody", or "" for nobody. cure says what
// the mode should be.
func OpenTo(f *os.File) (who, cure string, err error) {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o004 == 0 {
		return "", "", err
	}
	return "everybody", "chmod 600, or 640 for the daemon's group", nil
}

// Writable returns nil when this process may write to the file or folder of that name, which must exist.
func Writable(name string) error {
	const write = 2 // W_OK of access(2)
	return syscall.Access(name, write)
}

// KeepAccess gives f the owner, the group and the mode of the file that f will replace. name and before describe that file.
func KeepAccess(f *os.File, name string, before os.FileInfo) error {
	now, err := f.Stat()
	if err != nil {
		return err
	}
	had, ok := before.Sys().(*syscall.Stat_t)
	has, ok2 := now.Sys().(*syscall.Stat_t)
	if !ok || !ok2 {
		return fmt.Errorf("keep the owner of %s: the system tells none", name)
	}
	if had.Uid != has.Uid || had.Gid != has.Gid {
		if err := f.Chown(int(had.Uid), int(had.Gid)); err != nil {
			return fmt.Errorf("keep the owner of %s: %w", name, err)
		}
	}
	return f.Chmod(before.Mode().Perm())
}

// Rename gives the closed file from the name to, and replaces the file that has this name. A reader sees the old file or the
// new one, never a part.
func Rename(from, to string) error { return os.Rename(from, to) }

// SyncFolder writes the changes of a folder, such as a Rename in it, to the disk.
func SyncFolder(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// InOtherHands returns who beside this user and root may change the file or folder: "" for nobody. cure says what to do about
// it.
func InOtherHands(name string) (who, cure string, err error) {
	info, err := os.Lstat(name)
	if err != nil {
		return "", "", err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return "", "", fmt.Errorf("tell the owner of %s: the system tells none", name)
	case info.Mode()&os.ModeSymlink != 0:
		return "whoever made this link", "a file or folder in its place", nil
	case stat.Uid != 0 && int(stat.Uid) != os.Geteuid():
		return fmt.Sprintf("user %d, who owns it,", stat.Uid), fmt.Sprintf("chown to user %d", os.Geteuid()), nil
	case info.Mode().Perm()&0o022 != 0:
		return "group or others", "chmod go-w", nil
	}
	return "", "", nil
}
