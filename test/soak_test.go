package test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"duoradiusd/test/fakeduo"
	"duoradiusd/test/nas"
)

// soakFor returns how long a soak test lasts: SOAK=60s go test -run Soak.
func soakFor(t testing.TB, usual time.Duration) time.Duration {
	t.Helper()
	if os.Getenv("SOAK") == "" {
		return usual
	}
	d, err := time.ParseDuration(os.Getenv("SOAK"))
	if err != nil {
		t.Fatalf("SOAK: %v", err)
	}
	return d
}

const soakUsers = 64 // at once

// startDuoWith is startDuo with another fakeduo.Config.
func startDuoWith(t testing.TB, config fakeduo.Config) *fakeduo.Server {
	t.Helper()
	duo := fakeduo.New(config)
	if err := duo.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(duo.Close)
	return duo
}

// TestSoakLostReplies: whatever a client does when it gets no reply, a login is one push, and ends with the answer to that
// push.
func TestSoakLostReplies(t *testing.T) {
	slow(t, "it loses replies for seconds")
	t.Parallel()
	duo := startDuoWith(t, fakeduo.Config{Memory: 1000})
	d := startDaemon(t, duo, "[[client]]\ntimeout = \"20s\"\n")
	l := &line{daemon: d, every: 150 * time.Millisecond, limit: 20 * time.Second}
	go l.watch(t)
	var accepts atomic.Int64
	logins := crowd(t, soakUsers, soakFor(t, 4*time.Second), func(dice *rand.Rand, name string) error {
		duo.SetUser(fakeduo.User{Username: name, Tap: fakeduo.Ask})
		defer duo.RemoveUser(name)
		ports, err := comeBack(t, l, duo, dice, name)
		for _, p := range ports {
			defer p.nas.Close()
		}
		if err != nil {
			return err
		}
		for _, p := range ports {
			for _, a := range p.asks {
				switch {
				case a.abandoned:
				case a.reply.Code != nas.CodeAccessAccept:
					return fmt.Errorf("got %v", a.reply)
				default:
					accepts.Add(1)
				}
			}
		}
		return nil
	})
	t.Logf("%d logins of %d users at once, %d pushes, %d calls of auth, %d accepts; %v", logins, soakUsers, duo.Pushes(),
		duo.Count("/auth/v2/auth"), accepts.Load(), l)
	if pushes := duo.Pushes(); pushes != logins || pushes != duo.Count("/auth/v2/auth") || logins < soakUsers {
		t.Errorf("%d pushes by %d calls of auth for %d logins", pushes, duo.Count("/auth/v2/auth"), logins)
	}
	mustDropNothing(t, d)
}

func mustDropNothing(t *testing.T, d *daemon) {
	t.Helper()
	for _, line := range d.Log() {
		if strings.Contains(line, "msg=dropped") {
			t.Error(line)
		}
	}
}

// comeBack is one login whose client does not wait. While the phone rings, it sends its request again, or a new request for
// the same login. Then the user approves, and the newest requests are answered.
func comeBack(t *testing.T, l *line, duo *fakeduo.Server, dice *rand.Rand, name string) (ports []*port, err error) {
	p, err := l.open()
	if err != nil {
		return nil, err
	}
	ports = append(ports, p)
	user := newAttempt([]option{withUserIP(fmt.Sprintf("203.0.113.%d", dice.IntN(256)))})
	if _, err := p.send(user.request(name, "push")); err != nil {
		return ports, err
	}
	if dice.IntN(2) == 0 { // otherwise it sends a new request before the phone can ring
		if _, err := ringing(t, duo, name); err != nil {
			return ports, err
		}
	}
	for range dice.IntN(3) {
		if ports, err = insist(l, ports, user.request(name, "push"), dice); err != nil {
			return ports, err
		}
	}
	for _, p := range ports {
		if err := p.barrier(name); err != nil {
			return ports, fmt.Errorf("barrier: %w", err)
		}
	}
	push, err := ringing(t, duo, name)
	if err != nil {
		return ports, err
	}
	time.AfterFunc(time.Duration(20+dice.IntN(300))*time.Millisecond, func() {
		if err := duo.Answer(push.Txid, fakeduo.Approve); err != nil {
			t.Errorf("%s approves: %v", name, err)
		}
	})
	if err := settleAll(ports); err != nil {
		return ports, err
	}
	if !slices.ContainsFunc(duo.Allows(), func(a fakeduo.Allow) bool { return a.Username == name }) {
		return ports, errors.New("was let in before the user approved")
	}
	return ports, nil
}

// insist does what clients do that get no reply: r is the same login once more.
func insist(l *line, ports []*port, r *nas.Request, dice *rand.Rand) ([]*port, error) {
	p := ports[len(ports)-1]
	last := p.asks[len(p.asks)-1]
	r.Identifier = last.request.Identifier
	switch dice.IntN(5) {
	case 0: // as almost all do
		return ports, p.again(last)
	case 1: // a new Identifier
		r.Identifier++
	case 2: // the same Identifier: the old request is given up
		last.abandoned = true
	case 3: // a new port and Identifier, as after a restart
		r.Identifier++
		fallthrough
	case 4: // a new port and the same Identifier, as openvpn-auth-radius has it
		var err error
		if p, err = l.open(); err != nil {
			return ports, err
		}
		ports = append(ports, p)
	}
	_, err := p.send(r)
	return ports, err
}

// TestSoakReplay: a recorded request that an attacker sends again begins no push, even if its reply is not kept any more.
// The tests of radiusd use a clock of their own for that; this one waits.
func TestSoakReplay(t *testing.T) {
	if os.Getenv("SOAK") == "" {
		t.Skip("takes half a minute; SOAK=60s runs it")
	}
	t.Parallel()
	duo := startDuo(t, fakeduo.User{Username: "alice"})
	d := startDaemon(t, duo, "[[client]]\naddress = [\"127.0.0.0/8\"]\n")
	n, err := nas.Dial(d.Addr(), netip.AddrPort{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	r := pushRequest("alice")
	if _, err := n.Exchange(t.Context(), r, nas.Retransmit{}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(31 * time.Second) // a reply is kept for 30 s
	thief, err := nas.Dial(d.Addr(), netip.MustParseAddrPort("127.0.0.9:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer thief.Close()
	for _, from := range []*nas.NAS{n, thief} {
		if err := from.Send(r.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "both copies are read", func() bool { return d.seen("vpn").Packets == 3 })
	d.WaitLog("msg=dropped", "reason=replayed")
	if duo.Pushes() != 1 || duo.Count("/auth/v2/preauth") != 1 {
		t.Errorf("%d pushes, %d preauths for one login", duo.Pushes(), duo.Count("/auth/v2/preauth"))
	}
	for _, from := range []*nas.NAS{n, thief} {
		if err := from.Silence(time.Millisecond); err != nil { // all that could come has come
			t.Error(err)
		}
	}
}
