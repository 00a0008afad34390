package fileauth

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// watched is a File with a clock that the test moves. It records the calls of OnReload.
type watched struct {
	*File
	clock time.Time
	told  []string
}

func watch(t *testing.T, lines ...string) *watched {
	t.Helper()
	w := &watched{File: opened(t, nil, lines...), clock: time.Now()}
	w.looked = w.clock
	w.now = func() time.Time { return w.clock }
	w.OnReload = func(err error) {
		w.told = append(w.told, strings.ReplaceAll(fmt.Sprint(err), filepath.Dir(w.path)+"/", ""))
	}
	return w
}

// rewrite changes the file in place and sets its time a minute later, so that no test depends on the resolution of file
// times.
func (w *watched) rewrite(t *testing.T, lines ...string) {
	t.Helper()
	before, err := os.Stat(w.path)
	if err != nil {
		before = w.seen
	}
	write(t, w.path, lines...)
	if before == nil {
		return
	}
	later := before.ModTime().Add(time.Minute)
	if err := os.Chtimes(w.path, later, later); err != nil {
		t.Fatal(err)
	}
}

// after moves the clock and asks.
func (w *watched) after(t *testing.T, d time.Duration, user string) string {
	t.Helper()
	w.clock = w.clock.Add(d)
	return answer(t, w.File, user, "correct horse")
}

func (w *watched) wantTold(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(w.told, want) {
		t.Errorf("OnReload was told %q, want %q", w.told, want)
	}
	w.told = nil
}

func (w *watched) want(t *testing.T, d time.Duration, user, want string) {
	t.Helper()
	if got := w.after(t, d, user); got != want {
		t.Errorf("%s after %v: got %s, want %s", user, d, got, want)
	}
}

func TestReload(t *testing.T) {
	w := watch(t, "jo:"+horse2y)
	w.rewrite(t, "ann:"+horse2a)
	w.want(t, 999*time.Millisecond, "jo", "yes") // not a second yet
	w.want(t, time.Millisecond, "jo", "no")
	w.want(t, 0, "ann", "yes")
	w.wantTold(t, "<nil>")

	w.want(t, time.Minute, "ann", "yes")
	w.wantTold(t) // unchanged: not read
}

// TestReloadNotices: a new time, a new size or a new file means new content.
func TestReloadNotices(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, w *watched, old os.FileInfo){
		"time": func(t *testing.T, w *watched, old os.FileInfo) {
			w.rewrite(t, "kim:"+horse2a)
		},
		"size": func(t *testing.T, w *watched, old os.FileInfo) {
			write(t, w.path, "kim:"+horse2a, "#")
			os.Chtimes(w.path, old.ModTime(), old.ModTime())
		},
		"file": func(t *testing.T, w *watched, old os.FileInfo) {
			write(t, w.path+".new", "kim:"+horse2a)
			os.Chtimes(w.path+".new", old.ModTime(), old.ModTime())
			if err := os.Rename(w.path+".new", w.path); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := watch(t, "ann:"+horse2a)
			change(t, w, w.seen)
			w.want(t, time.Second, "kim", "yes")
			w.want(t, 0, "ann", "no")
		})
	}
}

// TestReloadBad: bad content is reported once and changes nothing.
func TestReloadBad(t *testing.T) {
	w := watch(t, "jo:"+horse2y)
	w.rewrite(t, "ann:"+horse2a, "jo:{SHA}EfatjsUqKYSrqv18O1FlA3hcIHI=")
	w.want(t, time.Second, "jo", "yes")
	w.want(t, time.Second, "ann", "no")
	w.wantTold(t, "staff.htpasswd:2: a SHA-1 hash; "+wantHash)

	w.rewrite(t, "ann:"+horse2a)
	w.want(t, time.Second, "ann", "yes")
	w.want(t, 0, "jo", "no")
	w.wantTold(t, "<nil>")
}

func TestReloadMissing(t *testing.T) {
	w := watch(t, "jo:"+horse2y)
	if err := os.Rename(w.path, w.path+".away"); err != nil {
		t.Fatal(err)
	}
	w.want(t, time.Second, "jo", "yes")
	w.want(t, time.Second, "jo", "yes")
	w.wantTold(t, "password file: stat staff.htpasswd: no such file or directory")

	if err := os.Rename(w.path+".away", w.path); err != nil {
		t.Fatal(err)
	}
	w.want(t, time.Second, "jo", "yes")
	w.wantTold(t, "<nil>") // the file is the same as before, but the problem is over
}

// TestReloadEmptied: if the file has no lines, nobody can log in.
func TestReloadEmptied(t *testing.T) {
	w := watch(t, "jo:"+horse2y)
	w.rewrite(t)
	w.want(t, time.Second, "jo", "no")
	w.wantTold(t, "<nil>")
}

func TestReloadClockSetBack(t *testing.T) {
	w := watch(t, "jo:"+horse2y)
	w.rewrite(t, "ann:"+horse2a)
	w.want(t, -time.Hour, "ann", "yes")
}

func TestReloadWithoutListener(t *testing.T) {
	w := watch(t, "jo:"+horse2y)
	w.OnReload = nil
	w.rewrite(t, "nonsense")
	w.want(t, time.Second, "jo", "yes")
}

// TestReloadOneReader: while one login reads the file again, the others do not wait.
func TestReloadOneReader(t *testing.T) {
	w := watch(t, "jo:"+horse2y)
	w.rewrite(t, "ann:"+horse2a)
	w.mu.Lock()
	w.want(t, time.Second, "jo", "yes")
	w.mu.Unlock()
	w.want(t, 0, "ann", "yes")
}
