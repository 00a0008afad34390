package fileauth

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
)

var ownHash = regexp.MustCompile(`\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}`)

// edited makes one change to a file with this content, and returns the new content, with each new hash as HASH.
func edited(t *testing.T, content string, do func(path string) (Edit, error)) (got string, e Edit) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "staff.htpasswd")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	e, err := do(path)
	if err != nil {
		t.Fatal(err)
	}
	return ownHash.ReplaceAllString(read(t, path), "HASH"), e
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSet(t *testing.T) {
	const jo, ann = "jo:" + horse2y, "ann:" + horse2a
	for _, tt := range []struct {
		name, before, user, want string
		known                    bool
	}{
		{"first", "", "jo", "jo:HASH\n", false},
		{"added", ann + "\n", "jo", ann + "\njo:HASH\n", false},
		{"changed", "# staff\n\n" + jo + "\n\t# and\n" + ann, "jo", "# staff\n\njo:HASH\n\t# and\n" + ann, true},
		{"last, without an end", ann + "\n" + jo, "jo", ann + "\njo:HASH", true},
		{"behind a line without an end", ann, "jo", ann + "\njo:HASH\n", false},
		{"line ends of Windows", jo + "\r\n" + ann + "\r\n", "jo", "jo:HASH\r\n" + ann + "\r\n", true},
		{"byte order mark", "\ufeff" + jo + "\n", "jo", "\ufeffjo:HASH\n", true},
		{"with blanks around", "  " + jo + "  \n", "jo", "jo:HASH\n", true},
		{"of another kind", "jo:{SHA}EfatjsUqKYSrqv18O1FlA3hcIHI=\n", "jo", "jo:HASH\n", true},
		{"twice", jo + "\n" + ann + "\n" + jo + "\n", "jo", "jo:HASH\n" + ann + "\n", true},
		{"commented out", "#" + jo + "\n", "jo", "#" + jo + "\njo:HASH\n", false},
		{"part of a name", "jojo:" + horse2a + "\n", "jo", "jojo:" + horse2a + "\njo:HASH\n", false},
		{"bad lines stay", "nonsense\n\xff:x\nkim:plain\n", "jo", "nonsense\n\xff:x\nkim:plain\njo:HASH\n", false},
		{"name of two words", ann + "\n", "Zoë Müller", ann + "\nZoë Müller:HASH\n", false},
	} {
		got, e := edited(t, tt.before, func(path string) (Edit, error) { return Set(path, tt.user, "correct horse") })
		if got != tt.want || e.Known != tt.known || e.Made {
			t.Errorf("%s:\ngot  %q %+v\nwant %q", tt.name, got, e, tt.want)
		}
	}
}

// TestSetIsRight: the daemon accepts the new password, and no other.
func TestSetIsRight(t *testing.T) {
	f := opened(t, nil, "jo:"+horse2y)
	for _, password := range []string{"pässwört", strings.Repeat("x", 128), "a:b $c,d"} {
		if _, err := Set(f.path, "jo", password); err != nil {
			t.Fatal(err)
		}
		if err := f.read(); err != nil {
			t.Fatal(err)
		}
		for try, want := range map[string]string{password: "yes", password + "x": "no", "correct horse": "no"} {
			if try != "" {
				if got := answer(t, f, "jo", try); got != want {
					t.Errorf("%q: %s, want %s", try, got, want)
				}
			}
		}
	}
}

// TestSetSalts: two hashes of one password differ.
func TestSetSalts(t *testing.T) {
	a, errA := Hash("correct horse")
	b, errB := Hash("correct horse")
	if a == b || errA != nil || errB != nil {
		t.Errorf("%s %v, %s %v", a, errA, b, errB)
	}
}

func TestDelete(t *testing.T) {
	const jo, ann = "jo:" + horse2y, "ann:" + horse2a
	for _, tt := range []struct{ before, want string }{
		{jo + "\n", ""},
		{"# staff\n" + jo + "\n\n" + ann, "# staff\n\n" + ann},
		{ann + "\n" + jo, ann + "\n"},
		{jo + "\n" + ann + "\njo:" + horse2a + "\n", ann + "\n"}, // no other password comes back
	} {
		if got, e := edited(t, tt.before, func(path string) (Edit, error) { return Delete(path, "jo") }); got != tt.want || !e.Known {
			t.Errorf("got %q %+v, want %q", got, e, tt.want)
		}
	}
}

