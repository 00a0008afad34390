package daemon

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// opened opens a vault for the length of a test.
func opened(t testing.TB, directory string) *vault {
	t.Helper()
	v, err := openVault(directory)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.close)
	return v
}

// put saves a text.
func (v *vault) put(t testing.TB, name, text string) {
	t.Helper()
	if err := v.save(name, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func works(string) error { return nil }

// breaks has at asked before each step of a write.
func (v *vault) breaks(at func(step string) error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.at = func(step string) error {
		err := at(step)
		if err != nil {
			err = &fs.PathError{Op: step, Path: v.path("x"), Err: err}
		}
		return err
	}
}

// reopened closes v and opens the directory as the next run does.
func reopened(t testing.TB, v *vault) *vault {
	t.Helper()
	v.close()
	return opened(t, v.directory)
}

func wantLoad(t testing.TB, v *vault, name, want string) {
	t.Helper()
	if got, err := v.load(name); err != nil || string(got) != want {
		t.Errorf("%s: got %.40q, %v; want %q", name, got, err, want)
	}
}

// wantUseless holds that a file is set aside, and the error names it.
func wantUseless(t testing.TB, v *vault, name string) {
	t.Helper()
	before, _ := os.ReadFile(v.path(name))
	got, err := v.load(name)
	if got != nil || !errors.Is(err, errUseless) || !strings.Contains(err.Error(), v.path(name)) || !strings.Contains(err.Error(), name+badSuffix) {
		t.Fatalf("%s: got %.40q, %v", name, got, err)
	}
	if aside, err := os.ReadFile(v.path(name + badSuffix)); err != nil || !bytes.Equal(aside, before) {
		t.Errorf("set aside: %d octets, %v", len(aside), err)
	}
	if _, err := os.Lstat(v.path(name)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there: %v", name, err)
	}
}

// copied copies the files of a directory to another.
func copied(t testing.TB, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

func overwrite(t testing.TB, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func content(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestVault(t *testing.T) {
	v := opened(t, filepath.Join(t.TempDir(), "a", "state"))
	if b, err := v.load("x"); b != nil || err != nil {
		t.Errorf("of nothing: %q, %v", b, err)
	}
	v.put(t, "x", "one")
	v.put(t, "y", "other")
	v.put(t, "x", "two")
	wantLoad(t, v, "x", "two")
	for range 3 {
		v = reopened(t, v)
		wantLoad(t, v, "x", "two")
		wantLoad(t, v, "y", "other")
	}
	v.put(t, "x", "")
	v = reopened(t, v)
	wantLoad(t, v, "x", "")
	v.close()
	v.close()
	if err := v.save("x", nil); err != errClosed {
		t.Errorf("closed: %v", err)
	}
}

// TestVaultModes: nobody else reads or enters.
func TestVaultModes(t *testing.T) {
	v := opened(t, filepath.Join(t.TempDir(), "state"))
	v.put(t, "x", "secret")
	for name, want := range map[string]fs.FileMode{".": fs.ModeDir | 0o750, "x": 0o600, keyFile: 0o600, lockFile: 0o600} {
		if info, err := os.Stat(v.path(name)); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v; want %v", name, info.Mode(), err, want)
		}
	}
	if entries, _ := os.ReadDir(v.directory); len(entries) != 3 {
		t.Errorf("%v", entries)
	}
	if b := content(t, v.path("x")); bytes.Contains(b, []byte("secret")) || !bytes.HasPrefix(b, []byte("duoradiusd state 1\n")) {
		t.Errorf("%q", b)
	}
}

// TestVaultDamage: each octet changed in each bit, a cut at each, and octets too many.
func TestVaultDamage(t *testing.T) {
	v := opened(t, t.TempDir())
	v.put(t, "x", "alice")
	whole := content(t, v.path("x"))
	var bad [][]byte
	for i := range whole {
		bad = append(bad, whole[:i])
		for bit := range 8 {
			b := bytes.Clone(whole)
			b[i] ^= 1 << bit
			bad = append(bad, b)
		}
	}
	bad = append(bad, append(bytes.Clone(whole), 0), append(bytes.Clone(whole), whole...), []byte(`{"ratchets":{}}`))
	for _, b := range bad {
		overwrite(t, v.path("x"), b)
		wantUseless(t, v, "x")
	}
	v.put(t, "x", "bob") // and life goes on
	wantLoad(t, reopened(t, v), "x", "bob")
}

// TestVaultKeyDamage: with the key all that it opened is lost, and said; never a crash.
func TestVaultKeyDamage(t *testing.T) {
	v := opened(t, t.TempDir())
	v.put(t, "x", "alice")
	v.close()
	key := content(t, v.path(keyFile))
	bad := [][]byte{[]byte("null"), []byte("{}"), []byte("[]"), []byte(`{"key":"AAAA","written":{}}`), []byte(`{"written":{}}`),
		bytes.Repeat([]byte(" "), maxRing+1), append(bytes.Clone(key), bytes.Repeat([]byte(" "), maxRing)...)}
	for i := range key {
		bad = append(bad, key[:i])
		b := bytes.Clone(key)
		b[i] ^= 1
		bad = append(bad, b)
	}
	for _, b := range bad {
		directory := copied(t, v.directory)
		overwrite(t, filepath.Join(directory, keyFile), b)
		w, err := openVault(directory)
		if w == nil || err != nil && (!errors.Is(err, errUseless) || !strings.Contains(err.Error(), w.path(keyFile))) {
			t.Fatalf("%q: %v", b, err)
		}
		if plain, err := w.load("x"); plain != nil && string(plain) != "alice" || plain == nil && err == nil {
			t.Errorf("%q: got %q, %v", b, plain, err)
		}
		w.put(t, "x", "bob")
		wantLoad(t, reopened(t, w), "x", "bob")
		w.close()
	}
}

// TestVaultForeign: a file of another directory, or under another name.
func TestVaultForeign(t *testing.T) {
	v, other := opened(t, t.TempDir()), opened(t, t.TempDir())
	v.put(t, "x", "mine")
	v.put(t, "y", "mine")
	other.put(t, "x", "theirs")
	overwrite(t, v.path("x"), content(t, other.path("x")))
	wantUseless(t, v, "x")
	overwrite(t, v.path("x"), content(t, v.path("y")))
	wantUseless(t, v, "x")
	v.put(t, "x", "mine")
	v.close()
	os.Remove(v.path(keyFile)) // without the key nothing is anybody's
	v = opened(t, v.directory)
	wantUseless(t, v, "x")
	wantUseless(t, v, "y")
}

// TestVaultRollback: an older file is noticed, over restarts, crashes and other files; so is one that is taken away.
func TestVaultRollback(t *testing.T) {
	v := opened(t, t.TempDir())
	v.put(t, "x", "one")
	old := content(t, v.path("x"))
	v.put(t, "x", "two")
	v.put(t, "y", "other")
	newest := content(t, v.path("x"))
	v = reopened(t, v)
	overwrite(t, v.path("x"), old)
	wantUseless(t, v, "x")
	v = reopened(t, v)
	if b, err := v.load("x"); b != nil || !errors.Is(err, errGone) || !strings.Contains(err.Error(), v.path("x")) {
		t.Errorf("taken away: %q, %v", b, err)
	}
	for range 2 { // an old one of before the gap is old still
		overwrite(t, v.path("x"), old)
		wantUseless(t, v, "x")
		v = reopened(t, v)
	}
	overwrite(t, v.path("x"), newest)
	wantLoad(t, v, "x", "two")
	v.put(t, "x", "three")
	overwrite(t, v.path("x"), newest)
	wantUseless(t, reopened(t, v), "x")
	wantLoad(t, v, "y", "other")
}
