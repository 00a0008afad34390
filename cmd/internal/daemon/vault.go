package daemon

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"duoradiusd/internal/system"
)

// vault keeps files encrypted and authenticated (AES-256-GCM) in the state directory. The key is in a file of its own beside
// them. A file that is copied without the key can't be read. Each write of a file has a higher number than the one before, and
// the key's file holds the newest number of each, so that an older copy of a file is refused. The vault can't notice that the
// whole directory, with the key's file, is replaced by an older copy.
type vault struct {
	directory string
	at        func(step string) error // called at the steps of a write, so that tests can break it there; nil in the daemon

	mu     sync.Mutex // guards the fields below, and is held while a file is written
	lock   io.Closer  // keeps other daemons out of the directory; nil once closed
	ring   keyRing
	sealed []byte // memory for the content of a file
}

// keyRing is the content of the key's file.
type keyRing struct {
	Key     []byte            `json:"key"`
	Written map[string]uint64 `json:"written"` // the number of each file's newest write
}

const (
	keyFile   = "state.key"
	lockFile  = "state.lock"
	vaultMark = "duoradiusd state 1\n"
	maxVault  = 1 << 28
	maxRing   = 1 << 16
)

var (
	errUseless = errors.New("it is damaged, of another installation, or older than what was saved last") // the file is then renamed
	errGone    = errors.New("the file is missing")
	errClosed  = errors.New("the state directory is closed")
)

// openVault opens the vault in a directory for this daemon alone. It makes the directory if there is none. If the key's file
// can't be read, it is renamed and the files that it encrypted are lost: the error says so, and the vault can be used.
func openVault(directory string) (v *vault, err error) {
	if err := os.MkdirAll(directory, 0o750); err != nil {
		return nil, err
	}
	v = &vault{directory: directory}
	if err := v.inOtherHands(); err != nil {
		return nil, err
	}
	if v.lock, err = lock(v.path(lockFile)); err != nil {
		return nil, err
	}
	if err = v.readRing(); err != nil && !errors.Is(err, errUseless) {
		v.close()
		return nil, err
	}
	return v, err
}

// lock takes a lock, which ends with the process at the latest.
func lock(name string) (io.Closer, error) {
	held, err := system.Lock(name)
	if errors.Is(err, system.ErrLocked) {
		return nil, unsafeState{name + ": another daemon uses this directory; give each daemon its own"}
	}
	return held, err
}

// unsafeState says why a state directory must not be used: another user may have written what it holds.
type unsafeState struct{ why string }

func (u unsafeState) Error() string { return u.why }

// inOtherHands returns an unsafeState if other users can write the directory or one of its files, because they could write
// approvals.
func (v *vault) inOtherHands() error {
	for _, name := range []string{"", keyFile, lockFile, clientsFile, memoryFile, changesFile} {
		path := v.path(name)
		who, cure, err := system.InOtherHands(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case who != "":
			return unsafeState{fmt.Sprintf("%s: %s can change it; want %s", path, who, cure)}
		}
	}
	return nil
}

// close ends the use of the directory, so that another daemon can use it. Nothing is saved any more.
func (v *vault) close() {
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.lock != nil {
		v.lock.Close()
		v.lock = nil
	}
}

func (v *vault) path(name string) string { return filepath.Join(v.directory, name) }

// readRing reads the key's file, or makes a new key.
func (v *vault) readRing() error {
	b, err := v.read(keyFile, maxRing)
	if errors.Is(err, fs.ErrNotExist) {
		return v.newRing()
	}
	if err != nil {
		return err
	}
	if json.Unmarshal(b, &v.ring) == nil && len(v.ring.Key) == 32 && v.ring.Written != nil {
		return nil
	}
	useless := v.setAside(keyFile, errUseless)
	return errors.Join(useless, v.newRing())
}

func (v *vault) newRing() error {
	v.ring = keyRing{Key: make([]byte, 32), Written: make(map[string]uint64)}
	rand.Read(v.ring.Key)
	return v.writeRing()
}

func (v *vault) writeRing() error {
	b, err := json.Marshal(v.ring)
	if err != nil {
		return err
	}
	return v.write(keyFile, b)
}

