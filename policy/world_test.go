package policy_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/factor"
	"duoradiusd/policy/guard"
)

const patience = 55 * time.Second // of every client

// These are the default limits of [guard].
const (
	wrongPerUser    = 10
	wrongPerAddress = 50
	wrongRefill     = 30 * time.Second
)

const time3 = 3 * time.Second // how long it takes to find the phone

// world is a daemon's policy with everything that it asks, inside a bubble of fake time. Its tests change the parts before
// they log in.
type world struct {
	*testing.T
	settings Settings
	client   *Client
	ldap     *directory
	duo      *fakeDuo
	process  *process
	policy   *Policy
}

// inWorld runs f in a new world. It then lets time pass until everything has ended, and checks that nothing is left.
func inWorld(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.end()
		f(w)
	})
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, process: newProcess(100)}
	// Most tests log in again and again, and each login is a login of its own.
	w.ldap = &directory{t: t, passwords: map[string]string{"alice": "pw", "bob": "pw"}}
	w.duo = &fakeDuo{t: t, rings: map[Identity]int{}}
	w.duo.pre = Preauth{Result: PreauthAuth, Message: "Account is active", Devices: []Device{smartphone, landline, tablet, token}}
	w.client = &Client{Name: "vpn", Service: "vpn", FirstFactor: w.ldap, Second: w.duo, Delimiter: ",",
		Factors: []factor.Factor{factor.Push, factor.Phone, factor.Passcode, factor.SMS}}
	w.settings.Names.StripDomain = []string{`EXAMPLE\`, "@example.com"}
	w.settings.Guesses = guard.GuessLimits{WrongPasswords: wrongPerUser, WrongPasscodes: wrongPerUser, WrongPerSource: wrongPerAddress, Refill: wrongRefill}
	w.settings.BindTo = []Binding{BindService, BindUserIP}
	w.load()
	return w
}

// load puts the settings into effect, with the same Runtime.
func (w *world) load() { w.policy = New(w.settings, w.process.Runtime) }

// end waits until no transaction can be live and no answer can be kept any more.
func (w *world) end() {
	w.Helper()
	time.Sleep(TransactionLimit + 2*lateAnswer + time.Second)
	synctest.Wait()
	if c := w.process.Counts(); c.Transactions != 0 || c.Kept != 0 {
		w.Errorf("left behind: %d transactions, %d of them live", c.Kept, c.Transactions)
	}
	w.process.Close()
	if len(w.duo.script) != 0 && !w.Failed() {
		w.Errorf("%d scripted answers of Duo were not asked for", len(w.duo.script))
	}
}

// attempt is alice's login from home through the VPN.
func (w *world) attempt(password string, but ...func(*Attempt)) Attempt {
	a := Attempt{Client: w.client, ClientAddr: netip.MustParseAddr("192.0.2.10"), User: "alice", Password: password,
		UserIP: home, Authentic: true}
	for _, change := range but {
		change(&a)
	}
	return a
}

func as(user string) func(*Attempt)        { return func(a *Attempt) { a.User = user } }
func from(ip netip.Addr) func(*Attempt)    { return func(a *Attempt) { a.UserIP = ip } }
func state(s string) func(*Attempt)        { return func(a *Attempt) { a.State = s } }
func unsigned(a *Attempt)                  { a.Authentic = false }
func through(change Client) func(*Attempt) { return func(a *Attempt) { a.Client = &change } }
func (w *world) at(name, service string) Client {
	c := *w.client
	c.Name, c.Service = name, service
	return c
}

// decide decides an attempt and makes the checks that apply to every attempt.
func (w *world) decide(ctx context.Context, a Attempt) Verdict {
	w.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	start := time.Now()
	v := w.policy.Decide(ctx, a)
	if took := time.Since(start); took > patience {
		w.Errorf("Decide took %v", took)
	}
	if (v.Outcome == OutcomeChallenge) != (v.State != "") || (v.Outcome == OutcomeChallenge) != (v.Wait > 0) {
		w.Errorf("State %q, Wait %v in %s", v.State, v.Wait, line(v))
	}
	if strings.Contains(v.Message, "  ") || v.Message != strings.TrimSpace(v.Message) {
		w.Errorf("an odd sentence: %q", v.Message)
	}
	return v
}

// joined returns the transaction that would answer an attempt now.
func (w *world) joined(a Attempt) Join {
	w.Helper()
	key, _ := w.policy.KeysOf(a)
	j, ok, err := w.process.Transactions.Find(w.Context(), key, time.Now())
	if !ok || err != nil {
		w.Fatal("nothing answers it: ", err)
	}
	return j
}

// login decides an attempt of alice from home, with the changes. When it returns, what it started has begun.
func (w *world) login(password string, but ...func(*Attempt)) Verdict {
	w.Helper()
	defer synctest.Wait()
	return w.decide(w.Context(), w.attempt(password, but...))
}

// pending is a login that runs in a goroutine of its own.
type pending struct {
	world   *world
	abandon func()
	verdict chan Verdict
}

// start begins a login and returns when the login waits for something.
func (w *world) start(password string, but ...func(*Attempt)) *pending {
	ctx, cancel := context.WithCancelCause(w.Context())
	p := &pending{world: w, abandon: func() { cancel(ErrAbandoned) }, verdict: make(chan Verdict, 1)}
	go func() { p.verdict <- w.decide(ctx, w.attempt(password, but...)) }()
	synctest.Wait()
	return p
}

func (p *pending) wants(want string) {
	p.world.Helper()
	p.world.wants(<-p.verdict, want)
}

// wants compares a Verdict with a line such as "accept approved push T1: sentence".
func (w *world) wants(v Verdict, want string) {
	w.Helper()
	if got := line(v); got != want {
		w.Errorf("\n got %s\nwant %s", got, want)
	}
}

// answers scripts the next answers of Duo.
func (w *world) answers(script ...reply) {
	w.duo.mu.Lock()
	defer w.duo.mu.Unlock()
	w.duo.script = script
}

func (w *world) preauthTakes(d time.Duration) {
	w.duo.mu.Lock()
	defer w.duo.mu.Unlock()
	w.duo.preWait = d
}

// asked compares the calls to Duo with want.
func (w *world) asked(want string) {
	w.Helper()
	if got := w.duo.asks(); got != want {
		w.Errorf("Duo was asked: %q, want %q", got, want)
	}
}

func (w *world) told(want string) {
	w.Helper()
	if got := w.ldap.asks(); got != want {
		w.Errorf("the first factor was asked: %q, want %q", got, want)
	}
}

// line returns a Verdict in the form of the tests.
func line(v Verdict) string {
	words := []string{[...]string{"reject", "accept", "challenge", "discard"}[v.Outcome], string(v.Reason)}
	if v.Factor != "" {
		words = append(words, string(v.Factor))
	}
	if v.Txid != "" {
		words = append(words, v.Txid)
	}
	s := strings.Join(words, " ")
	if v.Message != "" {
		s += ": " + v.Message
	}
	return s
}

// TestZeroVerdict: the zero Verdict is a reject.
func TestZeroVerdict(t *testing.T) {
	if got := fmt.Sprint(line(Verdict{})); got != "reject " {
		t.Errorf("the zero Verdict is %q", got)
	}
}
