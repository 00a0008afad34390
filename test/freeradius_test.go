package test

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"duoradiusd/test/fakeduo"
)

const (
	nasSecret   = "between-radclient-and-freeradius"
	proxySecret = "between-freeradius-and-duoradiusd"
)

// proxy is a FreeRADIUS in front of the daemon, in the foreground and with all its debug messages.
type proxy struct {
	*companion
	addr  netip.AddrPort
	users atomic.Int32 // how many addresses of users were given so far
}

// startProxy starts FreeRADIUS with d as its home server. FreeRADIUS takes d for dead if it does not answer for window.
func startProxy(t testing.TB, d *daemon, window time.Duration) *proxy {
	t.Helper()
	program := realClient(t, "freeradius")
	d.forbid(proxySecret)
	for range 5 { // another program may take the port first
		dir, port := t.TempDir(), freePort(t)
		config, err := os.ReadFile("testdata/freeradius/radiusd.conf")
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "radiusd.conf"), string(config))
		c := exec.Command(program, "-X", "-d", dir)
		c.Env = append(os.Environ(), "FR_DIR="+dir, "FR_LIBDIR=/usr/lib/freeradius", fmt.Sprint("FR_PORT=", port), "FR_SECRET="+nasSecret,
			fmt.Sprint("FR_HOME_PORT=", d.Addr().Port()), "FR_HOME_SECRET="+proxySecret, fmt.Sprint("FR_WINDOW=", window.Seconds()))
		p := &proxy{companion: accompany(t, "FreeRADIUS", c), addr: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port))}
		if _, ok := p.wait("Ready to process requests"); ok {
			return p
		}
		p.end()
		if p.said("Failed binding") == 0 {
			break
		}
	}
	t.Fatal("FreeRADIUS does not start")
	return nil
}

// ask sends an Access-Request through the proxy, with field as the password, and returns what radclient says that it got, and all that it printed.
func (p *proxy) ask(t testing.TB, user, field string, more []string, flags ...string) (got, printed string) {
	t.Helper()
	request := append([]string{fmt.Sprintf("User-Name = %q", user), fmt.Sprintf("User-Password = %q", field),
		fmt.Sprintf("Calling-Station-Id = 203.0.113.%d", p.users.Add(1))}, more...) // this is another login, and not a retry
	args := append([]string{"-x", "-t", "20", "-r", "1"}, flags...)
	out, errs, _ := run(t, strings.Join(request, "\n")+"\n", realClient(t, "radclient"), append(args, p.addr.String(), "auth", nasSecret)...)
	return received(out), out + errs
}

// took returns the attributes of the daemon's replies of one code, as FreeRADIUS read them. It leaves out replies that are
// not printed to the end yet.
func (p *proxy) took(code string) (replies [][]string) {
	lines := p.log.all()
	begins := regexp.MustCompile(`^\(\d+\) Received ` + code + ` Id \d+ from 127\.0\.0\.1:\d+ to `)
	attribute := regexp.MustCompile(`^\(\d+\)   (\S+ = .*)$`)
	for i, line := range lines {
		if !begins.MatchString(line) {
			continue
		}
		var reply []string
		for _, line := range lines[i+1:] {
			m := attribute.FindStringSubmatch(line)
			if m == nil {
				replies = append(replies, reply)
				break
			}
			reply = append(reply, m[1])
		}
	}
	return replies
}

// complaint matches what FreeRADIUS prints about a packet that it refuses, or about a server that it does not trust.
var complaint = regexp.MustCompile(`(?i)invalid|dropping|discard|malformed|secret|unknown|no response|zombie|\b(error|warning)\b`)

// mustBeContent allows no complaint. A reply to a copy that crossed the first reply is not one: RFC 5080 §2.2.2 requires
// it.
func (p *proxy) mustBeContent(t testing.TB) {
	t.Helper()
	lines := p.log.all()
	lines = lines[slices.Index(lines, "Ready to process requests"):]
	for _, line := range lines {
		if complaint.MatchString(line) && !strings.Contains(line, "Discarding duplicate reply") {
			t.Errorf("FreeRADIUS says: %s", line)
		}
	}
}

// proxied is the configuration with FreeRADIUS as a client.
const proxied = `
[[client]]
name = "freeradius"
secret = "` + proxySecret + `"
message_authenticator = "require"
timeout = "20s"
`

const (
	signed  = "Message-Authenticator = 0x00"
	ourMark = "Proxy-State = 0x6f757273"
)

