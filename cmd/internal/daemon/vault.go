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
)

// vault keeps files encrypted and authenticated (AES-256-GCM) in the state directory. Its key lies beside them, in a
// file of its own: what is copied without it, or put back from an older day, is of no use. Each write of a file has a
// higher number than the one before; the key's file knows the numbers, so that an older file is noticed.
type vault struct {
	directory string

	mu   sync.Mutex // guards ring, and is held while a file is written
	ring keyRing
}

// keyRing is the content of the key's file.
type keyRing struct {
	Key     []byte            `json:"key"`
	Written map[string]uint64 `json:"written"` // the number of each file's newest write
}

const (
	keyFile   = "state.key"
	vaultMark = "duoradiusd state 1\n"
	maxVault  = 1 << 28
)

// errSetAside says that a file was of no use and lies there under another name.
var errSetAside = errors.New("damaged, foreign or from an older day")

// openVault opens the vault in a directory, which it makes. A key's file that can't be read is set aside, and with it
// all that it opened.
func openVault(directory string) (*vault, error) {
	if err := os.MkdirAll(directory, 0o750); err != nil {
		return nil, err
	}
	v := &vault{directory: directory}
	b, err := os.ReadFile(v.path(keyFile))
	if errors.Is(err, fs.ErrNotExist) {
		return v, v.newKey()
	}
	if err != nil {
		return nil, err
	}
	if json.Unmarshal(b, &v.ring) != nil || len(v.ring.Key) != 32 || v.ring.Written == nil {
		if err := v.setAside(keyFile); err != nil {
			return nil, err
		}
		return v, v.newKey()
	}
	return v, nil
}

func (v *vault) path(name string) string { return filepath.Join(v.directory, name) }

func (v *vault) newKey() error {
	v.ring = keyRing{Key: make([]byte, 32), Written: make(map[string]uint64)}
	rand.Read(v.ring.Key)
	return v.writeRing()
}

func (v *vault) writeRing() error {
	b, err := json.Marshal(v.ring)
	if err != nil {
		return err
	}
	return writeAtomically(v.path(keyFile), b)
}

func (v *vault) seal() (cipher.AEAD, error) {
	block, err := aes.NewCipher(v.ring.Key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// bound is what a sealed file can't be taken out of: its name and its number.
func bound(name string, number uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte(vaultMark+name+"\n"), number)
}

// save writes a file whole or not at all. Its number counts once the file is there: a crash between the two leaves a
// file that is newer than the key's file knows, which is none that somebody put back.
func (v *vault) save(name string, plain []byte) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	aead, err := v.seal()
	if err != nil {
		return err
	}
	number := v.ring.Written[name] + 1
	b := binary.BigEndian.AppendUint64([]byte(vaultMark), number)
	if err := writeAtomically(v.path(name), aead.Seal(b, nil, plain, bound(name, number))); err != nil {
		return err
	}
	v.ring.Written[name] = number
	return v.writeRing()
}

// load reads a file; nil where there is none. One that is of no use is set aside, and the error says so.
func (v *vault) load(name string) ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f, err := os.Open(v.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxVault+1))
	if err != nil {
		return nil, err
	}
	plain, number, ok := v.open(name, b)
	if !ok || number < v.ring.Written[name] {
		if err := v.setAside(name); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%s: %w; it lies there as %s now", v.path(name), errSetAside, name+badSuffix)
	}
	v.ring.Written[name] = number
	return plain, nil
}

func (v *vault) open(name string, b []byte) (plain []byte, number uint64, ok bool) {
	rest, ok := bytes.CutPrefix(b, []byte(vaultMark))
	if !ok || len(rest) < 8 || len(b) > maxVault {
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

const badSuffix = ".bad"

// setAside keeps the newest useless file of a name for whoever wants to know.
func (v *vault) setAside(name string) error { return os.Rename(v.path(name), v.path(name+badSuffix)) }

// writeAtomically leaves the old file or the new one, whatever happens. Only this user may read it.
func writeAtomically(name string, b []byte) error {
	directory := filepath.Dir(name)
	f, err := os.CreateTemp(directory, ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return err
	}
	d, err := os.Open(directory)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
