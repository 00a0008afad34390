package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"duoradiusd/conf"
	"duoradiusd/policy"
	"duoradiusd/policy/factor"
	"duoradiusd/policy/guard"
	"duoradiusd/policy/memory"
)

// allowing is a Duo that asks nobody.
type allowing struct{}

func (allowing) Preauth(context.Context, policy.PreauthRequest) (policy.Preauth, error) {
	return policy.Preauth{Result: policy.PreauthAuth, Devices: []policy.Device{
		{ID: "DEVICE-OF-ALICE", Number: "XXX-4711", Capabilities: []string{"push"}}}}, nil
}

func (allowing) Auth(_ context.Context, r *policy.AuthRequest) (policy.AuthResult, error) {
	if r.Began != "" {
		return policy.AuthResult{Status: "timeout", Txid: r.Began}, nil
	}
	return policy.AuthResult{Allowed: true, Status: "allow", Txid: "TXID-OF-ALICE"}, nil
}

func (allowing) Authenticate(_ context.Context, r policy.FirstRequest) (policy.Account, error) {
	if r.Password == "wrong" {
		return policy.Account{}, policy.ErrRejected
	}
	if r.User == "asked-back" {
		return policy.Account{}, &policy.AskBack{State: "STATE-OF-UPSTREAM"}
	}
	return policy.Account{Groups: []string{"GROUP-OF-ALICE"}}, nil
}

// kept is a daemon with a state directory, but no sockets, and its log.
type kept struct {
	*Daemon
	t    testing.TB
	told *told
}

func stateConfig(t testing.TB, directory string) *conf.Config {
	c := load(t, `
[[client]]
name = "vpn"
address = ["192.0.2.1"]
secret = "a secret of the client"
first_factor = "none"
remember = "1h"
`)
	c.State.Directory = directory
	return c
}

// run makes the daemon of a configuration.
func run(t testing.TB, c *conf.Config) *kept {
	t.Helper()
	k := &kept{t: t, told: new(told)}
	var err error
	if k.Daemon, err = New(c, slog.New(slog.NewTextHandler(k.told, nil))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.end)
	return k
}

func (k *kept) end() { k.Shutdown(context.Background()) }

// login is one of a user whom Duo allows.
func (k *kept) login(user, field string, mode policy.Mode) policy.Verdict {
	s := k.parts.Load().settings
	s.Guard = guard.PushLimits{Pushes: 3, Window: time.Hour, Cooldown: time.Hour}
	p := policy.New(s, k.runtime)
	return p.Decide(context.Background(), policy.Attempt{User: user, Password: field, Authentic: true,
		UserIP: netip.MustParseAddr("198.51.100.77"), ClientAddr: netip.MustParseAddr("192.0.2.1"), Client: &policy.Client{
			Name: "vpn", Service: "vpn", FirstFactor: allowing{}, Second: allowing{}, Application: "DIXXXXXXXXXXXXXXXXXX",
			Mode: mode, Delimiter: ",", Factors: []factor.Factor{factor.Push, factor.Passcode}, Remember: time.Hour}})
}

func (k *kept) approve(users ...string) {
	k.t.Helper()
	for _, user := range users {
		if v := k.login(user, "pw", policy.ModeAuto); v.Outcome != policy.OutcomeAccept {
			k.t.Fatal(v)
		}
	}
}

func (k *kept) wantApprovals(want int) {
	k.t.Helper()
	list, err := k.Approvals(context.Background(), "", 0)
	if err != nil || len(list) != want {
		k.t.Errorf("%d approvals, %v; want %d", len(list), err, want)
	}
}

// forget forgets a user's approvals and returns how many that were.
func (k *kept) forget(user string) int {
	n, err := k.Forget(context.Background(), user)
	if err != nil {
		k.t.Error(err)
	}
	return n
}

func (k *kept) forgetAll() {
	if _, err := k.ForgetAll(context.Background()); err != nil {
		k.t.Error(err)
	}
}

// wantLog compares the log since the last time, without its times and errors' details, line by line.
func (k *kept) wantLog(want ...string) {
	k.t.Helper()
	lines := strings.Split(strings.TrimSpace(k.told.take()), "\n")
	if len(want) == 0 {
		want = []string{""}
	}
	for i, line := range lines {
		if i >= len(want) || want[i] == "" && line != "" || !strings.Contains(line, want[i]) {
			k.t.Errorf("the log: %s\nwant %q", line, want)
		}
	}
	if len(lines) < len(want) {
		k.t.Errorf("the log:\n%s\nwant %q", strings.Join(lines, "\n"), want)
	}
}

