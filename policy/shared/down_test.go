package shared_test

import (
	"strings"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/guard"
	"duoradiusd/policy/shared"
)

// soonDown is the timeout of daemons whose store is down on purpose, so that they notice an outage of a few seconds.
const soonDown = 500 * time.Millisecond

// outage makes a store unavailable, and returns when d has noticed.
func outage(t *testing.T, m *server, daemons ...*daemon) {
	t.Helper()
	m.down()
	for _, d := range daemons {
		eventually(t, d.name+" notices", func() bool {
			d.guess("who-notices", "192.0.2.99", guard.GuessNotAsked)
			return !d.cluster.Counters().Up
		})
	}
}

func back(t *testing.T, m *server, daemons ...*daemon) {
	t.Helper()
	m.up()
	for _, d := range daemons {
		eventually(t, d.name+" has the store again", func() bool { return d.cluster.Counters().Up })
	}
}

// lines counts the lines of a daemon's log that hold a text.
func (d *daemon) lines(phrase string) (n int) {
	d.log.mu.Lock()
	defer d.log.mu.Unlock()
	for line := range strings.Lines(d.log.String()) {
		if strings.Contains(line, phrase) {
			n++
		}
	}
	return n
}

// TestK42_Reject: with when_down = "reject", no login that needs an approval, a push, a passcode or a challenge gets in
// while the store is down, and no phone rings. A login that needs none of these gets in.
func TestK42_Reject(t *testing.T) { onEachStore(t, testReject) }

func testReject(t *testing.T, m *server) {
	duo := newDuo()
	a := start(t, "a", m.addr, duo, func(c *shared.Config) { c.WhenDown, c.Timeout = shared.WhenDownReject, soonDown })
	a.policy = policy.New(policy.Settings{BindTo: []policy.Binding{policy.BindService, policy.BindUserIP},
		Rules: []policy.Rule{{Name: "monitor", Users: []string{"monitor"}, Need: policy.NeedExempt}}}, a.runtime)
	approve(t, a, duo, "alice")
	wants(t, "alice before", a.login("alice"), policy.OutcomeAccept, policy.ReasonRemembered)
	state, err := a.cluster.Stores().Challenges.Put(t.Context(), challenge("alice"))
	if err != nil {
		t.Fatal(err)
	}
	outage(t, m, a)
	rang := duo.rings()
	wants(t, "an approval", a.login("alice"), policy.OutcomeReject, policy.ReasonStoreUnavailable)
	wants(t, "a push", a.login("bob"), policy.OutcomeReject, policy.ReasonStoreUnavailable)
	wants(t, "a code", a.login("bob", func(a *policy.Attempt) { a.Password = "123456" }), policy.OutcomeReject, policy.ReasonStoreUnavailable)
	wants(t, "a challenge", a.login("alice", func(a *policy.Attempt) { a.State = state }), policy.OutcomeReject, policy.ReasonStoreUnavailable)
	wants(t, "an exempt one", a.login("monitor"), policy.OutcomeAccept, policy.ReasonExempt)
	if n := duo.rings(); n != rang {
		t.Errorf("%d phones rang", n-rang)
	}
	back(t, m, a)
	wants(t, "alice afterwards", a.login("alice"), policy.OutcomeAccept, policy.ReasonRemembered)
	approve(t, a, duo, "bob")
	if down, up := a.lines("can't be asked: logins that need a second factor are rejected"), a.lines("the store answers"); down != 1 || up != 2 {
		t.Errorf("%d lines on the outage and %d on its ends; want 1 and 2:\n%s", down, up, a.log.String())
	}
}

// TestK41_Alone: with when_down = "alone", approvals from before an outage don't count during it. Approvals of the outage
// count at their own daemon until its end and are not published. Each change has one line in the log.
func TestK41_Alone(t *testing.T) { onEachStore(t, testAlone) }

