package test

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"duoradiusd/test/fakeduo"
)

// These are the users of the real clients. All have the same password, and they do different things with their phones.
const (
	realPassword = "correct horse battery"

	pushUser     = "alice"
	passcodeUser = "bob"
	denyUser     = "mallory"
	askedUser    = "carol" // a rule has her choose by a challenge
	lateUser     = "dora"  // answers when a test makes her answer
	wrongUser    = "eve"   // does not know the password
)

func realUsers() []fakeduo.User {
	return []fakeduo.User{
		{Username: pushUser}, {Username: passcodeUser}, {Username: askedUser},
		{Username: denyUser, Tap: fakeduo.Deny},
		{Username: lateUser, Tap: fakeduo.Ask}, {Username: wrongUser},
	}
}

// These are more tables for realConfig.
const (
	// standardPort is the port on hosts that a test makes. openvpn-auth-radius can't reach a port above 32767.
	standardPort = "[[listen]]\naddress = \"127.0.0.1:1812\"\n"
	// askCarol lets one user choose a factor.
	askCarol = "[[rule]]\nname = \"asked\"\nusers = [\"" + askedUser + "\"]\nmode = \"challenge\"\n"
)

// realConfig returns a configuration with one client, which has these keys, and with users who have passwords.
func realConfig(t testing.TB, client string, tables ...string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(realPassword), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `
[[client]]
first_factor = "staff"
%s

[[first_factor]]
name = "staff"
type = "file"
path = "staff.htpasswd"

%s
-- staff.htpasswd --
`, client, strings.Join(tables, "\n"))
	for _, u := range realUsers() {
		fmt.Fprintf(&b, "%s:%s\n", u.Username, hash)
	}
	return b.String()
}

// realLogin is what one user types, and the result.
type realLogin struct {
	name, user, password string // CODE stands for a passcode
	in                   bool
	reason, factor       string
	pushes               int
}

var realLogins = []realLogin{
	{"push", pushUser, realPassword, true, "approved", "push", 1},
	{"passcode", passcodeUser, realPassword + ",CODE", true, "approved", "passcode", 0},
	{"denied", denyUser, realPassword, false, "denied", "push", 1},
	{"wrong password", wrongUser, "incorrect horse", false, "bad-password", "", 0},
}

// relayedLogins are the logins of upstreamUsers, whose passwords only the upstream knows.
var relayedLogins = []realLogin{
	{"push", "alice", "wonderland", true, "approved", "push", 1},
	{"denied", "dora", "explorer", false, "denied", "push", 1},
}

// let has a client log users in. userIP is the address that the client tells. login gets a user name and the text that the
// user types as the password. It reports whether the client let the user in, and returns when the session is over.
func (d *daemon) let(t *testing.T, userIP string, logins []realLogin, login func(t *testing.T, user, password string) (in bool)) {
	t.Helper()
	for _, tt := range logins {
		t.Run(tt.name, func(t *testing.T) {
			code := d.duo.Passcode(tt.user)
			d.forbidTyped(tt.password)
			d.forbid(code)
			d.duo.Forget()
			if in := login(t, tt.user, strings.Replace(tt.password, "CODE", code, 1)); in != tt.in {
				t.Errorf("in: %v, want %v", in, tt.in)
			}
			d.mustTell(t, tt.user, tt.reason, tt.factor, "user_ip="+userIP+" ")
			if got := d.duo.Pushes(); got != tt.pushes {
				t.Errorf("%d pushes, want %d", got, tt.pushes)
			}
		})
	}
}

// newRelaySite makes two hosts and a cable. On the server's host are the daemon and, behind it, a FreeRADIUS that offers an
// EAP method first.
func newRelaySite(t *testing.T, eap string) (s *site, u *upstream) {
	t.Helper()
	realClient(t, "freeradius")
	s = newSite(t, standardPort, fakeduo.User{Username: "alice"}, fakeduo.User{Username: "dora", Tap: fakeduo.Deny})
	s.server.do(func() { u = startUpstream(t, eap, "inner") })
	if !s.Reload(u.behind("") + standardPort) {
		t.Fatal("the daemon does not take its upstream")
	}
	return s, u
}

// mustTell requires exactly one line of the log about the end of a user's login.
func (d *daemon) mustTell(t *testing.T, user, reason, factor string, more ...string) {
	t.Helper()
	about := func(line string) bool {
		return strings.Contains(line, "msg=login ") && strings.Contains(line, "user="+user+" ") && !strings.Contains(line, "reason=challenged")
	}
	want := append(more, "reason="+reason+" ")
	if factor != "" {
		want = append(want, "factor="+factor+" ")
	}
	line, ok := d.log.wait(about)
	if !ok || !holdsAll(line, want) {
		t.Errorf("of %s the log tells %q, want %q", user, line, want)
	}
	lines := d.Log()
	if n := len(lines) - len(slices.DeleteFunc(slices.Clone(lines), about)); n != 1 {
		t.Errorf("%d lines tell of %s, want 1", n, user)
	}
}

// approve makes a user approve as soon as the phone rings.
func (d *daemon) approve(t *testing.T, user string) {
	t.Helper()
	pushed, err := ringing(t, d.duo, user)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.duo.Answer(pushed.Txid, fakeduo.Approve); err != nil {
		t.Fatal(err)
	}
}

// family runs a program that starts others, with mounts of its own, so that all of them end with the test.
func family(program string, args ...string) *exec.Cmd {
	return exec.Command("unshare", append([]string{"--pid", "--fork", "--kill-child", "--mount", "--", program}, args...)...)
}