const notTakenUp = `level=WARN msg="state: approvals are not taken up" error="`

// TestStateIsSetAside: a file that is damaged, of another key or from an older day is nobody's approval; the log names it.
func TestStateIsSetAside(t *testing.T) {
	for _, tt := range []struct {
		name string
		harm func(t *testing.T, directory string, old []byte)
		want []string
	}{
		{"none", func(*testing.T, string, []byte) {}, nil},
		{"cut", func(t *testing.T, d string, _ []byte) {
			file := filepath.Join(d, memoryFile)
			b := content(t, file)
			overwrite(t, file, b[:len(b)/2])
		}, []string{notTakenUp + "DIR/memory.state: damaged"}},
		{"empty", func(t *testing.T, d string, _ []byte) { overwrite(t, filepath.Join(d, memoryFile), nil) },
			[]string{notTakenUp + "DIR/memory.state: damaged"}},
		{"older", func(t *testing.T, d string, old []byte) { overwrite(t, filepath.Join(d, memoryFile), old) },
			[]string{notTakenUp + "DIR/memory.state: damaged, foreign or from an older day; it lies there as memory.state.bad now"}},
		{"older, without the key", func(t *testing.T, d string, old []byte) {
			overwrite(t, filepath.Join(d, memoryFile), old)
			os.Remove(filepath.Join(d, keyFile))
		}, []string{`error="DIR/clients.state: damaged`, notTakenUp + "DIR/memory.state: damaged"}},
		{"older, with a damaged key", func(t *testing.T, d string, old []byte) {
			overwrite(t, filepath.Join(d, memoryFile), old)
			overwrite(t, filepath.Join(d, keyFile), []byte("{"))
		}, []string{`level=WARN msg="state: what was kept can't be read any more" error="DIR/state.key: damaged`,
			`error="DIR/clients.state: damaged`, notTakenUp + "DIR/memory.state: damaged"}},
		{"another key", func(t *testing.T, d string, _ []byte) {
			other := opened(t, t.TempDir())
			overwrite(t, filepath.Join(d, keyFile), content(t, other.path(keyFile)))
		}, []string{`error="DIR/clients.state: damaged`, notTakenUp + "DIR/memory.state: damaged"}},
		{"taken away", func(t *testing.T, d string, _ []byte) { os.Remove(filepath.Join(d, memoryFile)) },
			[]string{notTakenUp + "DIR/memory.state: it is gone"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := stateConfig(t, t.TempDir())
			k := run(t, c)
			k.approve("alice", "bob")
			k.saveMemory()
			old := content(t, k.vault.path(memoryFile))
			k.forget("bob")
			k.end()
			tt.harm(t, c.State.Directory, old)
			k = run(t, c)
			for i := range tt.want {
				tt.want[i] = strings.ReplaceAll(tt.want[i], "DIR", c.State.Directory)
			}
			k.wantLog(tt.want...)
			if tt.want == nil {
				k.wantApprovals(1)
				return
			}
			k.wantApprovals(0)
			k.approve("carol") // and life goes on
			k.end()
			k = run(t, c)
			k.wantLog()
			k.wantApprovals(1)
		})
	}
}

// TestStateUnfit: what is authentic, and yet can't be used, is set aside too.
func TestStateUnfit(t *testing.T) {
	c := stateConfig(t, t.TempDir())
	v := opened(t, c.State.Directory)
	v.put(t, memoryFile, "no gob at all")
	v.close()
	k := run(t, c)
	k.wantLog(notTakenUp + v.path(memoryFile) + ": decode what was remembered: ")
	if _, err := os.Stat(v.path(memoryFile + badSuffix)); err != nil {
		t.Error(err)
	}
	k.wantApprovals(0)
}

