package shared_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/factor"
	"duoradiusd/policy/shared"
)

// place is where a sealed value is in the store, and what a daemon does if it believes the value.
type place struct {
	kind       string
	key, field string // field is "" if the value is a whole key
	good       string
	believed   func(*daemon) bool
}

func (p *place) put(m *server, value string) {
	m.t.Helper()
	if p.field == "" {
		m.do("SET", p.key, value, "PX", "60000")
		return
	}
	m.hset(p.key, p.field, value)
}

// sealedValues makes d store a user's values, and returns all of them. reader does not have them in its memory.
func sealedValues(t *testing.T, m *server, d, reader *daemon, user string) (list []*place) {
	t.Helper()
	ctx, stores := t.Context(), d.cluster.Stores()
	before := make(map[string]bool)
	for _, key := range m.keys("") {
		before[key] = true
	}
	phone := policy.Phone{Duo: policy.Identity{Username: user}, Person: user}
	key := policy.JoinKey{Client: "vpn", User: user, Duo: phone.Duo, IP: home}
	tx, claim, err := stores.Transactions.Claim(ctx, policy.NewTransaction{LoginBegan: time.Now(), Key: key,
		Transaction: policy.Transaction{Phone: phone, Factor: factor.Push, Name: user}})
	if err != nil || claim != policy.ClaimOwned {
		t.Fatal(claim, err)
	}
	if err := stores.Approvals.Add(ctx, keyOf(user), factor.Push, time.Hour); err != nil {
		t.Fatal(err)
	}
	state, err := stores.Challenges.Put(ctx, challenge(user))
	if err != nil {
		t.Fatal(err)
	}
	request := policy.RequestDigest{user[0]}
	if err := stores.Replays.Mark(ctx, request, tx.ID); err != nil {
		t.Fatal(err)
	}
	remembered := func(d *daemon) bool {
		ok, _ := d.cluster.Stores().Approvals.Use(ctx, keyOf(user), pushesCount)
		return ok
	}
	rings := func(phone policy.Phone) func(*daemon) bool {
		return func(d *daemon) bool {
			ok, _ := d.cluster.Stores().Transactions.Rings(ctx, phone, time.Now())
			return ok
		}
	}
	nobody := policy.Phone{Duo: policy.Identity{Username: "nobody"}, Person: "nobody"}
	believed := map[string]func(*daemon) bool{
		"join": func(d *daemon) bool {
			_, ok, _ := d.cluster.Stores().Transactions.Find(ctx, key, time.Now())
			return ok
		},
		"transaction": func(d *daemon) bool {
			_, ok, _ := d.cluster.Stores().Transactions.Get(ctx, tx.ID)
			return ok
		},
		"challenge": func(d *daemon) bool {
			c, _ := d.cluster.Stores().Challenges.Take(ctx, state, "vpn", user)
			return c != nil
		},
		"request": func(d *daemon) bool {
			_, ok, _ := d.cluster.Stores().Replays.Seen(ctx, request)
			return ok
		},
		"approvals": remembered,
	}
	for _, key := range m.keys("") {
		kind := strings.Split(key, ":")[1]
		p := &place{kind: kind, key: key, believed: believed[kind]}
		switch {
		case before[key]:
			continue
		case kind == "ring": // by Duo user or by person: which one shows when it is gone
			p.good = m.value(key)
			m.do("DEL", key)
			if p.believed = rings(policy.Phone{Duo: phone.Duo, Person: nobody.Person}); p.believed(reader) {
				p.believed = rings(policy.Phone{Duo: nobody.Duo, Person: phone.Person})
			}
			p.put(m, p.good)
		case kind == "transaction":
			p.field, p.good = "v", m.hget(key, "v")
		case kind == "approvals":
			all, _ := m.do("HGETALL", key).AsStrMap()
			for field, value := range all {
				list = append(list, &place{kind, key, field, value, remembered})
			}
			continue
		case p.believed == nil: // not sealed: a lease, counts of the guard
			continue
		default:
			p.good = m.value(key)
		}
		list = append(list, p)
	}
	kinds := make(map[string]int)
	for _, p := range list {
		kinds[p.kind]++
	}
	if want := map[string]int{"join": 1, "ring": 2, "transaction": 1, "challenge": 1, "request": 1, "approvals": 2}; !maps.Equal(kinds, want) {
		t.Fatalf("sealed values %v; want %v", kinds, want)
	}
	return list
}

// mustBelieve checks that the values are believed if they are not changed, so that a test can fail.
func mustBelieve(t *testing.T, m *server, list []*place, d *daemon) {
	t.Helper()
	for _, p := range list {
		if p.put(m, p.good); !p.believed(d) {
			t.Errorf("%s %s: the good value is not believed: this test proves nothing", p.kind, p.field)
		}
	}
}

// TestK84_EveryValue: no kind of value is believed if one bit was changed, if it was cut off or made up, or if it was
// sealed for another key.
func TestK84_EveryValue(t *testing.T) { onEachStore(t, testEveryValue) }

