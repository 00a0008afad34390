package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestVaultCrash: whenever the power fails during a save, the next run finds what was saved before or what is new, says
// nothing, and goes on; the older of the two is then no good any more.
func TestVaultCrash(t *testing.T) {
	v := opened(t, t.TempDir())
	v.put(t, "x", "one")
	v.put(t, "x", "two")
	old := content(t, v.path("x"))
	var crashes []string
	v.breaks(func(string) error {
		crashes = append(crashes, copied(t, v.directory))
		return nil
	})
	v.put(t, "x", "three")
	if len(crashes) != 12 {
		t.Errorf("%d steps", len(crashes))
	}
	became := ""
	for i, directory := range crashes {
		w := opened(t, directory)
		b, err := w.load("x")
		if err != nil || string(b) != "two" && string(b) != "three" {
			t.Errorf("step %d: got %q, %v", i, b, err)
		}
		became += string(b[1:2])
		if string(b) == "three" { // known from now on, even if there is no other save
			w = reopened(t, w)
			overwrite(t, w.path("x"), old)
			wantUseless(t, w, "x")
		}
		w.put(t, "x", "four")
		wantLoad(t, reopened(t, w), "x", "four")
		if left, _ := filepath.Glob(w.path("*" + newSuffix)); left != nil {
			t.Errorf("step %d leaves %v", i, left)
		}
		w.close()
	}
	if became != "wwwwwhhhhhhh" {
		t.Errorf("which file was found: %s", became)
	}
}

var errBroken = errors.New("no space left on device")

// TestVaultErrors: a save that fails at any step leaves a file that is good, says which, and the next succeeds.
func TestVaultErrors(t *testing.T) {
	for at := range 12 {
		v := opened(t, t.TempDir())
		v.put(t, "x", "one")
		left := at
		v.breaks(func(string) error {
			if left--; left < 0 {
				return errBroken
			}
			return nil
		})
		for range 3 {
			if err := v.save("x", []byte("two")); !errors.Is(err, errBroken) || !strings.Contains(err.Error(), v.directory) {
				t.Errorf("step %d: %v", at, err)
			}
		}
		if left, _ := filepath.Glob(v.path("*" + newSuffix)); left != nil {
			t.Errorf("step %d leaves %v", at, left)
		}
		w := opened(t, copied(t, v.directory))
		if b, err := w.load("x"); err != nil || string(b) != "one" && string(b) != "two" || at < 5 && string(b) != "one" {
			t.Errorf("step %d: got %q, %v", at, b, err)
		}
		v.breaks(works)
		v.put(t, "x", "three")
		wantLoad(t, reopened(t, v), "x", "three")
	}
}

// TestVaultTooBig: what would not be read again is not written, and what is too long is not read.
func TestVaultTooBig(t *testing.T) {
	v := opened(t, t.TempDir())
	v.put(t, "x", "one")
	if err := v.save("x", make([]byte, maxVault)); err == nil || !strings.Contains(err.Error(), v.path("x")) {
		t.Errorf("got %v", err)
	}
	wantLoad(t, reopened(t, v), "x", "one")
	f, err := os.OpenFile(v.path("x"), os.O_WRONLY, 0)
	if err == nil {
		err = f.Truncate(maxVault + 1) // a hole
	}
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if b, err := v.load("x"); b != nil || !errors.Is(err, errUseless) {
		t.Errorf("got %d octets, %v", len(b), err)
	}
}

// TestVaultPlace: where there can be no vault, there is an error that names the place.
func TestVaultPlace(t *testing.T) {
	place := func() string { return filepath.Join(t.TempDir(), "state") }
	file, under, key, lock, held := place(), place(), place(), place(), place()
	overwrite(t, file, nil)
	overwrite(t, under, nil)
	for _, directory := range []string{filepath.Join(key, keyFile), filepath.Join(lock, lockFile)} {
		if err := os.MkdirAll(directory, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	opened(t, held)
	for name, directory := range map[string]string{"a file": file, "under a file": filepath.Join(under, "state"), "a directory as key": key,
		"a directory as lock": lock, "another daemon": held, "no permission": "/proc/1/state"} {
		v, err := openVault(directory)
		if v != nil || err == nil || !strings.Contains(err.Error(), filepath.Dir(directory)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	v := opened(t, place()) // a directory in a file's place
	if err := os.Mkdir(v.path("x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if b, err := v.load("x"); b != nil || err == nil {
		t.Errorf("got %q, %v", b, err)
	}
	if err := v.save("x", []byte("one")); err == nil {
		t.Error("a directory is overwritten")
	}
	if err := os.MkdirAll(v.path("y"+badSuffix+"/z"), 0o700); err != nil { // nor can anything be set aside
		t.Fatal(err)
	}
	overwrite(t, v.path("y"), []byte("?"))
	if b, err := v.load("y"); b != nil || !errors.Is(err, errUseless) || !strings.Contains(err.Error(), "can't be renamed") {
		t.Errorf("got %q, %v", b, err)
	}
}

// TestVaultIsOnes: two daemons don't write into one directory; the second may when the first has ended.
func TestVaultIsOnes(t *testing.T) {
	v := opened(t, t.TempDir())
	v.put(t, "x", "one")
	if _, err := openVault(v.directory); err == nil || !strings.Contains(err.Error(), "another daemon uses this directory") {
		t.Errorf("got %v", err)
	}
	v.put(t, "x", "two")
	v.close()
	wantLoad(t, opened(t, v.directory), "x", "two")
}

// FuzzVaultOpen: nothing opens but what was sealed, under its own name and number.
func FuzzVaultOpen(f *testing.F) {
	v := opened(f, f.TempDir())
	v.put(f, "x", "alice")
	v.put(f, "x", "bob")
	whole := content(f, v.path("x"))
	f.Add("x", whole)
	f.Add("y", whole)
	f.Add("x", whole[:len(vaultMark)+8])
	f.Add("x", []byte(vaultMark))
	f.Add("", []byte(nil))
	f.Fuzz(func(t *testing.T, name string, b []byte) {
		plain, number, ok := v.open(name, b)
		same := name == "x" && bytes.Equal(b, whole)
		if ok != same || ok && (string(plain) != "bob" || number != 2) {
			t.Errorf("%q opens as %q, number %d", name, fmt.Sprintf("%.60x", plain), number)
		}
	})
}
