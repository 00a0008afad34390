package system

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Lock makes the file of that name and keeps everybody else from opening it until the returned Closer is closed, or the
// process ends; then the file is gone. It does not wait: where another process holds the lock the error is ErrLocked.
func Lock(name string) (io.Closer, error) {
	wide, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	const attributes = windows.FILE_ATTRIBUTE_NORMAL | windows.FILE_FLAG_DELETE_ON_CLOSE
	h, err := windows.CreateFile(wide, windows.GENERIC_READ|windows.DELETE, 0, nil, windows.OPEN_ALWAYS, attributes, 0)
	switch {
	case errors.Is(err, windows.ERROR_SHARING_VIOLATION):
		return nil, ErrLocked
	case err != nil:
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(h), name), nil
}

// LockFolder locks a folder as Lock locks a file: by a file in it.
func LockFolder(name string) (io.Closer, error) { return Lock(filepath.Join(name, ".duoradiusd.lock")) }

// OpenTo returns which of the groups that hold people without business here may read f, such as "Users", and "" for
// none. cure is what to do about it. Files below ProgramData may be read by Users unless their folder says otherwise.
func OpenTo(f *os.File) (who, cure string, err error) {
	sd, err := windows.GetSecurityInfo(windows.Handle(f.Fd()), windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return "", "", fmt.Errorf("read the access control list of %s: %w", f.Name(), err)
	}
	const cures = "a file that only SYSTEM, Administrators and the service may read: icacls FILE /inheritance:r /grant:r *S-1-5-18:F *S-1-5-32-544:F"
	acl, _, err := sd.DACL()
	switch {
	case errors.Is(err, windows.ERROR_OBJECT_NOT_FOUND), err == nil && acl == nil:
		return "Everyone", cures, nil // no list at all lets everybody in
	case err != nil:
		return "", "", fmt.Errorf("read the access control list of %s: %w", f.Name(), err)
	}
	if who = broadReader(entries(acl)); who != "" {
		cure = cures
	}
	return who, cure, nil
}

// entries returns those entries of a list that allow something.
func entries(acl *windows.ACL) (list []entry) {
	for i := range uint32(acl.AceCount) {
		var ace *windows.ACCESS_ALLOWED_ACE
		if windows.GetAce(acl, i, &ace) != nil || ace.Header.AceType != windows.ACCESS_ALLOWED_ACE_TYPE {
			continue
		}
		sid := (*windows.SID)(unsafe.Pointer(&ace.SidStart))
		list = append(list, entry{
			sid:         sid.String(),
			rights:      uint32(ace.Mask),
			inheritOnly: ace.Header.AceFlags&windows.INHERIT_ONLY_ACE != 0,
		})
	}
	return list
}

// Writable returns nil when this process may write to the file or folder of that name, which must exist. Windows has no
// question for that: a file is opened, and in a folder one is made and removed.
func Writable(name string) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	var f *os.File
	if info.IsDir() {
		if f, err = os.CreateTemp(name, ".writable.*"); err == nil {
			defer os.Remove(f.Name()) // after it is closed
		}
	} else {
		f, err = os.OpenFile(name, os.O_WRONLY, 0)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return nil
}

// KeepAccess gives f the access control list of the file that it is going to replace: the one of that name.
func KeepAccess(f *os.File, name string, _ os.FileInfo) error {
	sd, err := windows.GetNamedSecurityInfo(name, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return fmt.Errorf("keep the access control list of %s: %w", name, err)
	}
	acl, _, err := sd.DACL()
	if errors.Is(err, windows.ERROR_OBJECT_NOT_FOUND) {
		return nil
	}
	control, _, err2 := sd.Control()
	if err = errors.Join(err, err2); err != nil {
		return fmt.Errorf("keep the access control list of %s: %w", name, err)
	}
	what := windows.SECURITY_INFORMATION(windows.DACL_SECURITY_INFORMATION)
	if control&windows.SE_DACL_PROTECTED != 0 {
		what |= windows.PROTECTED_DACL_SECURITY_INFORMATION // it inherits nothing from its folder
	}
	if err := windows.SetNamedSecurityInfo(f.Name(), windows.SE_FILE_OBJECT, what, nil, nil, acl, nil); err != nil {
		return fmt.Errorf("keep the access control list of %s: %w", name, err)
	}
	return nil
}

// busy is how long a rename waits for a reader to close the file that it replaces, which Windows wants.
const busy = 2 * time.Second

// Rename gives a closed file the name of another one, which it replaces: a reader sees the old file or the new one.
func Rename(from, to string) error {
	for end := time.Now().Add(busy); ; time.Sleep(10 * time.Millisecond) {
		err := os.Rename(from, to)
		if err == nil || time.Now().After(end) ||
			!errors.Is(err, windows.ERROR_SHARING_VIOLATION) && !errors.Is(err, windows.ERROR_ACCESS_DENIED) {
			return err
		}
	}
}

// SyncFolder does nothing: Windows has no call for it, and NTFS keeps a journal of names.
func SyncFolder(string) error { return nil }

// InOtherHands returns "": below ProgramData a folder's list of access rights is the installer's business, and the files in
// it inherit that list. OpenTo looks at what can be read.
func InOtherHands(name string) (who, cure string, err error) {
	_, err = os.Lstat(name)
	return "", "", err
}
