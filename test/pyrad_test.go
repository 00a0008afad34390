package test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"duoradiusd/test/fakeduo"
	"duoradiusd/test/nas"
)

// debianPython is the interpreter of Debian's python3-pyrad, whichever python3 is first in PATH.
const debianPython = "/usr/bin/python3"

// pyradAnswer holds what testdata/pyrad/login.py prints.
type pyradAnswer struct {
	Code        int      `json:"code"` // 0: none came
	Text        string   `json:"text"`
	ProxyState  []string `json:"proxy_state"`
	SignedFirst bool     `json:"signed_first"`
	SignedRight bool     `json:"signed_right"`
}

// needPyrad skips a test where pyrad is not installed.
func needPyrad(t testing.TB) {
	t.Helper()
	slow(t, "it runs Python")
	if _, err := os.Stat(debianPython); err == nil {
		if _, _, status := run(t, "", debianPython, "-c", "import pyrad.client"); status == 0 {
			return
		}
	}
	if os.Getenv("REQUIRE_REAL_CLIENTS") == "1" {
		t.Fatal("pyrad is not installed, and REQUIRE_REAL_CLIENTS=1")
	}
	t.Skip("pyrad is not installed")
}

// pyradLogin logs in with pyrad, which sends three copies, with timeout between them.
func pyradLogin(t testing.TB, d *daemon, user, password string, timeout time.Duration, more ...string) (a pyradAnswer) {
	t.Helper()
	d.forbidTyped(password)
	args := append([]string{"testdata/pyrad/login.py", fmt.Sprint(d.Addr().Port()), vpnSecret, user, password,
		"--timeout", fmt.Sprint(timeout.Seconds())}, more...)
	out, errs, status := run(t, "", debianPython, args...)
	if status != 0 {
		t.Fatalf("login.py: exit status %d: %s", status, errs)
	}
	if err := json.Unmarshal([]byte(out), &a); err != nil {
		t.Fatalf("login.py prints %q: %v", out, err)
	}
	return a
}

// pyradClients is a configuration with a client that may sign and one that must.
const pyradClients = `
[[client]]
message_authenticator = "accept"

[[client]]
name = "strict"
address = ["127.0.0.2"]
secret = "` + vpnSecret + `"
first_factor = "none"
message_authenticator = "require"
`

func TestPyrad(t *testing.T) {
	t.Parallel()
	needPyrad(t)
	duo := startDuo(t, fakeduo.User{Username: "alice"}, fakeduo.User{Username: "anna"}, fakeduo.User{Username: "amy"},
		fakeduo.User{Username: "mallory", Tap: fakeduo.Deny}, fakeduo.User{Username: "malcolm", Tap: fakeduo.Deny})
	d := startDaemon(t, duo, pyradClients)
	const whole, never = 10 * time.Second, 50 * time.Millisecond
	sign, strict := []string{"--sign"}, []string{"--from", "127.0.0.2"}
	for _, tt := range []struct {
		name, user, password string
		timeout              time.Duration
		more                 []string
		code                 int
		text                 string
		pushes               int
	}{
		{"accept", "alice", "push", whole, nil, nas.CodeAccessAccept, "", 1},
		{"accept, signed", "anna", "push", whole, sign, nas.CodeAccessAccept, "", 1},
		{"reject", "mallory", "push", whole, nil, nas.CodeAccessReject, "Login request denied.", 1},
		{"reject, signed", "malcolm", "push", whole, sign, nas.CodeAccessReject, "Login request denied.", 1},
		{"required", "alice", "push", never, strict, 0, "", 0},
		{"required and signed", "amy", "push", whole, append(strict, sign...), nas.CodeAccessAccept, "", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			duo.Forget()
			a := pyradLogin(t, d, tt.user, tt.password, tt.timeout, tt.more...)
			if a.Code != tt.code || a.Text != tt.text {
				t.Errorf("got %+v", a)
			}
			if a.Code != 0 && (!a.SignedFirst || !a.SignedRight) {
				t.Errorf("the reply's Message-Authenticator is not first, or wrong: %+v", a)
			}
			if want := slices.Contains(tt.more, "--sign"); slices.Equal(a.ProxyState, []string{"pyrad"}) != want {
				t.Errorf("Proxy-State %q", a.ProxyState)
			}
			if got := duo.Pushes(); got != tt.pushes || duo.Count("/auth/v2/auth") != tt.pushes {
				t.Errorf("%d pushes by %d calls of auth, want %d", got, duo.Count("/auth/v2/auth"), tt.pushes)
			}
		})
	}
}

// TestPyradCopies: pyrad's third copy comes while the phone still rings.
func TestPyradCopies(t *testing.T) {
	t.Parallel()
	needPyrad(t)
	duo := startDuo(t)
	d := startDaemon(t, duo, pyradClients)
	t.Run("", func(t *testing.T) {
		for client, more := range map[string][]string{"vpn": nil, "strict": {"--from", "127.0.0.2", "--sign"}} {
			t.Run(client, func(t *testing.T) {
				t.Parallel()
				duo.SetUser(fakeduo.User{Username: client, Tap: fakeduo.Ask})
				go func() {
					push, err := ringing(t, duo, client)
					if err == nil {
						eventually(t, "the third copy", func() bool { return d.seen(client).Packets == 3 })
						err = duo.Answer(push.Txid, fakeduo.Approve)
					}
					if err != nil {
						t.Error(err)
					}
				}()
				a := pyradLogin(t, d, client, "push", 1200*time.Millisecond, more...)
				if a.Code != nas.CodeAccessAccept || !a.SignedFirst || !a.SignedRight {
					t.Errorf("got %+v", a)
				}
			})
		}
	})
	if pushes, calls := duo.Pushes(), duo.Count("/auth/v2/auth"); pushes != 2 || calls != 2 {
		t.Errorf("%d pushes by %d calls of auth for two logins", pushes, calls)
	}
	d.Stop()
	if got := d.loginLines(); len(got) != 2 {
		t.Errorf("copies are logged as logins: %q", got)
	}
}
