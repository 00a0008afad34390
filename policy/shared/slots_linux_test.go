package shared_test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/factor"
	"duoradiusd/policy/guard"
)

// TestK53_OneSlot: all keys of a script, and of a command, are in one slot of a Redis Cluster, and every key expires (K47).
// The server is one node that has all slots, and refuses commands with keys in two slots.
func TestK53_OneSlot(t *testing.T) {
	r := runRedis(t, "--cluster-enabled", "yes", "--cluster-port", fmt.Sprint(freePort(t)))
	r.cli("cluster", "addslotsrange", "0", "16383")
	eventually(t, "the cluster serves", func() bool { return strings.Contains(r.cli("cluster", "info"), "cluster_state:ok") })
	duo := newDuo()
	a, b := start(t, "a", r.addr, duo), start(t, "b", r.addr, duo)
	allStores(t, a, b, duo)
	for line := range strings.Lines(r.cli("info", "errorstats")) { // what the server has refused
		if strings.HasPrefix(line, "errorstat_") && !strings.HasPrefix(line, "errorstat_NOSCRIPT") {
			t.Error(line)
		}
	}
	for _, d := range []*daemon{a, b} {
		if c := d.cluster.Counters(); !c.Up || c.Failures > 0 {
			t.Errorf("%s: %+v", d.name, c)
		}
		if _, _, err := d.cluster.Probe(t.Context()); err != nil {
			t.Error(err)
		}
	}
	kinds := make(map[string]bool)
	for _, key := range strings.Fields(r.cli("keys", "*")) {
		kinds[strings.Split(key, ":")[1]] = true
		if left := strings.TrimSpace(r.cli("pttl", key)); strings.HasPrefix(left, "-1") {
			t.Errorf("%s never ends", key)
		}
	}
	for _, kind := range []string{"approvals", "identity", "transaction", "join", "ring", "sms", "guard", "source", "cooldown", "challenge", "request", "daemons"} {
		if !kinds[kind] {
			t.Errorf("no key %q was looked at: this test proves less than it says", kind)
		}
	}
}

// allStores does with two daemons everything that writes to the store.
func allStores(t *testing.T, a, b *daemon, duo *fakeDuo) {
	t.Helper()
	ctx := t.Context()
	approve(t, a, duo, "alice")
	approve(t, b, duo, "bob")
	duo.again()
	stores := a.cluster.Stores()
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	state, err := stores.Challenges.Put(ctx, challenge("alice"))
	must("put a challenge", err)
	c, err := b.cluster.Stores().Challenges.Take(ctx, state, "vpn", "alice")
	if must("take it", err); c == nil {
		t.Error("no challenge")
	}
	_, err = stores.Challenges.Put(ctx, challenge("alice"))
	must("put another", err)
	must("mark a request", stores.Replays.Mark(ctx, policy.RequestDigest{1}, "tag.1"))
	_, seen, err := b.cluster.Stores().Replays.Seen(ctx, policy.RequestDigest{1})
	if must("see it", err); !seen {
		t.Error("not seen")
	}
	a.guess("alice", "192.0.2.1", guard.GuessRight)
	b.guess("alice", "192.0.2.1", guard.GuessWrong)
	must("know", stores.Guard.Know(ctx, guard.Guess{Person: "alice", Source: "192.0.2.1"}))
	a.guess("alice", "192.0.2.1", guard.GuessWrong)
	a.guess("alice", "192.0.2.1", guard.GuessNotAsked)
	phone := policy.Phone{Duo: policy.Identity{Username: "alice"}, Person: "alice"}
	limits := guard.PushLimits{Pushes: 1, Window: time.Hour, Cooldown: time.Hour}
	must("count a push", stores.Guard.PushEnded(ctx, phone, guard.PushEnd{Status: "timeout"}, limits))
	must("claim an SMS", claim(ctx, a, phone, factor.SMS, policy.ClaimOwned))
	limits.Pushes = 2
	must("count the first of two", stores.Guard.PushEnded(ctx, policy.Phone{Duo: policy.Identity{Username: "carol"}, Person: "carol"}, guard.PushEnd{Status: "timeout"}, limits))
	_, err = b.cluster.Stores().Guard.Clear(ctx, policy.GuardClear{Person: "dave", Duo: policy.Identity{Username: "dave"}, Source: "192.0.2.9"})
	must("clear", err)
	must("forget a phone", stores.Approvals.ForgetPhone(ctx, policy.Phone{Duo: policy.Identity{Username: "bob"}, Person: "bob"}))
	_, err = stores.Approvals.Forget(ctx, "nobody")
	must("forget", err)
	_, err = stores.Approvals.List(ctx, "", 0)
	must("list", err)
}

