package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"duoradiusd/test/fakeduo"
)

// realClient returns the path of another project's program. If it is not installed, the test is skipped, or fails with
// REQUIRE_REAL_CLIENTS=1.
func realClient(t testing.TB, name string) string {
	t.Helper()
	slow(t, "it runs "+name)
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
		return path
	case os.Getenv("REQUIRE_REAL_CLIENTS") == "1":
		t.Fatalf("%s is not installed, and REQUIRE_REAL_CLIENTS=1", name)
	default:
		t.Skipf("%s is not installed", name)
	}
	return ""
}

// feedRadclient gives packets, which are lines of attributes with blank lines between, to FreeRADIUS's radclient and
// returns what it printed. kind is auth or status.
func feedRadclient(t testing.TB, d *daemon, kind, packets string, flags ...string) (printed string, status int) {
	t.Helper()
	args := append([]string{"-x", "-t", "20", "-r", "1"}, flags...)
	args = append(args, "-S", filepath.Join(d.dir, "vpn.secret"), d.Addr().String(), kind)
	out, errs, status := run(t, packets, realClient(t, "radclient"), args...)
	return out + errs, status
}

var (
	receivedCode = regexp.MustCompile(`(?m)^Received (\S+) `)
	replyMessage = regexp.MustCompile(`(?m)^\s+Reply-Message = "(.*)"$`)
)

// received returns what radclient got: the code and the text, or "nothing".
func received(printed string) string {
	code := receivedCode.FindStringSubmatch(printed)
	if code == nil {
		return "nothing"
	}
	_, reply, _ := strings.Cut(printed, "Received ")
	if text := replyMessage.FindStringSubmatch(reply); text != nil {
		return code[1] + " " + text[1]
	}
	return code[1]
}

func TestRadclient(t *testing.T) {
	t.Parallel()
	realClient(t, "radclient")
	duo := startDuo(t,
		fakeduo.User{Username: "alice"},
		fakeduo.User{Username: "bob", Passcodes: []string{"12345678"}},
		fakeduo.User{Username: "carol", Tap: fakeduo.Deny})
	d := startDaemon(t, duo, "")
	const from = "\nCalling-Station-Id = 203.0.113.7\n"
	for i, tt := range []struct {
		name, kind, packet string
		want               string
		pushes             int
	}{
		{"PAP", "auth", `User-Name = alice, User-Password = "auto"` + from, "Access-Accept", 1},
		{"Message-Authenticator", "auth",
			`User-Name = alice, User-Password = "push", Message-Authenticator = 0x00` + from, "Access-Accept", 1},
		{"Message-Authenticator first", "auth",
			`Message-Authenticator = 0x00, User-Name = alice, User-Password = "push"` + from, "Access-Accept", 1},
		{"passcode", "auth", `User-Name = bob, User-Password = "12345678"` + from, "Access-Accept", 0},
		{"passcode again", "auth", `User-Name = bob, User-Password = "12345678"` + from,
			"Access-Reject Incorrect passcode. Please try again.", 0},
		{"denied", "auth", `User-Name = carol, User-Password = "push"` + from, "Access-Reject Login request denied.", 1},
		{"CHAP", "auth", `User-Name = alice, CHAP-Password = "hunter22"` + from, "Access-Reject", 0},
		{"CHAP with Message-Authenticator", "auth",
			`User-Name = alice, CHAP-Password = "hunter22", Message-Authenticator = 0x00` + from, "Access-Reject", 0},
		{"MS-CHAP", "auth", `User-Name = alice, MS-CHAP-Password = "hunter22", Message-Authenticator = 0x00` + from,
			"Access-Reject", 0},
		{"Proxy-State", "auth",
			`User-Name = alice, User-Password = "push", Proxy-State = 0x6f6e65, Message-Authenticator = 0x00` + from,
			"Access-Accept", 1},
		{"Status-Server", "status", "Message-Authenticator = 0x00\n", "Access-Accept", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			duo.Forget()
			packet := strings.Replace(tt.packet, "203.0.113.7", fmt.Sprintf("203.0.113.%d", i+1), 1) // this is another login, and not a retry
			printed, status := feedRadclient(t, d, tt.kind, packet)
			if got := received(printed); got != tt.want {
				t.Errorf("got %q, want %q; radclient said:\n%s", got, tt.want, printed)
			}
			// radclient itself checks both authenticators of a reply. Its exit status says what it got.
			if wantStatus := btoi(tt.want != "Access-Accept"); status != wantStatus {
				t.Errorf("radclient's exit status is %d, want %d:\n%s", status, wantStatus, printed)
			}
			if !strings.Contains(printed, "\tMessage-Authenticator = 0x") {
				t.Errorf("the reply has no Message-Authenticator:\n%s", printed)
			}
			if got := duo.Pushes(); got != tt.pushes {
				t.Errorf("%d pushes, want %d", got, tt.pushes)
			}
		})
	}
	d.forbid("hunter22", "12345678")
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestRadclientRetransmits: the client sends its request each second until the user has approved. One login is one push.
func TestRadclientRetransmits(t *testing.T) {
	t.Parallel()
	realClient(t, "radclient")
	duo := startDuo(t, fakeduo.User{Username: "alice", Delay: 2500 * time.Millisecond})
	d := startDaemon(t, duo, "")
	printed, _ := feedRadclient(t, d, "auth",
		"User-Name = alice, User-Password = push, Calling-Station-Id = 203.0.113.7, Message-Authenticator = 0x00\n",
		"-r", "10", "-t", "1")
	if got := received(printed); got != "Access-Accept" {
		t.Errorf("got %q:\n%s", got, printed)
	}
	if sent := strings.Count(printed, "Sent Access-Request"); sent < 3 {
		t.Errorf("sent %d times, want 3:\n%s", sent, printed)
	}
	if duo.Pushes() != 1 || duo.Count("/auth/v2/auth") != 1 {
		t.Errorf("%d pushes, %d calls of auth, want one of each", duo.Pushes(), duo.Count("/auth/v2/auth"))
	}
	d.WaitLog("user=alice", "reason=approved")
	d.Stop()
	if n := strings.Count(strings.Join(d.Log(), "\n"), "msg=login"); n != 1 {
		t.Errorf("%d logins in the log, want 1", n)
	}
}

// TestRadclientParallel: many users log in at once from one port, three times each. Each phone rings as often as its user
// was asked.
func TestRadclientParallel(t *testing.T) {
	t.Parallel()
	realClient(t, "radclient")
	const users = 40
	duo := startDuo(t)
	var packets strings.Builder
	for i := range users {
		name := fmt.Sprintf("user%d", i)
		duo.SetUser(fakeduo.User{Username: name, Delay: 100 * time.Millisecond})
		fmt.Fprintf(&packets, "User-Name = %s\nUser-Password = push\nCalling-Station-Id = 203.0.113.%d\n"+
			"Message-Authenticator = 0x00\n\n", name, i)
	}
	d := startDaemon(t, duo, "[[client]]\nremember = \"15m\"\n")
	printed, status := feedRadclient(t, d, "auth", packets.String(), "-p", "20", "-c", "3", "-s")
	if n := strings.Count(printed, "Received Access-Accept"); n != 3*users || status != 0 {
		t.Errorf("%d accepted, exit status %d, want %d and 0:\n%s", n, status, 3*users, printed)
	}
	// Three at once share a push, and the later ones are remembered.
	if duo.Pushes() != users {
		t.Errorf("%d pushes, want %d", duo.Pushes(), users)
	}
}
