package memory

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/factor"
)

// shownOf returns the list in the form user@service, with the number of uses.
func shownOf(list []policy.Approval) string {
	var words []string
	for _, a := range list {
		words = append(words, fmt.Sprintf("%s@%s*%d", a.User, a.Service, a.Uses))
	}
	return strings.Join(words, " ")
}

// remembering returns Approvals with alice's at the VPN and at mail, and with bob's, which ends first.
func remembering() *approvals {
	a := newApprovals(10, new(atomic.Uint64), new(atomic.Uint64))
	a.add(policy.ApprovalKey{User: "alice", Duo: policy.Identity{UserID: "DU1"}, Service: "vpn", Client: "fw", IP: home}, factor.Push, time.Now(), time.Hour)
	a.add(policy.ApprovalKey{User: "bob", Duo: policy.Identity{Username: "bob"}, Service: "vpn"}, factor.Push, time.Now(), time.Minute)
	a.add(policy.ApprovalKey{User: "alice", Duo: policy.Identity{UserID: "DU1"}, Service: "mail"}, factor.Push, time.Now(), time.Hour)
	return a
}

func TestApprovalsList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := remembering()
		wants := func(want, user string, most int) {
			t.Helper()
			if got := shownOf(listOf(t, a, user, most)); got != want {
				t.Errorf("%q, at most %d: %s, want %s", user, most, got, want)
			}
		}
		wants("alice@mail*0 bob@vpn*0 alice@vpn*0", "", 0)
		wants("alice@mail*0 bob@vpn*0", "", 2)
		wants("alice@mail*0 alice@vpn*0", "alice", 0)
		wants("alice@mail*0", "alice", 1)
		wants("", "carol", 0)

		// Listing an approval does not count as a use.
		start := time.Now()
		time.Sleep(time.Minute - 1)
		wants("alice@mail*0 bob@vpn*0 alice@vpn*0", "", 0)
		a.UseAtOnce(policy.ApprovalKey{User: "alice", Duo: policy.Identity{UserID: "DU1"}, Service: "vpn", Client: "fw", IP: home}, time.Now(), policy.ApprovalLimits{Lifetime: time.Hour, Factors: allFactors})
		wants("alice@vpn*1 alice@mail*0 bob@vpn*0", "", 0)
		time.Sleep(time.Nanosecond) // bob's has passed
		wants("alice@vpn*1 alice@mail*0", "", 0)
		wants("", "bob", 0)

		got := listOf(t, a, "alice", 1)[0]
		want := policy.Approval{User: "alice", DuoUserID: "DU1", Service: "vpn", Client: "fw", Factor: factor.Push, UserIP: home, ApprovedAt: start.UTC(),
			EndsAt: start.UTC().Add(time.Hour), LastUsedAt: start.UTC().Add(time.Minute - 1), Uses: 1}
		if got != want {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	})
}

func TestApprovalsForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := remembering()
		if n := forgotten(t, a, "carol"); n != 0 || a.len() != 3 {
			t.Errorf("forgot %d, kept %d", n, a.len())
		}
		if n := forgotten(t, a, "alice"); n != 2 || shownOf(listOf(t, a, "", 0)) != "bob@vpn*0" {
			t.Errorf("forgot %d, kept %s", n, shownOf(listOf(t, a, "", 0)))
		}
		if n := forgotten(t, a, "alice"); n != 0 {
			t.Errorf("forgot %d again", n)
		}

		// Approvals that have ended are removed and not counted.
		a = remembering()
		time.Sleep(time.Minute)
		if n := forgotten(t, a, "bob"); n != 0 || a.len() != 2 {
			t.Errorf("forgot %d, kept %d", n, a.len())
		}
		if n := forgottenAll(t, a); n != 2 || a.len() != 0 {
			t.Errorf("forgot %d, kept %d", n, a.len())
		}
		if n := forgottenAll(t, a); n != 0 {
			t.Errorf("forgot %d of nothing", n)
		}
	})
}

// TestApprovalsListMany: changes during the listing do no harm, and each approval is listed once at most.
func TestApprovalsListMany(t *testing.T) {
	const users = 10 * atOnce / 2
	a := newApprovals(users, new(atomic.Uint64), new(atomic.Uint64))
	key := func(i int) policy.ApprovalKey { return policy.ApprovalKey{User: fmt.Sprint(i)} }
	for i := range users {
		a.add(key(i), factor.Push, time.Now(), time.Hour)
	}
	if got := len(listOf(t, a, "", 0)); got != users {
		t.Errorf("%d listed of %d", got, users)
	}
	var busy sync.WaitGroup
	busy.Go(func() {
		for i := range users {
			a.UseAtOnce(key(i), time.Now(), policy.ApprovalLimits{Lifetime: time.Hour, Factors: allFactors})
			forgotten(t, a, fmt.Sprint(users-1-i/2*2))
		}
	})
	for range 10 {
		list := listOf(t, a, "", 0)
		slices.SortFunc(list, func(a, b policy.Approval) int { return strings.Compare(a.User, b.User) })
		if n := len(slices.CompactFunc(list, func(a, b policy.Approval) bool { return a.User == b.User })); n != len(list) {
			t.Errorf("%d of %d are listed twice", len(list)-n, len(list))
		}
	}
	busy.Wait()
}

// TestPassed: an approval ends when the first of the two clocks says so.
func TestPassed(t *testing.T) {
	now := time.Now()
	slept := now.Round(0).Add(time.Hour) // the machine was suspended: only the wall clock went on
	for _, tt := range []struct {
		at, now time.Time
		limit   time.Duration
		want    bool
	}{
		{now, now, time.Minute, false},
		{now, now.Add(time.Minute - 1), time.Minute, false},
		{now, now.Add(time.Minute), time.Minute, true},
		{now, slept, time.Minute, true},
		{now, now.Round(0).Add(-time.Hour), time.Minute, false},
		{now, now, 0, true},
	} {
		if got := passed(tt.at, tt.now, tt.limit); got != tt.want {
			t.Errorf("passed(%v, %v, %v) is %v", tt.at, tt.now, tt.limit, got)
		}
	}
}

func TestApprovalsResize(t *testing.T) {
	a := newApprovals(3, new(atomic.Uint64), new(atomic.Uint64))
	now := time.Now()
	key := func(user string) policy.ApprovalKey { return policy.ApprovalKey{User: user} }
	for _, user := range []string{"a", "b", "c"} {
		a.add(key(user), factor.Push, now, time.Hour)
	}
	a.resize(2)
	if a.UseAtOnce(key("a"), now, policy.ApprovalLimits{Lifetime: time.Hour, Factors: allFactors}) || !a.UseAtOnce(key("b"), now, policy.ApprovalLimits{Lifetime: time.Hour, Factors: allFactors}) || a.len() != 2 {
		t.Errorf("%d kept, want the two newest", a.len())
	}
}

// TestNoEntries: a limit of zero must not mean that there is no limit.
func TestNoEntries(t *testing.T) {
	for _, entries := range []int{0, -1} {
		m := New(entries)
		m.approvals.add(policy.ApprovalKey{User: "a"}, factor.Push, time.Now(), time.Hour)
		m.approvals.add(policy.ApprovalKey{User: "b"}, factor.Push, time.Now(), time.Hour)
		if n := m.approvals.len(); n != 1 {
			t.Errorf("New(%d) keeps %d approvals", entries, n)
		}
	}
}