func TestFreeRADIUSAsProxy(t *testing.T) {
	t.Parallel()
	duo := startDuo(t, fakeduo.User{Username: "alice"}, fakeduo.User{Username: "mallory", Tap: fakeduo.Deny},
		fakeduo.User{Username: "bob", Tap: fakeduo.Ask}, fakeduo.User{Username: "carol", Passcodes: []string{"12345678"}})
	d := startDaemon(t, duo, proxied)
	p := startProxy(t, d, 25*time.Second)
	for _, tt := range []struct {
		name, user, field string
		more              []string
		code, text        string
		pushes            int
	}{
		{"accept", "alice", "push", []string{signed, ourMark}, "Access-Accept", "", 1},
		{"reject", "mallory", "push", []string{signed, ourMark}, "Access-Reject", " Login request denied.", 1},
		{"passcode", "carol", "12345678", []string{signed, ourMark}, "Access-Accept", "", 0},
		{"wrong passcode", "carol", "87654321", []string{signed, ourMark}, "Access-Reject", " Incorrect passcode. Please try again.", 0},
		// FreeRADIUS signs what a NAS did not sign, so "require" works.
		{"unsigned", "alice", "push", []string{ourMark}, "Access-Accept", "", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			duo.Forget()
			before := len(p.took(tt.code))
			got, printed := p.ask(t, tt.user, tt.field, tt.more)
			if got != tt.code+tt.text || strings.Count(printed, ourMark) != 2 {
				t.Errorf("got %q, want %q and its Proxy-State; radclient said:\n%s", got, tt.code+tt.text, printed)
			}
			eventually(t, "FreeRADIUS prints the reply", func() bool { return len(p.took(tt.code)) > before })
			mustEcho(t, p.took(tt.code)[before:])
			if got := duo.Pushes(); got != tt.pushes {
				t.Errorf("%d pushes for one login, want %d", got, tt.pushes)
			}
		})
	}
	t.Run("retransmits", func(t *testing.T) { retransmitThrough(t, p, duo) })
	p.mustBeContent(t)
}

// mustEcho requires one reply, with Message-Authenticator first and both Proxy-States last: the client's, then the proxy's.
func mustEcho(t *testing.T, replies [][]string) {
	t.Helper()
	if len(replies) != 1 {
		t.Fatalf("%d replies reached FreeRADIUS, want 1", len(replies))
	}
	r := replies[0]
	if len(r) < 3 || !strings.HasPrefix(r[0], "Message-Authenticator = 0x") {
		t.Fatalf("not Message-Authenticator first: %q", r)
	}
	marks := slices.DeleteFunc(slices.Clone(r), func(a string) bool { return !strings.HasPrefix(a, "Proxy-State") })
	if len(marks) != 2 || !slices.Equal(marks, r[len(r)-2:]) || marks[0] != ourMark {
		t.Errorf("not both Proxy-States, in order and last: %q", r)
	}
}

// retransmitThrough has radclient repeat its request while the phone rings. FreeRADIUS passes on one copy a second.
func retransmitThrough(t *testing.T, p *proxy, duo *fakeduo.Server) {
	duo.Forget()
	go func() {
		push, err := ringing(t, duo, "bob")
		if err != nil {
			t.Error(err)
			return
		}
		p.log.wait(p.afterCopies(2))
		if err := duo.Answer(push.Txid, fakeduo.Approve); err != nil {
			t.Error(err)
		}
	}()
	got, printed := p.ask(t, "bob", "push", []string{signed}, "-r", "60", "-t", "0.3")
	if got != "Access-Accept" {
		t.Errorf("got %q; radclient said:\n%s", got, printed)
	}
	if got := duo.Pushes(); got != 1 {
		t.Errorf("%d pushes for one login", got)
	}
}

// afterCopies matches the line that FreeRADIUS prints when n copies have been sent.
func (p *proxy) afterCopies(n int) func(line string) bool {
	sent := 0
	return func(line string) bool {
		if strings.Contains(line, "Sending duplicate proxied request") {
			sent++
		}
		return sent >= n && strings.HasPrefix(line, "Waking up")
	}
}

// TestFreeRADIUSStatusCheck: a phone rings longer than FreeRADIUS waits for a reply. FreeRADIUS then asks whether the
// daemon is alive, and gets an answer.
func TestFreeRADIUSStatusCheck(t *testing.T) {
	t.Parallel()
	duo := startDuo(t, fakeduo.User{Username: "bob", Tap: fakeduo.Ask}, fakeduo.User{Username: "alice"})
	d := startDaemon(t, duo, proxied)
	p := startProxy(t, d, time.Second)
	if got, printed := p.ask(t, "bob", "push", []string{signed}); got != "Access-Reject" {
		t.Errorf("got %q; radclient said:\n%s", got, printed)
	}
	p.mustSay("as zombie")
	p.mustSay("Received response to status check")
	p.mustSay("Marking home server", "alive")
	if got, printed := p.ask(t, "alice", "push", []string{signed}); got != "Access-Accept" {
		t.Errorf("got %q; radclient said:\n%s", got, printed)
	}
	for _, line := range p.log.all() {
		if strings.Contains(strings.ToLower(line), "invalid") || strings.Contains(line, "ropping") {
			t.Errorf("FreeRADIUS says: %s", line)
		}
	}
}