func testAlone(t *testing.T, m *server) {
	duo := newDuo()
	quickly := func(c *shared.Config) { c.Timeout = soonDown }
	a, b := start(t, "a", m.addr, duo, quickly), start(t, "b", m.addr, duo, quickly)
	approve(t, a, duo, "alice")
	outage(t, m, a, b)
	typed := func(a *policy.Attempt) { a.Password = "push" } // this is not a retry of the login before
	wants(t, "alice in the outage", a.login("alice", typed), policy.OutcomeAccept, policy.ReasonApproved)
	wants(t, "alice at b", b.login("alice"), policy.OutcomeAccept, policy.ReasonApproved)
	if n := duo.ringsOf("alice"); n != 3 {
		t.Errorf("alice's phone rang %d times; want once before, and once at each daemon", n)
	}
	wants(t, "alice again", a.login("alice"), policy.OutcomeAccept, policy.ReasonRemembered)
	wants(t, "bob in the outage", a.login("bob"), policy.OutcomeAccept, policy.ReasonApproved)
	wants(t, "bob again", a.login("bob"), policy.OutcomeAccept, policy.ReasonRemembered)
	back(t, m, a, b)
	wants(t, "alice afterwards", b.login("alice"), policy.OutcomeAccept, policy.ReasonRemembered) // the approval from before the outage
	for _, d := range []*daemon{a, b} {
		if ok, err := d.cluster.Stores().Approvals.Use(t.Context(), keyOf("bob"), pushesCount); ok || err != nil {
			t.Errorf("%s: bob's approval of the outage counts afterwards (%v)", d.name, err)
		}
	}
	outage(t, m, a)
	if ok, err := a.cluster.Stores().Approvals.Use(t.Context(), keyOf("bob"), pushesCount); ok || err != nil {
		t.Errorf("bob's approval of the first outage counts in the next one (%v)", err)
	}
	back(t, m, a)
	if down, up := a.lines("this daemon goes on alone"), a.lines("the store answers"); down != 2 || up != 3 {
		t.Errorf("%d lines on two outages and %d on their ends; want 2 and 3:\n%s", down, up, a.log.String())
	}
}

// TestK44_NeverLowered: a daemon that counted less during an outage does not lower the count in the store.
func TestK44_NeverLowered(t *testing.T) { onEachStore(t, testNeverLowered) }

func testNeverLowered(t *testing.T, m *server) {
	duo := newDuo()
	a := start(t, "a", m.addr, duo)
	for range 3 {
		a.guess("alice", "192.0.2.1", guard.GuessWrong)
	}
	outage(t, m, a)
	a.guess("alice", "192.0.2.1", guard.GuessWrong)
	m.up()
	b := start(t, "b", m.addr, duo) // meanwhile the other daemons go on counting
	for range 6 {
		if !b.guess("alice", "192.0.2.1", guard.GuessWrong) {
			t.Fatal("b admits less than is left")
		}
	}
	back(t, m, a)
	if !a.guess("alice", "192.0.2.1", guard.GuessWrong) { // at most nine, as far as the store knows: 3 and 6
		t.Error("the counts of a and of the store were added up")
	}
	for _, d := range []*daemon{a, b} {
		if d.guess("alice", "192.0.2.1", guard.GuessRight) {
			t.Errorf("%s admits the eleventh", d.name)
		}
	}
}

// TestK40_Budget: a login during an outage waits for two operations at most, and the next logins wait for none.
func TestK40_Budget(t *testing.T) { onEachStore(t, testBudget) }

func testBudget(t *testing.T, m *server) {
	duo := newDuo()
	a := start(t, "a", m.addr, duo, quickly)
	duo.allows()
	m.down()
	for i, user := range []string{"alice", "bob", "carol"} {
		most := 300 * time.Millisecond
		if i == 0 {
			most += 2 * 500 * time.Millisecond
		}
		began := time.Now()
		wants(t, user, a.login(user), policy.OutcomeAccept, policy.ReasonApproved)
		if took := time.Since(began); took > most {
			t.Errorf("%s waited %v; want %v at most", user, took, most)
		}
	}
	if c := a.cluster.Counters(); c.Up || c.Error == "" || c.Failures == 0 {
		t.Errorf("%+v", c)
	}
	m.up()
}