// TestStateInOtherHands: a directory or a file that others can write to may hold approvals of their choice.
func TestStateInOtherHands(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("wants root, for chown")
	}
	for name, spoil := range map[string]func(directory string) error{
		"directory, mode":  func(d string) error { return os.Chmod(d, 0o777) },
		"directory, owner": func(d string) error { return os.Chown(d, 65534, 65534) },
		"key, owner":       func(d string) error { return os.Chown(filepath.Join(d, keyFile), 65534, 65534) },
		"memory, mode":     func(d string) error { return os.Chmod(filepath.Join(d, memoryFile), 0o660) },
		"clients, link": func(d string) error {
			file := filepath.Join(d, clientsFile)
			return errors.Join(os.Rename(file, file+"2"), os.Symlink(file+"2", file))
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := stateConfig(t, filepath.Join(t.TempDir(), "state"))
			first := run(t, c)
			first.approve("alice")
			first.end()
			if err := spoil(c.State.Directory); err != nil {
				t.Fatal(err)
			}
			if _, err := New(c, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "can change it; want") {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestReloadOvertaken: a reload that was asked for earlier and ends later changes nothing, and says so.
func TestReloadOvertaken(t *testing.T) {
	older, newer := stateConfig(t, ""), stateConfig(t, "")
	newer.Rules = append(newer.Rules, policy.Rule{Name: "nobody", Need: policy.NeedDeny})
	d, err := New(older, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Shutdown(t.Context())
	first, second := d.ReloadNumber(), d.ReloadNumber()
	if err := d.Reload(second, newer); err != nil {
		t.Fatal(err)
	}
	want := d.Summary()
	if err := d.Reload(first, older); !errors.Is(err, ErrLaterReload) || d.Summary() != want {
		t.Errorf("%v; in force is %q, want %q", err, d.Summary(), want)
	}
	if err := d.Reload(d.ReloadNumber(), older); err != nil || d.Summary() == want {
		t.Errorf("the next one: %v, %q", err, d.Summary())
	}
}

// TestNoState: without a directory the daemon works, says so once, and leaves no trace. Where another daemon has it, it does
// not start.
func TestNoState(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	overwrite(t, file, nil)
	for _, directory := range []string{"", file, "/proc/1/state"} {
		k := run(t, stateConfig(t, directory))
		k.approve("alice")
		k.forget("alice")
		k.forgetAll()
		k.end()
		log := k.told.take()
		if n := strings.Count(log, `level=WARN msg="state: nothing survives a restart" error="mkdir `); n != strings.Count(directory, "/state") ||
			strings.Count(log, `msg="state:`) != n {
			t.Errorf("%q: the log: %s", directory, log)
		}
	}
	c := stateConfig(t, t.TempDir())
	first := run(t, c)
	first.approve("alice")
	if _, err := New(c, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), first.vault.path(lockFile)+": another daemon uses this directory") {
		t.Errorf("of a second daemon: %v", err)
	}
	first.end()
	third := run(t, c)
	third.wantLog()
	third.wantApprovals(1)
}

// TestNothingReadable: not in any file, whatever the daemon has to remember.
func TestNothingReadable(t *testing.T) {
	c := stateConfig(t, t.TempDir())
	k := run(t, c)
	k.approve("user-alice")
	k.login("user-bob", "PASSWORD-OF-BOB", policy.ModeChallenge)
	k.login("user-carol", "wrong", policy.ModeAuto)
	state := k.login("asked-back", "PASSWORD-OF-BOB,4711471", policy.ModeAuto).State
	state2 := k.login("user-dave", "pw", policy.ModeChallenge).State
	if state == "" || state2 == "" {
		t.Fatal("no challenge")
	}
	var plain bytes.Buffer
	if err := k.memory.Save(&plain); err != nil {
		t.Fatal(err)
	}
	k.end()
	files, err := filepath.Glob(filepath.Join(c.State.Directory, "*"))
	if err != nil || len(files) != 4 {
		t.Errorf("%v, %v", files, err)
	}
	for _, word := range []string{"user-alice", "user-bob", "user-carol", "asked-back", "user-dave", "GROUP-OF-ALICE", "DEVICE-OF-ALICE", "XXX-4711",
		"4711471", "STATE-OF-UPSTREAM", state, state2, "vpn", "DIXXXX"} {
		if !bytes.Contains(plain.Bytes(), []byte(word)) {
			t.Errorf("%q is not remembered: this test proves nothing", word)
		}
		for _, file := range files {
			if bytes.Contains(content(t, file), []byte(word)) {
				t.Errorf("%q stands in %s", word, file)
			}
		}
	}
	if bytes.Contains(plain.Bytes(), []byte("PASSWORD-OF-BOB")) {
		t.Error("a password is saved")
	}
}

// keeping is a daemon whose keep runs in a bubble of fake time.
func keeping(t *testing.T, f func(k *kept, saves func() uint64)) {
	synctest.Test(t, func(t *testing.T) {
		k := run(t, stateConfig(t, t.TempDir()))
		k.keeping.Go(k.keep)
		synctest.Wait()
		f(k, func() uint64 {
			synctest.Wait()
			k.vault.mu.Lock()
			defer k.vault.mu.Unlock()
			return k.vault.ring.Written[memoryFile]
		})
		k.end()
	})
}

// TestKeep: what has changed is saved within 15 seconds, what has not is not written again; what is forgotten, or taken
// away by a report of fraud, at once.
func TestKeep(t *testing.T) {
	keeping(t, func(k *kept, saves func() uint64) {
		want := func(what string, n uint64) {
			t.Helper()
			if got := saves(); got != n {
				t.Errorf("%s: %d saves, want %d", what, got, n)
			}
		}
		time.Sleep(time.Hour)
		want("nothing has happened", 0)
		k.approve("alice")
		time.Sleep(saveEvery)
		want("an approval", 1)
		time.Sleep(time.Hour)
		want("nothing since", 1)
		k.approve("alice")
		time.Sleep(time.Hour)
		want("a use of it", 2)
		k.approve("bob")
		if k.forget("nobody") != 0 {
			t.Error("nobody was remembered")
		}
		want("nothing forgotten", 2)
		k.forget("bob")
		want("forgotten", 3)
		k.forgetAll()
		want("all forgotten", 4)
		k.runtime.OnFraud("alice", "T1")
		want("fraud", 5)
	})
}

// TestDiskFull: what was saved stays, it is said once, and tried again until it succeeds.
func TestDiskFull(t *testing.T) {
	keeping(t, func(k *kept, saves func() uint64) {
		k.approve("alice")
		time.Sleep(saveEvery)
		before := saves()
		old := content(t, k.vault.path(memoryFile))
		k.vault.breaks(func(step string) error {
			if step == "write" {
				return errBroken
			}
			return nil
		})
		k.approve("bob")
		time.Sleep(time.Hour)
		k.approve("carol")
		time.Sleep(time.Hour)
		if saves() != before || !bytes.Equal(old, content(t, k.vault.path(memoryFile))) {
			t.Error("the file has changed")
		}
		k.wantLog(`level=ERROR msg="state: approvals are not saved; it is tried again" error="write ` + k.vault.path("x") + `: no space left on device"`)
		k.vault.breaks(works)
		time.Sleep(saveEvery)
		if saves() != before+1 {
			t.Error("it is not tried again")
		}
		k.wantLog(`level=INFO msg="state: approvals are saved again"`)
	})
}

// TestForgetOnAFullDisk: what was forgotten does not come back, though nothing can be saved.
func TestForgetOnAFullDisk(t *testing.T) {
	for _, forget := range []func(k *kept){
		func(k *kept) { k.forget("alice") }, func(k *kept) { k.forgetAll() }, func(k *kept) { k.runtime.OnFraud("alice", "T1") },
	} {
		keeping(t, func(k *kept, saves func() uint64) {
			k.approve("alice", "bob")
			time.Sleep(saveEvery)
			saves()
			k.vault.breaks(func(string) error { return errBroken })
			k.told.take()
			forget(k)
			saves()
			if _, err := os.Stat(k.vault.path(memoryFile)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the old file: %v", err)
			}
			if log := k.told.take(); strings.Count(log, "level=WARN msg=\"state: what was saved before is removed") != 1 {
				t.Errorf("the log: %s", log)
			}
		})
	}
}

// TestSaveAndForget: a save that began before does not bring back what was forgotten meanwhile.
func TestSaveAndForget(t *testing.T) {
	c := stateConfig(t, t.TempDir())
	k := run(t, c)
	for i := range 20 {
		k.approve("alice", fmt.Sprint("u", i))
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { k.saveMemory() })
		}
		wg.Go(func() { k.forget("alice") })
		wg.Wait()
		b, err := k.vault.load(memoryFile)
		if err != nil {
			t.Fatal(err)
		}
		m := memory.New(100)
		if _, err := m.Restore(bytes.NewReader(b), nil, k.parts.Load().canResume, guard.PushLimits{}); err != nil {
			t.Fatal(err)
		}
		if got, err := m.Stores().Approvals.List(t.Context(), "alice", 0); err != nil || len(got) != 0 {
			t.Fatalf("it is back: %+v", got)
		}
	}
}

// TestStateOfFailedStart: a daemon that does not come to be leaves the directory to the next.
func TestStateOfFailedStart(t *testing.T) {
	c := stateConfig(t, t.TempDir())
	c.Clients[0].Application = "none"
	if _, err := New(c, slog.New(slog.DiscardHandler)); err == nil {
		t.Fatal("it started")
	}
	opened(t, c.State.Directory)
}

func (allowing) Outage(context.Context) error { return nil }
