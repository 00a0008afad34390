package daemon

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"duoradiusd/policy"
	"duoradiusd/radiusd"
)

// watchedLog is an AuthLog, and what the daemon's log was told. It runs in a bubble of fake time.
type watchedLog struct {
	*AuthLog
	t    *testing.T
	told told
}

// told is a log that may be read meanwhile.
type told struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (w *told) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *told) take() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.b.Reset()
	return w.b.String()
}

func watchLog(t *testing.T, path string) *watchedLog {
	t.Helper()
	w := &watchedLog{t: t}
	w.AuthLog = NewAuthLog(path, func(client string) string { return "DI-of-" + client }, slog.New(slog.NewTextHandler(&w.told, nil)))
	w.host = "radius1"
	go w.Run()
	return w
}

// add is a login of each of users; their lines are written, or lost, when it returns.
func (w *watchedLog) add(users ...string) {
	for _, user := range users {
		w.Add(radiusd.Event{User: user, Client: "vpn", Code: "Access-Accept", Reason: policy.ReasonApproved})
	}
	synctest.Wait()
}

// look is the time until the file is looked at, which has been done when it returns: a line that is added at the same
// moment might come before it.
func (w *watchedLog) look() {
	time.Sleep(authLogLook)
	synctest.Wait()
}

// wantTold compares what was said since, a line each, by its beginning.
func (w *watchedLog) wantTold(want ...string) {
	w.t.Helper()
	synctest.Wait()
	var got []string
	for line := range strings.Lines(w.told.take()) {
		_, line, _ = strings.Cut(strings.TrimSpace(line), " ")
		got = append(got, line)
	}
	ok := len(got) == len(want)
	for i := 0; ok && i < len(got); i++ {
		ok = strings.HasPrefix(got[i], want[i])
	}
	if !ok {
		w.t.Errorf("told  %q\nwanted %q", got, want)
	}
}

// users are those of a file's lines, each of which must be whole.
func users(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
	}
	var names []string
	for line := range strings.Lines(string(b)) {
		var r struct{ Username string }
		if err := json.Unmarshal([]byte(line), &r); err != nil || !strings.HasSuffix(line, "\n") {
			t.Errorf("%q: %v", line, err)
		}
		names = append(names, r.Username)
	}
	return strings.Join(names, " ")
}

func wantUsers(t *testing.T, path, want string) {
	t.Helper()
	if got := users(t, path); got != want {
		t.Errorf("%s holds %q, want %q", filepath.Base(path), got, want)
	}
}

// inDir runs f in a bubble, with the path of a file that is not there yet.
func inDir(t *testing.T, f func(t *testing.T, path string)) {
	path := filepath.Join(t.TempDir(), "auth.log")
	synctest.Test(t, func(t *testing.T) { f(t, path) })
}

func TestAuthLog(t *testing.T) {
	inDir(t, func(t *testing.T, path string) {
		w := watchLog(t, path)
		w.add("jo", "ann")
		wantUsers(t, path, "jo ann")
		if info, err := os.Stat(path); err != nil || info.Mode().Perm()&^0o640 != 0 {
			t.Errorf("%v %v", info.Mode(), err)
		}
		w.Add(radiusd.Event{User: "kim"})
		w.Close() // what is queued is written
		wantUsers(t, path, "jo ann kim")

		w = watchLog(t, path) // a restart goes on where it ended
		w.add("lee")
		w.Close()
		wantUsers(t, path, "jo ann kim lee")
		w.wantTold()
	})
}

// TestAuthLogMakesItsFolder: as check says of a folder that is not there yet.
func TestAuthLogMakesItsFolder(t *testing.T) {
	inDir(t, func(t *testing.T, path string) {
		path = filepath.Join(filepath.Dir(path), "log", "duo", "auth.log")
		w := watchLog(t, path)
		defer w.Close()
		w.add("jo")
		wantUsers(t, path, "jo")
		w.wantTold()
	})
}

// TestAuthLogRotation: logrotate renames the file, and makes the new one itself or leaves that to us.
func TestAuthLogRotation(t *testing.T) {
	for _, create := range []bool{true, false} {
		inDir(t, func(t *testing.T, path string) {
			w := watchLog(t, path)
			defer w.Close()
			w.add("jo")
			rename(t, path, path+".1")
			if create {
				if err := os.WriteFile(path, nil, 0o640); err != nil {
					t.Fatal(err)
				}
			}
			w.add("late") // nothing is lost meanwhile
			w.look()
			w.add("ann")
			wantUsers(t, path, "ann")
			wantUsers(t, path+".1", "jo late")
			w.wantTold()
		})
	}
}

// TestAuthLogReopen: on SIGHUP at once.
func TestAuthLogReopen(t *testing.T) {
	inDir(t, func(t *testing.T, path string) {
		w := watchLog(t, path)
		defer w.Close()
		w.add("jo")
		rename(t, path, path+".1")
		w.Reopen()
		w.Reopen()
		synctest.Wait()
		w.add("ann")
		wantUsers(t, path, "ann")
		wantUsers(t, path+".1", "jo")
	})
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// TestAuthLogFullDisk: what is lost is counted, and said once; so is the end of it.
func TestAuthLogFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip(err)
	}
	inDir(t, func(t *testing.T, path string) {
		if err := os.Symlink("/dev/full", path); err != nil {
			t.Fatal(err)
		}
		w := watchLog(t, path)
		defer w.Close()
		w.add("jo", "ann")
		if got := w.Lost(); got != 2 {
			t.Errorf("%d lost", got)
		}
		w.look()
		w.wantTold(`level=ERROR msg="auth_log: lines are lost; logins continue" error="write ` + path + `: no space left on device"`)
		for range 20 {
			w.add("kim")
			w.look()
		}

		if err := os.Remove(path); err != nil { // room again
			t.Fatal(err)
		}
		w.look()
		w.add("lee")
		time.Sleep(authLogCalm - 2*authLogLook)
		w.wantTold() // who knows for how long
		time.Sleep(2 * authLogLook)
		w.wantTold(`level=INFO msg="auth_log: lines are written again" lost=22`)
		wantUsers(t, path, "lee")
		if got := w.Lost(); got != 22 {
			t.Errorf("%d lost", got)
		}

		if err := errors.Join(os.Remove(path), os.Symlink("/dev/full", path)); err != nil {
			t.Fatal(err)
		}
		w.look()
		w.add("max")
		time.Sleep(2 * authLogCalm) // nobody logs in, which does not prove that it works
		w.wantTold(`level=ERROR msg="auth_log: lines are lost; logins continue"`)
	})
}