// TestEditRefused: a refused change leaves the file as it was.
func TestEditRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "staff.htpasswd")
	write(t, path, "# staff", "jo:"+horse2y)
	before := read(t, path)
	for want, do := range map[string]func() (Edit, error){
		"an empty password; want one": func() (Edit, error) { return Set(path, "jo", "") },
		"a password of 129 octets; want 128 at most, which is what RADIUS carries": func() (Edit, error) { return Set(path, "jo", strings.Repeat("x", 129)) },
		"a control character in the password; want none":                           func() (Edit, error) { return Set(path, "jo", "a\x00b") },
		"a password that is not UTF-8; want UTF-8":                                 func() (Edit, error) { return Set(path, "jo", "a\xffb") },
		"a colon in the user name; want none, it ends the name":                    func() (Edit, error) { return Set(path, "j:o", "pw") },
		"a user name that begins with #, as comments do; want another":             func() (Edit, error) { return Set(path, "#jo", "pw") },
		noName:                         func() (Edit, error) { return Set(path, "", "pw") },
		noName + " ":                   func() (Edit, error) { return Set(path, " jo", "pw") },
		noName + "  ":                  func() (Edit, error) { return Set(path, "j\no:x", "pw") },
		path + " has no user ann":      func() (Edit, error) { return Delete(path, "ann") },
		"an empty user name; want one": func() (Edit, error) { return Delete(path, "") },
		"open " + path + ".none: no such file or directory":         func() (Edit, error) { return Delete(path+".none", "jo") },
		"read " + filepath.Dir(path) + ": it is not a regular file": func() (Edit, error) { return Set(filepath.Dir(path), "jo", "pw") },
	} {
		want = strings.TrimRight(want, " ")
		if _, err := do(); err == nil || err.Error() != want && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if read(t, path) != before {
		t.Error("the file has changed")
	}
	wantAlone(t, path)
}

const noName = "a user name that no login can have: empty, too long, or with control characters or outer blanks"

// wantAlone checks that no other file is left in the folder.
func wantAlone(t *testing.T, path string) {
	t.Helper()
	list, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(list) != 1 {
		t.Errorf("left behind: %v %v", list, err)
	}
}

// TestEditFollowsLinks: a link stays a link, wherever it leads, and even if its file does not exist yet.
func TestEditFollowsLinks(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.Mkdir(at("real"), 0o700), os.Symlink("real/hop", at("link")), os.Symlink(at("real/staff"), at("real/hop")),
		os.Symlink("loop", at("loop"))); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := Set(at("link"), "jo", "pw"); err != nil {
			t.Fatal(err)
		}
	}
	if to, err := os.Readlink(at("link")); err != nil || to != "real/hop" {
		t.Errorf("%s %v", to, err)
	}
	if got := ownHash.ReplaceAllString(read(t, at("real/staff")), "HASH"); got != "jo:HASH\n" {
		t.Errorf("%q", got)
	}
	if _, err := Set(at("loop"), "jo", "pw"); !errors.Is(err, syscall.ELOOP) {
		t.Error(err)
	}
}

// TestEditProblems: the problems are those that the daemon would report, with the default canonical names.
func TestEditProblems(t *testing.T) {
	for _, tt := range []struct{ before, user, want string }{
		{"ann:" + horse2a + "\n", "jo", "<nil>"},
		{"Jo:" + horse2a + "\n", "jo", "PATH:2: the same user as in line 1; want each user once"},
		{"kim:plain\n\nx\n", "jo", "PATH:1: a crypt hash or a plain password; " + wantHash + "\nPATH:3: no colon; want user:hash"},
	} {
		path := ""
		_, e := edited(t, tt.before, func(p string) (Edit, error) { path = p; return Set(p, tt.user, "pw") })
		if got := strings.ReplaceAll(fmt.Sprint(e.Problems), path, "PATH"); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

// TestEditAtOnce: of many changes at the same time none is lost, and a reader always sees a complete file.
func TestEditAtOnce(t *testing.T) {
	const editors, each = 4, 5
	path := filepath.Join(t.TempDir(), "staff.htpasswd")
	write(t, path, "# staff", "jo:"+horse2y)
	done := make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			if content := read(t, path); !strings.HasPrefix(content, "# staff\njo:") || !strings.HasSuffix(content, "\n") {
				t.Errorf("half a file: %q", content)
			}
			if _, err := Open(path, nil); err != nil {
				t.Error(err)
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	var busy sync.WaitGroup
	for i := range editors {
		busy.Go(func() {
			for j := range each {
				if _, err := edit(path, fmt.Sprint(i, "-", j), fmt.Sprint(i, "-", j, ":", horseID1)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	busy.Wait()
	close(done)
	reader.Wait()
	if n := strings.Count(read(t, path), "\n"); n != 2+editors*each {
		t.Errorf("%d lines, want %d", n, 2+editors*each)
	}
	wantAlone(t, path)
}

// FuzzReplace: whatever a file holds, only the user's lines change.
func FuzzReplace(f *testing.F) {
	f.Add("# staff\n\njo:x\r\nann:y", "jo")
	f.Add("\ufeffjo:x\n jo :y\n:\n", "ann")
	f.Fuzz(func(t *testing.T, content, user string) {
		if CheckName(user) != nil {
			return
		}
		with, _ := replace(content, user, user+":new")
		if _, known := replace(with, user, ""); !known {
			t.Fatalf("%q is not in %q", user, with)
		}
		rest := func(s string) string {
			s, _ = replace(s, user, "")
			return strings.TrimRight(s, "\n")
		}
		if rest(with) != rest(content) {
			t.Errorf("%q became %q", content, with)
		}
	})
}
