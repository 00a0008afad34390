package shared_test

import (
	"context"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/guard"
	"duoradiusd/policy/shared"
)

// guess is a wrong or a right password of alice, as the first factor reports it.
func (d *daemon) guess(person, source string, result guard.GuessResult) bool {
	d.t.Helper()
	g := guard.Guess{Kind: guard.GuessPassword, Person: person, Source: source,
		Limits: guard.GuessLimits{WrongPasswords: 10, WrongPasscodes: 10, WrongPerSource: 50, Refill: time.Minute}}
	ctx, cancel := context.WithTimeout(d.t.Context(), 20*time.Second)
	defer cancel()
	stores := d.cluster.Stores()
	a, err := stores.Guard.Admit(ctx, g)
	if err != nil {
		d.t.Fatal(err)
	}
	if !a.Admitted {
		return false
	}
	if err := stores.Guard.Settle(ctx, a, result); err != nil {
		d.t.Fatal(err)
	}
	return true
}

// TestK86_Guesses: ten wrong passwords block alice, whichever daemons got them. A right password, or the administrator,
// ends that at all daemons.
func TestK86_Guesses(t *testing.T) { onEachStore(t, testGuesses) }

func testGuesses(t *testing.T, m *server) {
	duo := newDuo()
	a, b := start(t, "a", m.addr, duo), start(t, "b", m.addr, duo)
	for i := range 10 {
		d := []*daemon{a, b}[i%2]
		if !d.guess("alice", "192.0.2.1", guard.GuessWrong) {
			t.Fatalf("guess %d was held back", i+1)
		}
	}
	for _, d := range []*daemon{a, b} {
		if d.guess("alice", "192.0.2.1", guard.GuessRight) {
			t.Errorf("%s admits the eleventh guess", d.name)
		}
		if !d.guess("bob", "192.0.2.2", guard.GuessWrong) {
			t.Errorf("%s holds back somebody else", d.name)
		}
	}
	if n, err := b.cluster.Stores().Guard.Clear(t.Context(), policy.GuardClear{Person: "alice", Duo: policy.Identity{Username: "alice"}}); err != nil || n == 0 {
		t.Errorf("clear: %d, %v", n, err)
	}
	if !a.guess("alice", "192.0.2.1", guard.GuessRight) {
		t.Error("a still holds alice back after b was told to clear")
	}
	for range 9 {
		a.guess("alice", "192.0.2.1", guard.GuessWrong)
	}
	if !b.guess("alice", "192.0.2.1", guard.GuessRight) || !a.guess("alice", "192.0.2.1", guard.GuessWrong) {
		t.Error("a right password at b does not clear what a has counted")
	}
}

// TestK86_KnownSource: a source that one daemon knows is known to the other, too. Strangers use up the limit of all other
// sources, and not that of this one.
func TestK86_KnownSource(t *testing.T) { onEachStore(t, testKnownSource) }

func testKnownSource(t *testing.T, m *server) {
	duo := newDuo()
	a, b := start(t, "a", m.addr, duo), start(t, "b", m.addr, duo)
	if err := a.cluster.Stores().Guard.Know(t.Context(), guard.Guess{Person: "alice", Source: "198.51.100.7"}); err != nil {
		t.Fatal(err)
	}
	for range 11 {
		b.guess("alice", "192.0.2.66", guard.GuessWrong)
	}
	if b.guess("alice", "192.0.2.66", guard.GuessRight) {
		t.Error("a stranger has more guesses than the budget")
	}
	if !b.guess("alice", "198.51.100.7", guard.GuessRight) {
		t.Error("the stranger locks alice out at home")
	}
}

// TestK44_MergedUpwards: what a daemon counted alone while the store was down is added to the store afterwards. The outage
// began with the count that all had before.
func TestK44_MergedUpwards(t *testing.T) { onEachStore(t, testMergedUpwards) }

func testMergedUpwards(t *testing.T, m *server) {
	duo := newDuo()
	quickly := func(c *shared.Config) { c.Timeout = soonDown }
	a, b := start(t, "a", m.addr, duo, quickly), start(t, "b", m.addr, duo, quickly)
	for range 3 {
		a.guess("alice", "192.0.2.1", guard.GuessWrong)
		b.guess("alice", "192.0.2.1", guard.GuessWrong)
	}
	m.down()
	down := func(d *daemon) func() bool { return func() bool { return !d.cluster.Counters().Up } }
	eventually(t, "a notices", func() bool { a.guess("x", "192.0.2.9", guard.GuessWrong); return down(a)() })
	admitted := 0
	for range 10 {
		if a.guess("alice", "192.0.2.1", guard.GuessWrong) {
			admitted++
		}
	}
	if admitted > 5 {
		t.Errorf("%d guesses in the outage, after 6 before it", admitted)
	}
	m.up()
	eventually(t, "a is back", func() bool { return a.cluster.Counters().Up })
	eventually(t, "b is back", func() bool { return b.cluster.Counters().Up })
	if a.guess("alice", "192.0.2.1", guard.GuessWrong) {
		t.Error("a has a new budget after the outage")
	}
	if b.guess("alice", "192.0.2.1", guard.GuessWrong) {
		t.Error("b does not know of what a has counted in the outage")
	}
}

// TestK86_Pushes: after three pushes that were not approved, at any daemons, the phone rings at neither.
func TestK86_Pushes(t *testing.T) { onEachStore(t, testPushes) }

func testPushes(t *testing.T, m *server) {
	duo := newDuo()
	a, b := start(t, "a", m.addr, duo), start(t, "b", m.addr, duo)
	phone := policy.Phone{Duo: policy.Identity{Username: "alice"}, Person: "alice"}
	limits := guard.PushLimits{Pushes: 3, Window: time.Hour, Cooldown: time.Hour}
	for i, d := range []*daemon{a, b, a} {
		if hold, err := b.cluster.Stores().Guard.CoolingDown(t.Context(), phone); hold != "" || err != nil {
			t.Fatalf("after %d pushes: %q, %v", i, hold, err)
		}
		if err := d.cluster.Stores().Guard.PushEnded(t.Context(), phone, guard.PushEnd{Status: "timeout", Took: time.Minute}, limits); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []*daemon{a, b} {
		if hold, err := d.cluster.Stores().Guard.CoolingDown(t.Context(), phone); hold != guard.HoldUnanswered || err != nil {
			t.Errorf("%s: %q, %v", d.name, hold, err)
		}
	}
	b.cluster.Stores().Guard.Clear(t.Context(), policy.GuardClear{Person: "alice", Duo: phone.Duo})
	if hold, _ := a.cluster.Stores().Guard.CoolingDown(t.Context(), phone); hold != "" {
		t.Errorf("after clear: %q", hold)
	}
}