// TestAuthLogFolderGone, before the start or later.
func TestAuthLogFolderGone(t *testing.T) {
	inDir(t, func(t *testing.T, path string) {
		folder := filepath.Join(filepath.Dir(path), "log")
		path = filepath.Join(folder, "auth.log")
		if err := os.WriteFile(folder, nil, 0o600); err != nil { // in the place of the folder
			t.Fatal(err)
		}
		w := watchLog(t, path)
		defer w.Close()
		w.wantTold(`level=ERROR msg="auth_log: the file can't be opened; logins continue, but their lines are lost" error="mkdir ` + folder)
		w.add("jo")
		w.look()
		w.wantTold()
		mkdir := func() {
			if err := os.Mkdir(folder, 0o750); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Remove(folder); err != nil {
			t.Fatal(err)
		}
		mkdir()
		w.look()
		w.add("ann")
		wantUsers(t, path, "ann")
		time.Sleep(2 * authLogCalm)
		w.wantTold(`level=INFO msg="auth_log: lines are written again" lost=1`)

		if err := os.RemoveAll(folder); err != nil {
			t.Fatal(err)
		}
		w.look()
		w.add("kim", "lee")
		w.look()
		w.wantTold(`level=ERROR msg="auth_log: lines are lost; logins continue" error="open ` + path + `: no such file`)
		mkdir()
		w.look()
		w.add("max")
		wantUsers(t, path, "max")
		if got := w.Lost(); got != 3 {
			t.Errorf("%d lost", got)
		}
	})
}

// TestAuthLogStuck: a disk that takes nothing holds up no login, and the end of the daemon for a few seconds only.
func TestAuthLogStuck(t *testing.T) {
	inDir(t, func(t *testing.T, path string) {
		l := NewAuthLog(path, nil, slog.New(slog.DiscardHandler)) // does not run: the disk is stuck
		for range authLogQueue + 10 {
			l.Add(radiusd.Event{})
		}
		if got := l.Lost(); got != 10 {
			t.Errorf("%d lost, want 10", got)
		}
		start := time.Now()
		if l.Close(); time.Since(start) != authLogFlush {
			t.Errorf("closed after %v", time.Since(start))
		}
		l.file.Close()
	})
}

// TestAuthLogSlow says that the disk is too slow, where no write fails.
func TestAuthLogSlow(t *testing.T) {
	inDir(t, func(t *testing.T, path string) {
		w := &watchedLog{t: t}
		w.AuthLog = NewAuthLog(path, func(string) string { return "" }, slog.New(slog.NewTextHandler(&w.told, nil)))
		for range authLogQueue + 1 {
			w.Add(radiusd.Event{})
		}
		go w.Run()
		w.Close()
		w.wantTold(`level=ERROR msg="auth_log: lines are lost; logins continue" error="write ` + path + `: the disk is too slow"`)
	})
}

// TestAuthLogTornLine: what a full disk cut off spoils no other line.
func TestAuthLogTornLine(t *testing.T) {
	inDir(t, func(t *testing.T, path string) {
		w := &watchedLog{t: t, AuthLog: NewAuthLog(path, func(string) string { return "" }, slog.New(slog.DiscardHandler))}
		w.file.WriteString(`{"timestamp":"20`)
		w.torn = true
		go w.Run()
		w.add("jo", "ann")
		w.Close()
		b, _ := os.ReadFile(path)
		if lines := strings.Split(string(b), "\n"); len(lines) != 4 || lines[0] != `{"timestamp":"20` || !json.Valid([]byte(lines[1])) || !json.Valid([]byte(lines[2])) {
			t.Errorf("%q", b)
		}
	})
}

// TestAuthLogConcurrent: many logins at once, while the file is rotated under them.
func TestAuthLogConcurrent(t *testing.T) {
	const logins, each = 8, 400
	dir := t.TempDir()
	path := filepath.Join(dir, "auth.log")
	l := NewAuthLog(path, func(string) string { return "" }, slog.New(slog.DiscardHandler))
	go l.Run()
	var busy sync.WaitGroup
	for range logins {
		busy.Go(func() {
			for range each {
				l.Add(radiusd.Event{User: "jo"})
			}
		})
	}
	busy.Go(func() {
		for _, name := range []string{"1", "2", "3"} {
			os.Rename(path, path+"."+name)
			l.Reopen()
		}
	})
	busy.Wait()
	l.Close()
	files, _ := filepath.Glob(path + "*")
	written := 0
	for _, file := range files {
		written += len(strings.Fields(users(t, file)))
	}
	if written+int(l.Lost()) != logins*each {
		t.Errorf("%d written and %d lost of %d", written, l.Lost(), logins*each)
	}
}