// claim begins a transaction for a challenge's answer, whose join key does not hold the Duo user.
func claim(ctx context.Context, d *daemon, phone policy.Phone, factor factor.Factor, want policy.Claim) error {
	n := policy.NewTransaction{Transaction: policy.Transaction{Phone: phone, Factor: factor, Name: phone.Person},
		Key: policy.JoinKey{Client: "vpn", User: phone.Person, IP: home}, LoginBegan: time.Now()}
	t, got, err := d.cluster.Stores().Transactions.Claim(ctx, n)
	if err == nil && got != want {
		return fmt.Errorf("claim %d; want %d", got, want)
	}
	if got == policy.ClaimOwned {
		return d.cluster.Stores().Transactions.Finish(ctx, t.ID, policy.AuthResult{Status: "sent"}, err)
	}
	return err
}

// TestK53_TwoNames: a phone that rings for a Duo user or a person is busy under both names, at every daemon and also at the
// same moment. A claim that is refused leaves nothing that blocks a later one.
func TestK53_TwoNames(t *testing.T) { onEachStore(t, testTwoNames) }

func testTwoNames(t *testing.T, m *server) {
	duo := newDuo()
	daemons := []*daemon{start(t, "a", m.addr, duo), start(t, "b", m.addr, duo)}
	for i := range 20 {
		phones := []policy.Phone{ // the second shares one name with each of the others
			{Duo: policy.Identity{Username: fmt.Sprint("x", i)}, Person: fmt.Sprint("p", i)},
			{Duo: policy.Identity{Username: fmt.Sprint("y", i)}, Person: fmt.Sprint("p", i)},
			{Duo: policy.Identity{Username: fmt.Sprint("y", i)}, Person: fmt.Sprint("q", i)},
		}
		got := make([]policy.Claim, len(phones))
		ids := make([]policy.TransactionID, len(phones))
		var wg sync.WaitGroup
		for k, phone := range phones {
			wg.Go(func() {
				tx, c, err := daemons[k%2].cluster.Stores().Transactions.Claim(t.Context(), policy.NewTransaction{
					Transaction: policy.Transaction{Phone: phone, Factor: factor.Push},
					Key:         policy.JoinKey{Client: "vpn", User: phone.Person, Duo: phone.Duo, IP: home, Digest: [32]byte{byte(k)}}, LoginBegan: time.Now()})
				if got[k], ids[k] = c, tx.ID; err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		owned := func(k int) bool { return got[k] == policy.ClaimOwned }
		if owned(1) && (owned(0) || owned(2)) {
			t.Fatalf("two claims of one phone succeeded: %v", got)
		}
		for k := range phones {
			if owned(k) {
				daemons[k%2].cluster.Stores().Transactions.Finish(t.Context(), ids[k], policy.AuthResult{Status: "deny"}, nil)
			}
		}
		eventually(t, "the phone may ring again", func() bool {
			rings, err := daemons[0].cluster.Stores().Transactions.Rings(t.Context(), phones[1], time.Now())
			return err == nil && !rings
		})
	}
}

// TestK52_KeysOnly: a script uses no key that is not among its KEYS.
func TestK52_KeysOnly(t *testing.T) {
	calls := 0
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	call := regexp.MustCompile(`redis\.call\('([A-Z]+)'(, *KEYS\[)?`)
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		text, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range call.FindAllStringSubmatch(string(text), -1) {
			if calls++; m[1] != "TIME" && m[2] == "" {
				t.Errorf("%s: %s of another key", f.Name(), m[0])
			}
		}
	}
	if calls < 20 {
		t.Errorf("%d calls found: this test proves nothing", calls)
	}
}