func testEveryValue(t *testing.T, m *server) {
	duo := newDuo()
	a, b := start(t, "a", m.addr, duo), start(t, "b", m.addr, duo)
	alice, mallory := sealedValues(t, m, a, b, "alice"), sealedValues(t, m, a, b, "mallory")
	a.stop() // otherwise it would write its own values again
	for _, p := range alice {
		forged := []string{"", "\x01", strings.Repeat("\x00", 200), strings.Repeat("A", 200)}
		for i := range p.good {
			bad := []byte(p.good)
			bad[i] ^= 1 << (i % 8)
			forged = append(forged, string(bad), p.good[:i])
		}
		for i, value := range append(forged, p.good+"A") {
			if p.put(m, value); p.believed(b) {
				t.Errorf("%s %s: forged value %d is believed", p.kind, p.field, i)
			}
		}
		p.put(m, p.good)
	}
	all := slices.Concat(alice, mallory)
	for _, from := range all {
		for _, to := range all {
			if from == to {
				continue
			}
			if to.put(m, from.good); to.believed(b) {
				t.Errorf("the %s %s of one key is believed as the %s %s of another", from.kind, from.field, to.kind, to.field)
			}
			to.put(m, to.good)
		}
	}
	mustBelieve(t, m, all, b)
}

// TestK84_OldValues: an expired value that is put back is not believed, whatever expiry its key gets.
func TestK84_OldValues(t *testing.T) {
	m, duo := mini(t), newDuo()
	a, b := start(t, "a", m.addr, duo), start(t, "b", m.addr, duo)
	list := sealedValues(t, m, a, b, "alice")
	a.stop()
	mustBelieve(t, m, list, b)
	for _, late := range []struct {
		after time.Duration
		kinds string // values that have expired
	}{{100 * time.Second, "transaction challenge ring join"}, {2 * time.Hour, "transaction challenge ring join request approvals"}} {
		m.clock(time.Now().Add(late.after))
		c := start(t, "c", m.addr, duo, func(c *shared.Config) { c.Now = func() time.Time { return time.Now().Add(late.after) } })
		for _, p := range list {
			if p.put(m, p.good); p.believed(c) == strings.Contains(late.kinds, p.kind) {
				t.Errorf("%s %s after %v: believed %v", p.kind, p.field, late.after, p.believed(c))
			}
		}
	}
}

// TestK43_Repeated: the answer to a push is not given again, at any daemon, after one daemon has forgotten the approvals.
func TestK43_Repeated(t *testing.T) { onEachStore(t, testRepeated) }

func testRepeated(t *testing.T, m *server) {
	duo := newDuo()
	a, b, c := start(t, "a", m.addr, duo), start(t, "b", m.addr, duo), start(t, "c", m.addr, duo)
	for _, d := range []*daemon{a, b} { // without approvals
		d.client.Remember = 0
	}
	waiting := a.login("alice")
	eventually(t, "the phone rings", func() bool { return duo.rings() == 1 })
	duo.allows()
	wants(t, "a", waiting, policy.OutcomeAccept, policy.ReasonApproved)
	duo.again()
	if _, err := c.cluster.Stores().Approvals.Forget(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	duo.answer <- policy.AuthResult{Status: "deny"}
	wants(t, "a again", a.login("alice"), policy.OutcomeReject, policy.ReasonDenied)
	if n := duo.rings(); n != 2 {
		t.Errorf("the phone rang %d times; want 2", n)
	}
}

// TestK32_OldRecord: a push is over, and its old record is put back. At a daemon that knows of its end it does not answer a
// later login, and the phone rings again.
func TestK32_OldRecord(t *testing.T) { onEachStore(t, testOldRecord) }

func testOldRecord(t *testing.T, m *server) {
	duo := newDuo()
	a, b := start(t, "a", m.addr, duo), start(t, "b", m.addr, duo)
	waiting := []<-chan policy.Verdict{a.login("alice")}
	eventually(t, "the phone rings", func() bool { return duo.rings() == 1 })
	waiting = append(waiting, b.login("alice"))
	eventually(t, "b follows", func() bool { return b.memory.Counts().Transactions == 1 })
	tx := m.keys("transaction")[0]
	open, _ := m.do("HGETALL", tx).AsStrMap()
	pointers := make(map[string]string)
	for _, key := range slices.Concat(m.keys("join"), m.keys("ring")) {
		pointers[key] = m.value(key)
	}
	duo.allows()
	for _, v := range waiting {
		wants(t, "alice", v, policy.OutcomeAccept, policy.ReasonApproved)
	}
	duo.again()
	if _, err := b.cluster.Stores().Approvals.Forget(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end is published", func() bool { return len(m.keys("lease")) == 0 })
	duo.answer <- policy.AuthResult{Status: "deny"}
	for i, d := range []*daemon{a, b} {
		if _, err := a.cluster.Stores().Guard.Clear(t.Context(), policy.GuardClear{Person: "alice", Duo: policy.Identity{Username: "alice"}}); err != nil {
			t.Fatal(err) // of the earlier no
		}
		m.do("DEL", tx)
		for field, value := range open {
			m.hset(tx, field, value)
		}
		for key, value := range pointers {
			m.do("SET", key, value)
		}
		wants(t, d.name, d.login("alice"), policy.OutcomeReject, policy.ReasonDenied)
		if n := duo.rings(); n != 2+i {
			t.Errorf("the phone rang %d times; want %d", n, 2+i)
		}
	}
}
