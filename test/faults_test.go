package test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"duoradiusd/test/fakeduo"
	"duoradiusd/test/nas"
)

// troubles are the faults of Duo, in random order. The phone may ring although the daemon gets no answer.
var troubles = []fakeduo.Fault{
	{Status: 500}, {Status: 503}, {Status: 429, RetryAfter: "1"}, {Status: 429},
	{Status: 502, Body: "<html><body><h1>502 Bad Gateway</h1></body></html>"},
	{Status: 503, Effect: true},
	{Body: `{"stat": "OK", "response": {`},
	{Body: `{"stat": "OK", "response": {"result": "perhaps", "status": "?"}}`},
	{Delay: 50 * time.Millisecond}, {Delay: 300 * time.Millisecond}, {Trickle: time.Millisecond},
	{CutBefore: true, Stream: true}, {CutAfter: true, Stream: true},
	{Hang: true},
}

// cutEvery is how often a whole connection breaks. When the daemon's ping breaks with it, all logins are rejected for five
// seconds, so if it broke more often, the test would see nothing else.
const cutEvery = 15 * time.Second

// breakConnections breaks connections until the test ends.
func breakConnections(t *testing.T, duo *fakeduo.Server, first time.Duration) {
	for after := first; ; after = cutEvery {
		select {
		case <-time.After(after):
			duo.Inject("/auth/v2/auth", fakeduo.Fault{CutAfter: true})
		case <-t.Context().Done():
			return
		}
	}
}

// faultTally counts the results of the logins of TestSoakFaults.
type faultTally struct {
	accepts, rejects atomic.Int64

	mu       sync.Mutex // guards all fields below
	accepted []string
	twins    int // logins whose client sent two requests at once
}

// TestSoakFaults: Duo has all faults. No login rings a phone twice, nobody gets in whom Duo did not allow, and each request
// has one answer, in time.
func TestSoakFaults(t *testing.T) {
	slow(t, "it breaks connections for seconds")
	t.Parallel()
	duo := startDuo(t)
	d := startDaemon(t, duo, "[duo]\napi_timeout = \"1s\"\n[[client]]\ntimeout = \"10s\"\n[guard]\nreject_delay = \"100ms\"\n")
	d.WaitLog("Duo accepts this application") // before the faults begin
	const seed = 2026
	// The ping has no faults, because while it fails no login asks Duo for anything.
	duo.Inject("/auth/v2/ping", fakeduo.Fault{Times: -1})
	duo.Chaos(seed, 0.08, troubles...)
	length := soakFor(t, 4*time.Second)
	time.AfterFunc(length, duo.Heal) // so that the last logins need not wait for calls that hang
	go breakConnections(t, duo, min(length*3/4, cutEvery))
	l := &line{daemon: d, every: 200 * time.Millisecond, limit: 10 * time.Second}
	go l.watch(t)
	tally := &faultTally{}
	logins := crowd(t, soakUsers, length, func(dice *rand.Rand, name string) error { return tally.login(l, duo, dice, name) })

	faults := slices.DeleteFunc(duo.Requests(), func(r fakeduo.Request) bool { return r.Fault == "" })
	t.Logf("seed %d: %d logins of %d users at once, %d of them in two requests, %d pushes, %d requests accepted, %d rejected; %d calls, %d of them with a fault; %v",
		seed, logins, soakUsers, tally.twins, duo.Pushes(), tally.accepts.Load(), tally.rejects.Load(), duo.Count(""), len(faults), l)
	t.Logf("reasons: %v", d.reasons())
	tally.judge(t, duo, logins)
	mustDropNothing(t, d)
}

// login is the only login of one user. Its copies belong to it, and so does a second request from another port at the same
// time.
func (f *faultTally) login(l *line, duo *fakeduo.Server, dice *rand.Rand, name string) error {
	user := fakeduo.User{Username: name, Delay: time.Duration(dice.IntN(400)) * time.Millisecond}
	if dice.IntN(8) == 0 {
		user.Tap = fakeduo.Deny
	}
	duo.SetUser(user)
	defer duo.RemoveUser(name)
	attempt := newAttempt([]option{withUserIP(fmt.Sprintf("203.0.113.%d", dice.IntN(256)))})
	var ports []*port
	for range 1 + dice.IntN(4)/3 {
		p, err := l.open()
		if err != nil {
			return err
		}
		defer p.nas.Close()
		if _, err := p.send(attempt.request(name, "push")); err != nil {
			return err
		}
		ports = append(ports, p)
	}
	if err := settleAll(ports); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.twins += len(ports) - 1
	for _, p := range ports {
		switch reply := p.asks[0].reply; {
		case reply.Code == nas.CodeAccessReject:
			f.rejects.Add(1)
		case reply.Code != nas.CodeAccessAccept:
			return fmt.Errorf("got %v", reply)
		case user.Tap == fakeduo.Deny:
			return fmt.Errorf("let in, but the user said no")
		default:
			f.accepts.Add(1)
			f.accepted = append(f.accepted, name)
		}
	}
	return nil
}

// judge compares the clients' replies with what Duo did.
func (f *faultTally) judge(t *testing.T, duo *fakeduo.Server, logins int) {
	if logins < 2*soakUsers || f.accepts.Load() == 0 || f.rejects.Load() == 0 {
		t.Errorf("%d logins, %d accepted, %d rejected: that shows nothing", logins, f.accepts.Load(), f.rejects.Load())
	}
	if duo.Pushes() > logins {
		t.Errorf("%d pushes for %d logins", duo.Pushes(), logins)
	}
	allowed := map[string]bool{}
	for _, a := range duo.Allows() {
		allowed[a.Username] = true
	}
	for _, name := range f.accepted {
		if !allowed[name] {
			t.Errorf("%s was let in, and Duo did not allow it", name)
		}
	}
	pushes := map[string]int{}
	for _, transaction := range duo.Transactions() {
		pushes[transaction.Username]++
	}
	for name, n := range pushes {
		if n > 1 {
			t.Errorf("%d pushes for the one login of %s", n, name)
		}
	}
}

// reasons counts the logins in the log by their reason.
func (d *daemon) reasons() map[string]int {
	counts := map[string]int{}
	for _, line := range d.loginLines() {
		_, after, _ := strings.Cut(line, " reason=")
		reason, _, _ := strings.Cut(after, " ")
		counts[reason]++
	}
	return counts
}
