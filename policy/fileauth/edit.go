package fileauth

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"duoradiusd/internal/system"
	"duoradiusd/policy/canonical"
)

// Edit is the result of a change to a file.
type Edit struct {
	Made     bool  // the file did not exist before
	Known    bool  // the user was in it
	Problems error // the lines for which a daemon refuses the file, with the defaults of [username]; nil: none
}

// Set gives a user this password, in the user's own line or in a new line at the end. Every other line stays as it is. A
// reader sees either the whole old file or the whole new one.
func Set(path, user, password string) (Edit, error) {
	if err := CheckName(user); err != nil {
		return Edit{}, err
	}
	stored, err := Hash(password)
	if err != nil {
		return Edit{}, err
	}
	return edit(path, user, user+":"+stored)
}

// Delete removes a user's line. It returns an error if there is none.
func Delete(path, user string) (Edit, error) {
	if user == "" {
		return Edit{}, errors.New("an empty user name; want one")
	}
	return edit(path, user, "")
}

// CheckName returns an error for a name that no line can hold or that no login can have.
func CheckName(user string) error {
	_, ok := canonical.Names{}.Canonical(user)
	switch {
	case !ok:
		return errors.New("a user name that no login can have: empty, too long, or with control characters or outer blanks")
	case strings.Contains(user, ":"):
		return errors.New("a colon in the user name; want none, it ends the name")
	case strings.HasPrefix(user, "#"):
		return errors.New("a user name that begins with #, as comments do; want another")
	}
	return nil
}

// edit replaces the user's line by line, or removes it if line is "".
func edit(path, user, line string) (Edit, error) {
	path, err := follow(path)
	if err != nil {
		return Edit{}, err
	}
	folder, err := lock(filepath.Dir(path))
	if err != nil {
		return Edit{}, err
	}
	defer folder.Close()
	content, info, err := readFile(path)
	made := errors.Is(err, fs.ErrNotExist) && line != ""
	if err != nil && !made {
		return Edit{}, err
	}
	content, known := replace(content, user, line)
	if !known && line == "" {
		return Edit{}, fmt.Errorf("%s has no user %s", path, user)
	}
	e := Edit{Made: made, Known: known}
	_, e.Problems = parse(path, content, func(name string) string {
		if canonical, ok := (canonical.Names{}).Canonical(name); ok {
			return canonical
		}
		return name
	})
	if err := install(path, content, info); err != nil {
		return Edit{}, err
	}
	return e, system.SyncFolder(filepath.Dir(path))
}

// follow returns the path of the file that a symbolic link leads to, so that the link itself is not replaced. The file need
// not exist yet.
func follow(path string) (string, error) {
	for range 40 { // as many as Linux follows
		to, err := os.Readlink(path)
		if err != nil {
			return path, nil
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = to
	}
	return "", fmt.Errorf("%s: %w", path, syscall.ELOOP)
}

const lockPatience = 10 * time.Second

// lock locks a folder until it is closed, so that two changes at the same time are both made.
func lock(path string) (io.Closer, error) {
	for end := time.Now().Add(lockPatience); ; time.Sleep(20 * time.Millisecond) {
		folder, err := system.LockFolder(path)
		if err == nil {
			return folder, nil
		}
		if !errors.Is(err, system.ErrLocked) || time.Now().After(end) {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
	}
}

// replace replaces the user's first line by line and removes further lines of the user. A second line would make the file
// unusable, or bring back an old password when the first is deleted. If the user has no line, line is appended.
func replace(content, user, line string) (changed string, known bool) {
	content, mark := strings.TrimPrefix(content, "\ufeff"), strings.HasPrefix(content, "\ufeff")
	var b strings.Builder
	if mark {
		b.WriteString("\ufeff")
	}
	for old := range strings.Lines(content) {
		if nameIn(old) != user {
			b.WriteString(old)
			continue
		}
		if !known && line != "" {
			b.WriteString(line + old[len(strings.TrimRight(old, "\r\n")):])
		}
		known = true
	}
	if !known && line != "" {
		if content != "" && !strings.HasSuffix(content, "\n") {
			b.WriteString("\n")
		}
		b.WriteString(line + "\n")
	}
	return b.String(), known
}

// nameIn returns the user name of a line, even if its hash is malformed, and "" for a comment.
func nameIn(line string) string {
	line = strings.Trim(line, " \t\r\n")
	name, _, ok := strings.Cut(line, ":")
	if !ok || strings.HasPrefix(line, "#") {
		return ""
	}
	return name
}

// install replaces the whole file at path by one of the same mode and owner. before describes the old file; it is nil if
// there was none. The caller syncs the folder.
func install(path, content string, before os.FileInfo) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.new") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // unless it has been renamed
	defer f.Close()
	if _, err := f.WriteString(content); err != nil {
		return err
	}
	if before != nil {
		if err := system.KeepAccess(f, path, before); err != nil {
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return system.Rename(f.Name(), path)
}
