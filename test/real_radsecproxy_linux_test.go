package test

import (
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"duoradiusd/test/fakeduo"
)

const (
	radsecproxyFront = "between-radclient-and-radsecproxy"
	radsecproxyBack  = "between-radsecproxy-and-duoradiusd"
)

// startRadsecproxy starts radsecproxy in the foreground, with d as its server. It takes a copy that its client sends later
// than after duplicates for a new request.
func startRadsecproxy(t testing.TB, d *daemon, duplicates int) netip.AddrPort {
	t.Helper()
	program := realClient(t, "radsecproxy")
	d.forbid(radsecproxyBack)
	for range 5 { // another program may take the port first
		port, config := freePort(t), filepath.Join(t.TempDir(), "radsecproxy.conf")
		write(t, config, fmt.Sprintf(`ListenUDP 127.0.0.1:%d
LogLevel 3
client radclient {
	host 127.0.0.1
	type udp
	secret %s
	DuplicateInterval %d
}
server duoradiusd {
	host 127.0.0.1
	port %d
	type udp
	secret %s
	retryInterval 20
	retryCount 2
}
realm * {
	server duoradiusd
}
`, port, radsecproxyFront, duplicates, d.Addr().Port(), radsecproxyBack))
		p := accompany(t, "radsecproxy", exec.Command(program, "-f", "-c", config))
		if _, ok := p.wait("listening for udp"); ok {
			return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port))
		}
		p.end()
	}
	t.Fatal("radsecproxy does not start")
	return netip.AddrPort{}
}

// TestRadsecproxy: radsecproxy signs nothing by itself, and passes on what its client has signed.
func TestRadsecproxy(t *testing.T) {
	t.Parallel()
	duo := startDuo(t, fakeduo.User{Username: "alice"}, fakeduo.User{Username: "mallory", Tap: fakeduo.Deny},
		fakeduo.User{Username: "bob", Delay: 4 * time.Second}, fakeduo.User{Username: "carol", Passcodes: []string{"12345678"}})
	d := startDaemon(t, duo, `
[[client]]
name = "radsecproxy"
secret = "`+radsecproxyBack+`"
message_authenticator = "require"
timeout = "55s"
`)
	addr := startRadsecproxy(t, d, 1)
	for _, tt := range []struct {
		name, user, ip, field, got string
		pushes                     int
		flags                      []string
	}{
		{"push", "alice", "203.0.113.1", "push", "Access-Accept", 1, []string{"-t", "20", "-r", "1"}},
		{"denied", "mallory", "203.0.113.2", "push", "Access-Reject Login request denied.", 1, []string{"-t", "20", "-r", "1"}},
		{"passcode", "carol", "203.0.113.4", "12345678", "Access-Accept", 0, []string{"-t", "20", "-r", "1"}},
		// A copy after DuplicateInterval is a new request for the daemon, and joins the push.
		{"a copy", "bob", "203.0.113.3", "push", "Access-Accept", 1, []string{"-t", "2", "-r", "5"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			duo.Forget()
			request := strings.Join([]string{fmt.Sprintf("User-Name = %q", tt.user), fmt.Sprintf("User-Password = %q", tt.field), "Calling-Station-Id = " + tt.ip,
				signed, ourMark}, "\n") + "\n"
			out, errs, _ := run(t, request, realClient(t, "radclient"), append(append([]string{"-x"}, tt.flags...), addr.String(), "auth", radsecproxyFront)...)
			if got := received(out); got != tt.got || !strings.Contains(out[strings.Index(out, "Received"):], ourMark) {
				t.Errorf("got %q, want %q and its Proxy-State; radclient said:\n%s%s", got, tt.got, out, errs)
			}
			if got := duo.Pushes(); got != tt.pushes {
				t.Errorf("%d pushes, want %d", got, tt.pushes)
			}
		})
	}
}
