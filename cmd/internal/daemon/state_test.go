package daemon

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"duoradiusd/conf"
	"duoradiusd/policy"
	"duoradiusd/policy/factor"
	"duoradiusd/policy/guard"
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

// Outage implements policy.SecondFactor.
func (allowing) Outage(context.Context) error { return nil }

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

const notTakenUp = `level=WARN msg="state: the saved approvals can't be used, so users are asked again" error="`

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
		}, []string{notTakenUp + "DIR/memory.state: it is damaged"}},
		{"empty", func(t *testing.T, d string, _ []byte) { overwrite(t, filepath.Join(d, memoryFile), nil) },
			[]string{notTakenUp + "DIR/memory.state: it is damaged"}},
		{"older", func(t *testing.T, d string, old []byte) { overwrite(t, filepath.Join(d, memoryFile), old) },
			[]string{notTakenUp + "DIR/memory.state: it is damaged, of another installation, or older than what was saved last; it was renamed to memory.state.bad"}},
		{"older, without the key", func(t *testing.T, d string, old []byte) {
			overwrite(t, filepath.Join(d, memoryFile), old)
			os.Remove(filepath.Join(d, keyFile))
		}, []string{`error="DIR/clients.state: it is damaged`, notTakenUp + "DIR/memory.state: it is damaged"}},
		{"older, with a damaged key", func(t *testing.T, d string, old []byte) {
			overwrite(t, filepath.Join(d, memoryFile), old)
			overwrite(t, filepath.Join(d, keyFile), []byte("{"))
		}, []string{`level=WARN msg="state: what was saved before can't be read any more" error="DIR/state.key: it is damaged`,
			`error="DIR/clients.state: it is damaged`, notTakenUp + "DIR/memory.state: it is damaged"}},
		{"another key", func(t *testing.T, d string, _ []byte) {
			other := opened(t, t.TempDir())
			overwrite(t, filepath.Join(d, keyFile), content(t, other.path(keyFile)))
		}, []string{`error="DIR/clients.state: it is damaged`, notTakenUp + "DIR/memory.state: it is damaged"}},
		{"taken away", func(t *testing.T, d string, _ []byte) { os.Remove(filepath.Join(d, memoryFile)) },
			[]string{notTakenUp + "DIR/memory.state: the file is missing"}},
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
		if n := strings.Count(log, `level=WARN msg="state: the state directory can't be used, so nothing is remembered over a restart" error="mkdir `); n != strings.Count(directory, "/state") ||
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
