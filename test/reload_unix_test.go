//go:build unix

package test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"duoradiusd/test/fakeduo"
	"duoradiusd/test/nas"
)

// slowSecret makes the daemon read a secret from a pipe, so that a reload waits for the writer.
func slowSecret(t *testing.T, d *daemon) (pipe string) {
	t.Helper()
	pipe = filepath.Join(d.dir, "slow.secret")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	d.Rewrite("[[client]]\n[[client]]\nname = \"slow\"\naddress = [\"192.0.2.77\"]\nfirst_factor = \"none\"\nsecret_file = \"slow.secret\"\n")
	return pipe
}

// openWriter opens the pipe for writing when the daemon has opened it for reading.
func openWriter(t *testing.T, pipe string) *os.File {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if f, err := os.OpenFile(pipe, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
			return f
		}
	}
	t.Fatal("the daemon does not read the secret")
	return nil
}

// TestTwoReloads: two reloads run at the same time. The first has read the old file and waits for a slow secret. The second
// puts the new file into effect. The first then changes nothing, and says so.
func TestTwoReloads(t *testing.T) {
	duo := startDuo(t, fakeduo.User{Username: "alice"})
	d := startDaemon(t, duo, "")
	pipe := slowSecret(t, d)
	first := make(chan string, 1)
	go func() {
		out, errs, _ := d.Do("reload")
		first <- out + errs
	}()
	f := openWriter(t, pipe)
	d.Rewrite("[[rule]]\nsecond_factor = \"deny\"\n")
	if out, errs, status := d.Do("reload"); status != 0 {
		t.Fatalf("the second reload: %d %s%s", status, out, errs)
	}
	f.WriteString("a-secret-of-some-slow-file-system\n")
	f.Close()
	if got := <-first; !strings.Contains(got, "a later reload is already in force") {
		t.Errorf("the first reload says %q", got)
	}
	if p := login(t, d, "alice", "push"); p.Code != nas.CodeAccessReject {
		t.Errorf("the newest configuration denies everybody, but alice got %v", p)
	}
}

// TestSlowReloadEnds: a reload that waits for a file does not delay the end after SIGTERM.
func TestSlowReloadEnds(t *testing.T) {
	duo := startDuo(t, fakeduo.User{Username: "alice"})
	d := startDaemon(t, duo, "")
	pipe := slowSecret(t, d)
	d.Signal(syscall.SIGHUP)
	f := openWriter(t, pipe)
	defer f.Close()
	began := time.Now()
	d.Signal(syscall.SIGTERM)
	if status := d.Wait(); status != 0 || time.Since(began) > patience {
		t.Errorf("status %d after %v", status, time.Since(began))
	}
}