func (v *vault) seal() (cipher.AEAD, error) {
	block, err := aes.NewCipher(v.ring.Key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// bound returns the additional data of a file's encryption: the file can be opened only with its name and number.
func bound(name string, number uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte(vaultMark+name+"\n"), number)
}

// save writes a file as a whole or not at all. It writes the file first and the key's file, with the new number, after it. A
// crash between the two leaves a file with a higher number than the key's file has, which load accepts: it is no older copy.
func (v *vault) save(name string, plain []byte) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.lock == nil {
		return errClosed
	}
	aead, err := v.seal()
	if err != nil {
		return err
	}
	number := v.ring.Written[name] + 1
	b := binary.BigEndian.AppendUint64(append(v.sealed[:0], vaultMark...), number)
	if len(b)+len(plain)+aead.Overhead() > maxVault {
		return fmt.Errorf("%s: %d octets are too many to be read again", v.path(name), len(plain))
	}
	v.sealed = aead.Seal(b, nil, plain, bound(name, number))
	if err := v.write(name, v.sealed); err != nil {
		return err
	}
	v.ring.Written[name] = number
	return v.writeRing()
}

// load reads a file; nil where there never was one. It renames a file that can't be used, and the error says so.
func (v *vault) load(name string) ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	b, err := v.read(name, maxVault)
	switch {
	case errors.Is(err, fs.ErrNotExist) && v.ring.Written[name] == 0:
		return nil, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: %w", v.path(name), errGone)
	case err != nil:
		return nil, err
	}
	plain, number, ok := v.open(name, b)
	if !ok || number < v.ring.Written[name] {
		return nil, v.setAside(name, errUseless)
	}
	if number > v.ring.Written[name] { // a crash came between the two
		v.ring.Written[name] = number
		v.writeRing() // where it can't be, the next save says so
	}
	return plain, nil
}

func (v *vault) open(name string, b []byte) (plain []byte, number uint64, ok bool) {
	rest, ok := bytes.CutPrefix(b, []byte(vaultMark))
	if !ok || len(rest) < 8 {
		return nil, 0, false
	}
	aead, err := v.seal()
	if err != nil {
		return nil, 0, false
	}
	number = binary.BigEndian.Uint64(rest)
	plain, err = aead.Open(nil, nil, rest[8:], bound(name, number))
	return plain, number, err == nil
}

// refuse renames a file that is authentic but can't be used because of err.
func (v *vault) refuse(name string, err error) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.setAside(name, err)
}

// remove removes a file, even if nothing can be written.
func (v *vault) remove(name string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.lock == nil {
		return errClosed
	}
	if err := os.Remove(v.path(name)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

const (
	badSuffix = ".bad"
	newSuffix = ".new"
)

// setAside renames a file that can't be used, so that an administrator can look at it. It returns an error with the reason.
func (v *vault) setAside(name string, why error) error {
	if err := system.Rename(v.path(name), v.path(name+badSuffix)); err != nil {
		return fmt.Errorf("%s: %w; it can't be renamed: %w", v.path(name), why, err)
	}
	return fmt.Errorf("%s: %w; it was renamed to %s", v.path(name), why, name+badSuffix)
}

// read reads a whole file of at most most octets. The vault writes no longer file, so a longer one is refused.
func (v *vault) read(name string, most int64) ([]byte, error) {
	f, err := os.Open(v.path(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() > most {
		return nil, err
	}
	b := make([]byte, info.Size())
	_, err = io.ReadFull(f, b)
	return b, err
}

// write replaces a file: whatever happens, the old file or the new one is there. Only this user may read it. The next write
// removes what a crash has left of a new file.
func (v *vault) write(name string, b []byte) error {
	name = v.path(name)
	var f *os.File
	defer func() { f.Close() }() // a second Close does no harm
	for _, step := range []struct {
		name string
		take func() error
	}{
		{"create", func() (err error) {
			os.Remove(name + newSuffix)
			f, err = os.OpenFile(name+newSuffix, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			return err
		}},
		{"write", func() error { _, err := f.Write(b); return err }},
		{"sync", func() error { return f.Sync() }},
		{"close", func() error { return f.Close() }},
		{"rename", func() error { return system.Rename(name+newSuffix, name) }},
		{"sync directory", func() error { return system.SyncFolder(filepath.Dir(name)) }},
	} {
		var err error
		if v.at != nil {
			err = v.at(step.name)
		}
		if err == nil {
			err = step.take()
		}
		if err != nil { // it names the file
			os.Remove(name + newSuffix)
			return err
		}
	}
	return nil
}
