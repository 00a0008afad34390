package fileauth

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"duoradiusd/policy"
)

const (
	maxFile  = 64 << 20    // octets
	interval = time.Second // between two looks at the file
)

// turns bounds how many hashes are computed at once, for all files together, because each may need maxMemory.
var turns = make(chan struct{}, 2*runtime.GOMAXPROCS(0))

// File is a first factor in a file of user:hash lines. Open makes one; it may be used by several goroutines at once.
type File struct {
	// OnReload is called after each new content of the file was read: with nil, or with the reason why the old content
	// stays in use. The same error is reported once. It is called within Authenticate, one call at a time. It may be nil.
	// Set it before the first Authenticate.
	OnReload func(error)

	path      string
	canonical func(string) string
	now       func() time.Time
	turns     chan struct{}
	matches   func(h hash, password string) bool
	table     atomic.Pointer[table]

	mu       sync.Mutex // guards what follows; held while rereading
	looked   time.Time
	seen     os.FileInfo // of the content that was last read, good or bad; nil: read again
	reported string      // the last complaint
}

var _ policy.FirstFactor = (*File)(nil)

// Open reads the file at path, one user:hash a line; blank lines and lines that begin with # are skipped. canonical is
// applied to each name, so that it equals the name that Authenticate is given; nil leaves names as written. The error names
// every bad line by its number and never quotes it.
func Open(path string, canonical func(string) string) (*File, error) {
	f := &File{path: path, canonical: canonical, now: time.Now, turns: turns, matches: hash.matches}
	f.looked = f.now()
	if err := f.read(); err != nil {
		return nil, err
	}
	return f, nil
}

// Authenticate checks the password of a user. It first rereads the file if that has changed, looking at most once a
// second.
func (f *File) Authenticate(ctx context.Context, r policy.FirstRequest) (policy.Account, error) {
	if r.Method != policy.MethodPassword {
		return policy.Account{}, policy.ErrUnsupported
	}
	f.refresh()
	select {
	case <-ctx.Done():
	case f.turns <- struct{}{}:
		defer func() { <-f.turns }()
	}
	if err := ctx.Err(); err != nil {
		return policy.Account{}, fmt.Errorf("password file: wait until other passwords are checked: %w", err)
	}
	if r.Password == "" {
		return policy.Account{}, policy.ErrRejected
	}
	t := f.table.Load()
	e, known := t.users[r.User]
	h := e.hash
	if !known {
		h = t.unknown
	}
	// The hash is computed first, so that the answer for an unknown user takes the same time.
	if right := f.matches(h, r.Password); !right || !known {
		return policy.Account{}, policy.ErrRejected
	}
	return policy.Account{}, nil
}

// refresh reads the file again if it has changed. While one login does that, the others use the old content.
func (f *File) refresh() {
	if !f.mu.TryLock() {
		return
	}
	defer f.mu.Unlock()
	// After the clock was set back the file is looked at once, and not only after a long time.
	now := f.now()
	if since := now.Sub(f.looked); since >= 0 && since < interval {
		return
	}
	f.looked = now
	info, err := os.Stat(f.path)
	if err == nil && f.seen != nil && same(info, f.seen) {
		return
	}
	err = f.read()
	complaint := ""
	if err != nil {
		complaint = err.Error()
	}
	if f.OnReload != nil && (err == nil || complaint != f.reported) {
		f.OnReload(err)
	}
	f.reported = complaint
}

// read puts the whole content of the file into use, or keeps the old content. f.mu is held, or f is not shared yet.
func (f *File) read() error {
	f.seen = nil
	content, info, err := readFile(f.path)
	if err != nil {
		return fmt.Errorf("password file: %w", err)
	}
	f.seen = info // bad content is not parsed again each second
	t, err := parse(f.path, content, f.canonical)
	if err != nil {
		return err
	}
	f.table.Store(t)
	return nil
}

// readFile returns the content of a file, and its size and time of change at that moment.
func readFile(path string) (string, os.FileInfo, error) {
	info, err := os.Stat(path) // before opening, which would wait for a pipe's writer
	if err != nil {
		return "", nil, err
	}
	if !info.Mode().IsRegular() {
		return "", nil, fmt.Errorf("read %s: it is not a regular file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return "", nil, err
	}
	defer file.Close()
	before, err := file.Stat()
	if err != nil {
		return "", nil, err
	}
	if before.Size() > maxFile {
		return "", nil, fmt.Errorf("read %s: it is larger than %d MiB", path, maxFile>>20)
	}
	var content strings.Builder
	content.Grow(int(before.Size()))
	if _, err := io.Copy(&content, io.LimitReader(file, before.Size()+1)); err != nil {
		return "", nil, err
	}
	after, err := file.Stat()
	if err != nil {
		return "", nil, err
	}
	if !same(before, after) || int64(content.Len()) != before.Size() {
		return "", nil, fmt.Errorf("read %s: the file changed while it was read", path)
	}
	return content.String(), before, nil
}

// same reports whether a file looks unchanged: the same file, size and time of change.
func same(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
