package shared_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/factor"
	"duoradiusd/policy/guard"
	"duoradiusd/policy/memory"
	"duoradiusd/policy/shared"
)

var keyFile = []byte("a1:" + strings.Repeat("A", 42) + "E=\n")

func keys(t testing.TB, file []byte) shared.Keys {
	t.Helper()
	k, err := shared.ParseKeys(file)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// fakeDuo is one Duo application that all daemons of a test ask. Its users answer when the test says so.
type fakeDuo struct {
	mu     sync.Mutex // guards all fields below
	rang   int        // pushes begun
	ofUser map[string]int
	polls  int // asks for a transaction that another daemon began
	answer chan policy.AuthResult
	block  func() // called when a push is asked for, before it is begun
}

func newDuo() *fakeDuo {
	return &fakeDuo{answer: make(chan policy.AuthResult, 1), ofUser: make(map[string]int)}
}

func (f *fakeDuo) Outage(context.Context) error { return nil }

func (f *fakeDuo) Preauth(context.Context, policy.PreauthRequest) (policy.Preauth, error) {
	return policy.Preauth{Result: policy.PreauthAuth, Devices: []policy.Device{{ID: "D1", Type: "phone", Capabilities: []string{"auto", "push"}}}}, nil
}

func (f *fakeDuo) Auth(ctx context.Context, r *policy.AuthRequest) (policy.AuthResult, error) {
	f.mu.Lock()
	txid := r.Began
	if txid != "" {
		f.polls++
	} else if r.Factor == factor.Push {
		f.rang++
		f.ofUser[r.User.Username]++
		txid = fmt.Sprintf("T%d", f.rang)
	}
	block := f.block
	f.mu.Unlock()
	if block != nil && r.Began == "" {
		block()
	}
	if r.Factor == factor.Push && r.Began == "" {
		r.Started(txid)
	}
	select {
	case a := <-f.answer:
		f.answer <- a // for other polls of the same push, too
		a.Txid = txid
		return a, nil
	case <-ctx.Done():
		return policy.AuthResult{Txid: txid}, context.Cause(ctx)
	}
}

func (f *fakeDuo) allows() {
	f.answer <- policy.AuthResult{Allowed: true, Status: "allow", Message: "Success."}
}

// again makes the next push wait for a new answer.
func (f *fakeDuo) again() { <-f.answer }

func (f *fakeDuo) rings() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rang
}

// ringsOf returns how often a user's phone rang.
func (f *fakeDuo) ringsOf(user string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ofUser[user]
}

// daemon is one of several daemons that share a store.
type daemon struct {
	t       testing.TB
	name    string
	memory  *memory.Memory
	runtime *policy.Runtime
	cluster *shared.Cluster
	policy  *policy.Policy
	client  *policy.Client
	log     *logBuffer
	ahead   time.Duration // of this daemon's clock
}

type logBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *logBuffer) has(words string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Contains(b.String(), words)
}

// start starts a daemon on the store at addr.
func start(t testing.TB, name, addr string, duo policy.SecondFactor, but ...func(*shared.Config)) *daemon {
	t.Helper()
	d := &daemon{t: t, name: name, memory: memory.New(1000), log: new(logBuffer)}
	d.client = &policy.Client{Name: "vpn", Service: "vpn", Second: duo, Application: "DI", Delimiter: ",", Remember: time.Hour,
		Factors: []factor.Factor{factor.Push, factor.Passcode}}
	c := shared.Config{Network: "tcp", Address: addr, Keys: keys(t, keyFile), Prefix: "drd", Timeout: 2 * time.Second, WhenDown: shared.WhenDownAlone,
		Version: "test", Clients: []string{"vpn"}, Log: slog.New(slog.NewTextHandler(d.log, nil)).With("daemon", name)}
	c.TakeOver = func(tx policy.Transaction) func() {
		return func() { d.runtime.TakeOver(tx, duo, guard.PushLimits{}) }
	}
	for _, change := range but {
		change(&c)
	}
	d.cluster = shared.New(c, d.memory.Stores())
	d.runtime = policy.NewRuntime(d.cluster.Stores(), c.Keys.Digest())
	d.policy = policy.New(policy.Settings{BindTo: []policy.Binding{policy.BindService, policy.BindUserIP}}, d.runtime)
	d.cluster.Start()
	t.Cleanup(d.stop)
	return d
}

func (d *daemon) stop() {
	d.runtime.Close()
	d.cluster.Close()
}

var home = netip.MustParseAddr("198.51.100.7")

func (d *daemon) attempt(user, password string, but ...func(*policy.Attempt)) policy.Attempt {
	a := policy.Attempt{Client: d.client, ClientAddr: netip.MustParseAddr("192.0.2.10"), User: user, Password: password, UserIP: home,
		Authentic: true}
	if d.ahead != 0 {
		a.At = time.Now().Add(d.ahead)
	}
	for _, change := range but {
		change(&a)
	}
	return a
}

// login is a login that runs beside the test.
func (d *daemon) login(user string, but ...func(*policy.Attempt)) <-chan policy.Verdict {
	out := make(chan policy.Verdict, 1)
	a := d.attempt(user, "", but...)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		out <- d.policy.Decide(ctx, a)
	}()
	return out
}

// wants waits for a login's verdict.
func wants(t testing.TB, who string, v <-chan policy.Verdict, outcome policy.Outcome, why policy.Reason) {
	t.Helper()
	select {
	case got := <-v:
		if got.Outcome != outcome || got.Reason != why {
			t.Errorf("%s: %v %s (%v); want %v %s", who, got.Outcome, got.Reason, got.Err, outcome, why)
		}
	case <-time.After(25 * time.Second):
		t.Fatalf("%s: no verdict", who)
	}
}

// eventually waits until f is true.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 15 s: %s", what)
		}
	}
}

// quickly makes a daemon wait for the store for a short time, which its tests measure. Other tests wait longer, so that
// they pass on a busy machine.
func quickly(c *shared.Config) { c.Timeout = 500 * time.Millisecond }
