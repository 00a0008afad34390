package shared_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/factor"
	"duoradiusd/policy/guard"
	"duoradiusd/policy/shared"
)

// TestK84_Forged: an attacker who can write to the store lets nobody in, whatever is cut, changed, swapped or put back
// there.
func TestK84_Forged(t *testing.T) { onEachStore(t, testForged) }

func testForged(t *testing.T, m *server) {
	duo := newDuo()
	a := start(t, "a", m.addr, duo)
	approve(t, a, duo, "alice")
	hash, field, good := approvalOf(t, m)
	remembered := func() bool {
		ok, err := a.cluster.Stores().Approvals.Use(t.Context(), keyOf("alice"), pushesCount)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if !remembered() {
		t.Fatal("alice's approval does not count: this test proves nothing")
	}
	for i := range good {
		bad := []byte(good)
		bad[i] ^= 1
		for _, forged := range []string{string(bad), good[:i]} {
			if m.hset(hash, field, forged); remembered() {
				t.Fatalf("a value that was changed or cut at octet %d counts", i)
			}
		}
	}
	m.hset(hash, field, good)
	before := m.hget(hash, "epoch")
	if _, err := a.cluster.Stores().Approvals.Forget(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	m.hset(hash, field, good)
	if remembered() {
		t.Error("an approval that was revoked counts after it was put back")
	}
	if m.hset(hash, "epoch", before); remembered() {
		t.Error("it counts with its old epoch put back too")
	}
	m.hset(hash, field, good)
	ok, _ := a.cluster.Stores().Approvals.Use(t.Context(), keyOf("bob"), pushesCount)
	if ok {
		t.Error("alice's approval counts for bob")
	}
}

// TestK84_Swapped: alice's approvals under bob's name do not count for bob.
func TestK84_Swapped(t *testing.T) { onEachStore(t, testSwapped) }

func testSwapped(t *testing.T, m *server) {
	duo := newDuo()
	a := start(t, "a", m.addr, duo)
	approve(t, a, duo, "alice")
	alice, field, value := approvalOf(t, m)
	epoch := m.hget(alice, "epoch")
	m.do("DEL", alice)
	approve(t, a, duo, "bob")
	bob, bobs, _ := approvalOf(t, m)
	if bob == alice || bobs == field {
		t.Fatal("alice and bob share a key")
	}
	m.hset(bob, "epoch", epoch)
	m.hset(bob, bobs, value)
	if ok, _ := a.cluster.Stores().Approvals.Use(t.Context(), keyOf("bob"), pushesCount); ok {
		t.Error("alice's approval counts for bob")
	}
}

// TestK31_NothingReadable: the store holds no readable name, address or State.
func TestK31_NothingReadable(t *testing.T) { onEachStore(t, testNothingReadable) }

func testNothingReadable(t *testing.T, m *server) {
	duo := newDuo()
	a := start(t, "a", m.addr, duo)
	approve(t, a, duo, "alice-in-wonderland")
	a.guess("alice-in-wonderland", home.String(), guard.GuessWrong)
	state, err := a.cluster.Stores().Challenges.Put(t.Context(), challenge("alice-in-wonderland"))
	if err != nil {
		t.Fatal(err)
	}
	var dump []byte
	for _, key := range m.keys("") {
		dump = append(append(dump, key...), m.value(key)...)
	}
	for _, word := range []string{"alice", "wonderland", home.String(), state, "vpn"} {
		if bytes.Contains(dump, []byte(word)) {
			t.Errorf("%q stands in the store", word)
		}
	}
}

// TestK43_Revoked: an approval that one daemon forgets counts at no daemon. If the store can't be told, Forget fails.
func TestK43_Revoked(t *testing.T) { onEachStore(t, testRevoked) }

func testRevoked(t *testing.T, m *server) {
	duo := newDuo()
	a, b := start(t, "a", m.addr, duo), start(t, "b", m.addr, duo)
	approve(t, a, duo, "alice")
	wants(t, "b", b.login("alice"), policy.OutcomeAccept, policy.ReasonRemembered)
	if n, err := b.cluster.Stores().Approvals.Forget(t.Context(), "alice"); n != 1 || err != nil {
		t.Errorf("forget: %d, %v", n, err)
	}
	if ok, _ := a.cluster.Stores().Approvals.Use(t.Context(), keyOf("alice"), pushesCount); ok {
		t.Error("a still remembers alice")
	}
	approve(t, a, duo, "alice")
	m.down()
	if _, err := a.cluster.Stores().Approvals.Forget(t.Context(), "alice"); err == nil {
		t.Error("forget while the store is down: no error")
	}
	if err := a.cluster.Stores().Approvals.ForgetPhone(t.Context(), policy.Phone{Duo: policy.Identity{Username: "alice"}, Person: "alice"}); err == nil {
		t.Error("fraud while the store is down: no error")
	}
	m.up()
	eventually(t, "a is back", func() bool { return a.cluster.Counters().Up })
	eventually(t, "fraud is told to the store", func() bool {
		ok, err := b.cluster.Stores().Approvals.Use(t.Context(), keyOf("alice"), pushesCount)
		return !ok && err == nil
	})
}

// TestK85_Challenge: a challenge is answered once, at any daemon, also if both are asked at the same moment, and only by
// the client and user that got it.
func TestK85_Challenge(t *testing.T) { onEachStore(t, testChallenge) }

func testChallenge(t *testing.T, m *server) {
	duo := newDuo()
	a, b := start(t, "a", m.addr, duo), start(t, "b", m.addr, duo)
	for range 20 {
		state, err := a.cluster.Stores().Challenges.Put(t.Context(), challenge("alice"))
		if err != nil {
			t.Fatal(err)
		}
		if c, _ := b.cluster.Stores().Challenges.Take(t.Context(), state, "vpn", "bob"); c != nil {
			t.Error("bob has alice's challenge")
		}
		var mu sync.Mutex
		var wg sync.WaitGroup
		got := 0
		for _, d := range []*daemon{a, b, a, b} {
			wg.Go(func() {
				c, err := d.cluster.Stores().Challenges.Take(t.Context(), state, "vpn", "alice")
				if mu.Lock(); err == nil && c != nil {
					got++
				}
				mu.Unlock()
			})
		}
		wg.Wait()
		if got != 1 {
			t.Errorf("%d answers were taken", got)
		}
	}
}

// TestK87_Versions: an approval of an unknown version does not count. If a phone may ring because of a push of such a
// version, no push is begun.
func TestK87_Versions(t *testing.T) { onEachStore(t, testVersions) }

func testVersions(t *testing.T, m *server) {
	duo := newDuo()
	a := start(t, "a", m.addr, duo)
	approve(t, a, duo, "alice")
	hash, field, good := approvalOf(t, m)
	m.hset(hash, field, "\x02"+good[1:])
	if ok, _ := a.cluster.Stores().Approvals.Use(t.Context(), keyOf("alice"), pushesCount); ok {
		t.Error("an approval of version 2 counts")
	}
	duo.again()
	for _, key := range m.keys("ring") {
		m.do("SET", key, "\x02a later version")
	}
	rang := duo.rings()
	wants(t, "a", a.login("alice", func(a *policy.Attempt) { a.UserIP = home.Next() }), policy.OutcomeReject, policy.ReasonPending)
	if duo.rings() != rang {
		t.Error("the phone rang")
	}
}

// TestKeyFile: the first key seals, and all keys open. The names in the store stay the same as long as the last key does.
func TestKeyFile(t *testing.T) {
	one, err := shared.NewKeyFile(nil)
	if err != nil {
		t.Fatal(err)
	}
	two, err := shared.NewKeyFile(one)
	if err != nil || !bytes.HasSuffix(two, one) || len(two) != 2*len(one) {
		t.Fatalf("rotated: %d octets, %v", len(two), err)
	}
	m, duo := mini(t), newDuo()
	before := start(t, "before", m.addr, duo, func(c *shared.Config) { c.Keys = keys(t, one) })
	approve(t, before, duo, "alice")
	after := start(t, "after", m.addr, duo, func(c *shared.Config) { c.Keys = keys(t, two) })
	wants(t, "after", after.login("alice"), policy.OutcomeAccept, policy.ReasonRemembered)
	duo.again()
	rang := duo.rings()
	open := after.login("bob")
	eventually(t, "bob's phone rings", func() bool { return duo.rings() == rang+1 })
	wants(t, "before", before.login("bob"), policy.OutcomeReject, policy.ReasonPending) // it can't read which push rings, and begins none
	duo.allows()
	wants(t, "after", open, policy.OutcomeAccept, policy.ReasonApproved)
	if n := duo.rings(); n != rang+1 {
		t.Errorf("bob's phone rang %d times", n-rang)
	}
	for _, bad := range []string{"", "# nothing\n", "a1:AAAA\n", "no colon", ":" + strings.Repeat("A", 43) + "=", string(one) + string(one)} {
		if _, err := shared.ParseKeys([]byte(bad)); err == nil || strings.Contains(err.Error(), "AAAA") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func challenge(user string) *policy.OpenChallenge {
	return &policy.OpenChallenge{Client: "vpn", User: user, Ends: time.Now().Add(time.Minute)}
}

func keyOf(user string) policy.ApprovalKey {
	return policy.ApprovalKey{User: user, Duo: policy.Identity{Username: user}, Application: "DI", Service: "vpn", IP: home}
}

// approve has Duo allow a login.
func approve(t *testing.T, d *daemon, duo *fakeDuo, user string) {
	t.Helper()
	if len(duo.answer) == 0 {
		duo.allows()
	}
	wants(t, d.name, d.login(user), policy.OutcomeAccept, policy.ReasonApproved)
}

// approvalOf returns the place of the only approval.
func approvalOf(t *testing.T, m *server) (hash, field, value string) {
	t.Helper()
	for _, key := range m.keys("approvals") {
		all, _ := m.do("HGETALL", key).AsStrMap()
		for f, v := range all {
			if f != "epoch" && f != "revoked" {
				return key, f, v
			}
		}
	}
	t.Fatal("no approval in the store")
	return "", "", ""
}

// pushesCount makes approvals by push count for an hour.
var pushesCount = policy.ApprovalLimits{Lifetime: time.Hour, Factors: []factor.Factor{factor.Push}}
