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

// Lock makes a file that nobody else can open until the returned Closer is closed or the process ends. Then the file is
// removed. Lock does not wait: if another process holds the lock, the error is ErrLocked.
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

// LockFolder locks a folder by a file in it, as Lock does.
func LockFolder(name string) (io.Closer, error) { return Lock(filepath.Join(name, ".duoradiusd.lock")) }

// OpenTo returns which broad group, such as "Users", may read f; "" for none. cure says what to do about it. Users may read
// files below ProgramData unless the folder says otherwise.
func OpenTo(f *os.File) (who, cure string, err error) {
	sd, err := windows.GetSecurityInfo(windows.Handle(f.Fd()), windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return "", "", fmt.Errorf("read the access control list of %s: %w", f.Name(), err)
	}
	const cures = "a file that only SYSTEM, Administrators and the service may read: icacls FILE /inheritance:r /grant:r *S-1-5-18:F *S-1-5-32-544:F"
	acl, _, err := sd.DACL()
	switch {
	case errors.Is(err, windows.ERROR_OBJECT_NOT_FOUND), err == nil && acl == nil:
		return "Everyone", cures, nil // a file without a list is open to everybody
	case err != nil:
		return "", "", fmt.Errorf("read the access control list of %s: %w", f.Name(), err)
	}
	if who = broadReader(entries(acl)); who != "" {
		cure = cures
	}
	return who, cure, nil
}

// entries returns the entries of a list that allow something.
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

// Writable returns nil when this process may write to the file or folder of that name, which must exist. Windows has no call
// that tells: Writable opens a file, and makes and removes a file in a folder.
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

// KeepAccess gives f the access control list of the file that f will replace, which has the given name.
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
		what |= windows.PROTECTED_DACL_SECURITY_INFORMATION // the list inherits nothing from the folder
	}
	if err := windows.SetNamedSecurityInfo(f.Name(), windows.SE_FILE_OBJECT, what, nil, nil, acl, nil); err != nil {
		return fmt.Errorf("keep the access control list of %s: %w", name, err)
	}
	return nil
}

// busy is how long a rename waits for readers of the file that it replaces. Windows does not replace a file that is open.
const busy = 2 * time.Second

// Rename gives the closed file from the name to, and replaces the file that has this name. A reader sees the old file or the
// new one, never a part.
func Rename(from, to string) error {
	for end := time.Now().Add(busy); ; time.Sleep(10 * time.Millisecond) {
		err := os.Rename(from, to)
		if err == nil || time.Now().After(end) ||
			!errors.Is(err, windows.ERROR_SHARING_VIOLATION) && !errors.Is(err, windows.ERROR_ACCESS_DENIED) {
			return err
		}
	}
}

// SyncFolder does nothing: Windows has no call for it, and NTFS keeps a journal of the names in a folder.
func SyncFolder(string) error { return nil }

// InOtherHands returns "". The installer sets the access rights of the folders below ProgramData, and the files in a folder
// inherit them. OpenTo checks who can read a file.
func InOtherHands(name string) (who, cure string, err error) {
	_, err = os.Lstat(name)
	return "", "", err
}
