package test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"duoradiusd/test/fakeduo"
	"duoradiusd/test/nas"
)

const (
	floodRate   = 20_000 // packets a second
	floodMemory = 24_000 // by how many KiB a daemon may grow in a flood; the logins' own replies are included
)

// floodFor is how long a flood lasts. SOAK makes it longer, but no longer than a client waits for its user.
func floodFor(t testing.TB) time.Duration { return min(soakFor(t, 3*time.Second), 45*time.Second) }

// These tests are not parallel, because they measure.

// TestC2_UnknownSources: 20 000 packets a second from unknown sources do not disturb logins, add no memory and few lines to
// the log.
func TestC2_UnknownSources(t *testing.T) {
	duo := startDuo(t)
	d := startFlooded(t, duo)
	var guns []*gun
	var packets [][][]byte
	for i := range 4 {
		guns = append(guns, openGun(t, fmt.Sprintf("127.66.%d.1", i), d.Addr()))
		packets = append(packets, manyOf(func() *nas.Request { return pushRequest("user0") }))
	}
	flood(t, d, guns, packets, `reason="unknown client"`)
	if got := d.seen("vpn"); got.Wrong != 0 || got.Unauthenticated != 0 {
		t.Errorf("of the client itself came %+v", got)
	}
}

// TestD6_ForgedOnTheSamePort: the flood comes from the addresses and ports of two users' logins, with their Identifiers.
// Its packets have a wrong Message-Authenticator, or none where one is required. Both logins get their answers.
func TestD6_ForgedOnTheSamePort(t *testing.T) {
	duo := startDuo(t, fakeduo.User{Username: "alice", Tap: fakeduo.Ask}, fakeduo.User{Username: "bob", Tap: fakeduo.Ask})
	d := startFlooded(t, duo)
	pending := []*forgery{
		ringFrom(t, d, duo, "127.0.0.1", "alice", nas.Wrong),
		ringFrom(t, d, duo, "127.0.0.2", "bob", nas.None),
	}
	var guns []*gun
	var packets [][][]byte
	for _, p := range pending {
		guns = append(guns, p.gun)
		packets = append(packets, manyOf(p.forged))
	}
	flood(t, d, guns, packets, `reason="wrong Message-Authenticator"`, `reason="no Message-Authenticator"`)
	if wrong, without := d.seen("vpn").Wrong, d.seen("strict").Unauthenticated; wrong < floodRate/2 || without < floodRate/2 {
		t.Errorf("%d and %d forged packets were read: that shows nothing", wrong, without)
	}
	for _, p := range pending {
		if err := duo.Answer(p.txid, fakeduo.Approve); err != nil {
			t.Fatal(err)
		}
		p.mustBeAccepted(t)
		if _, err := p.gun.conn.WriteToUDP(p.request.Bytes(), p.gun.to); err != nil {
			t.Fatal(err)
		}
		p.mustBeAccepted(t) // again
	}
}

// startFlooded starts a daemon with two clients. One of them must sign.
func startFlooded(t *testing.T, duo *fakeduo.Server) *daemon {
	t.Helper()
	slow(t, "it sends a flood")
	for i := range trafficUsers {
		duo.SetUser(fakeduo.User{Username: fmt.Sprintf("user%d", i)})
	}
	return startDaemon(t, duo, `
[[client]]
name = "vpn"

[[client]]
name = "strict"
address = ["127.0.0.2"]
message_authenticator = "require"
`)
}

// manyOf builds packets that differ in their Authenticators.
func manyOf(request func() *nas.Request) (packets [][]byte) {
	for range 64 {
		packets = append(packets, request().Bytes())
	}
	return packets
}

// flood lets the guns fire and measures the logins of users before and meanwhile. The memory must not grow, and the log may
// have each of the reasons once in ten seconds at most.
func flood(t *testing.T, d *daemon, guns []*gun, packets [][][]byte, reasons ...string) {
	t.Helper()
	calm := during(t, d, func() { time.Sleep(time.Second) })
	before, lost := d.residents(), d.overrun()
	length, rate := floodFor(t), 0.0
	busy := during(t, d, func() { rate = volley(t, guns, packets, floodRate, length) })
	after := d.residents()
	t.Logf("before: %v", calm)
	t.Logf("%.0f packets/s for %v, of which the kernel dropped %d: %v", rate, length, d.overrun()-lost, busy)
	t.Logf("memory: %d KiB before, %d at most, %d after", before, busy.highest, after)
	if len(busy.took) < trafficUsers || busy.quantile(50) > 500*time.Millisecond {
		t.Errorf("%v: they did not go on as before", busy)
	}
	if grown := max(busy.highest, after) - before; grown > floodMemory {
		t.Errorf("the daemon grew by %d KiB", grown)
	}
	for _, reason := range reasons {
		n := 0
		for _, line := range d.Log() {
			if strings.Contains(line, "msg=dropped "+reason) {
				n++
			}
		}
		if most := 1 + int(length/(10*time.Second)); n < 1 || n > most {
			t.Errorf("%d lines about %s in %v, want %d at most", n, reason, length, most)
		}
	}
}

// forgery is a login that waits for its user, with the port that it came from, from which others send, too.
type forgery struct {
	gun     *gun
	request *nas.Request
	txid    string
	place   nas.Placement // of the forged packets
}

func ringFrom(t *testing.T, d *daemon, duo *fakeduo.Server, from, user string, place nas.Placement) *forgery {
	t.Helper()
	f := &forgery{gun: openGun(t, from, d.Addr()), request: pushRequest(user), place: place}
	if _, err := f.gun.conn.WriteToUDP(f.request.Bytes(), f.gun.to); err != nil {
		t.Fatal(err)
	}
	push, err := ringing(t, duo, user)
	if err != nil {
		t.Fatal(err)
	}
	f.txid = push.Txid
	return f
}

func (f *forgery) forged() *nas.Request {
	r := pushRequest("eve").Sign(f.place)
	r.Identifier = f.request.Identifier
	return r
}

func (f *forgery) mustBeAccepted(t *testing.T) {
	t.Helper()
	b := make([]byte, 4096)
	if err := f.gun.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	n, err := f.gun.conn.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := f.request.Verify(b[:n]); err != nil || r.Code != nas.CodeAccessAccept {
		t.Errorf("got %v, %v", r, err)
	}
}
