package policy

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// shownOf is the list as people would tell it: user@service, and how often used.
func shownOf(list []Approval) string {
	var words []string
	for _, a := range list {
		words = append(words, fmt.Sprintf("%s@%s*%d", a.User, a.Service, a.Uses))
	}
	return strings.Join(words, " ")
}

// remembering returns Approvals with alice's at the VPN and at mail, and bob's, which ends first.
func remembering() *localApprovals {
	a := newLocalApprovals(10, new(atomic.Uint64))
	a.add(ApprovalKey{User: "alice", Duo: Identity{UserID: "DU1"}, Service: "vpn", Client: "fw", IP: home}, FactorPush, time.Now(), time.Hour)
	a.add(ApprovalKey{User: "bob", Duo: Identity{Username: "bob"}, Service: "vpn"}, FactorPush, time.Now(), time.Minute)
	a.add(ApprovalKey{User: "alice", Duo: Identity{UserID: "DU1"}, Service: "mail"}, FactorPush, time.Now(), time.Hour)
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

		// Looking at it is no use of it.
		start := time.Now()
		time.Sleep(time.Minute - 1)
		wants("alice@mail*0 bob@vpn*0 alice@vpn*0", "", 0)
		a.UseAtOnce(ApprovalKey{User: "alice", Duo: Identity{UserID: "DU1"}, Service: "vpn", Client: "fw", IP: home}, time.Now(), ApprovalLimits{Lifetime: time.Hour, Factors: allFactors})
		wants("alice@vpn*1 alice@mail*0 bob@vpn*0", "", 0)
		time.Sleep(time.Nanosecond) // bob's has passed
		wants("alice@vpn*1 alice@mail*0", "", 0)
		wants("", "bob", 0)

		got := listOf(t, a, "alice", 1)[0]
		want := Approval{User: "alice", DuoUserID: "DU1", Service: "vpn", Client: "fw", Factor: FactorPush, UserIP: home, ApprovedAt: start.UTC(),
			EndsAt: start.UTC().Add(time.Hour), LastUsedAt: start.UTC().Add(time.Minute - 1), Uses: 1}
		if got != want {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	})
}

// TestApprovalJSON: the names that programs know, and none for what an approval is not bound to.
func TestApprovalJSON(t *testing.T) {
	at := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		a    Approval
		want string
	}{
		{Approval{User: "jo", DuoUserID: "DU1", Service: "vpn", Client: "fw", UserIP: netip.MustParseAddr("2001:db8::7"),
			ApprovedAt: at, EndsAt: at.Add(time.Hour), LastUsedAt: at.Add(time.Minute), Uses: 3},
			`{"user":"jo","duo_user_id":"DU1","service":"vpn","client":"fw","user_ip":"2001:db8::7","approved_at":"2026-03-01T08:00:00Z",` +
				`"ends_at":"2026-03-01T09:00:00Z","last_used_at":"2026-03-01T08:01:00Z","uses":3}`},
		{Approval{User: "jo", DuoUsername: "jo", ApprovedAt: at, EndsAt: at.Add(time.Hour)},
			`{"user":"jo","duo_username":"jo","approved_at":"2026-03-01T08:00:00Z","ends_at":"2026-03-01T09:00:00Z","uses":0}`},
	} {
		if got, err := json.Marshal(tt.a); err != nil || string(got) != tt.want {
			t.Errorf("got  %s %v\nwant %s", got, err, tt.want)
		}
	}
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

		// What has passed goes without being counted.
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

// TestForgottenIsAsked: the next login is asked again, and so remembered anew.
func TestForgottenIsAsked(t *testing.T) {
	inWorld(t, func(w *world) {
		w.client.Remember = time.Hour
		w.again(ReasonApproved)
		w.again(ReasonRemembered)
		if n := forgotten(w, w.memory.Approvals, "alice"); n != 1 {
			t.Errorf("forgot %d", n)
		}
		w.again(ReasonApproved)
		w.again(ReasonRemembered)
	})
}

// TestPolicyCanonical: the name that approvals are kept under, whichever is given.
func TestPolicyCanonical(t *testing.T) {
	p := New(Settings{Names: Names{StripDomain: []string{`EXAMPLE\`}}, Users: []User{{Name: "alice", Aliases: []string{"asmith"}}}}, NewMemory(1))
	for name, want := range map[string]string{
		"alice": "alice", "ALICE": "alice", "asmith": "alice", `example\ASmith`: "alice", "Bob": "bob", "a\x00b": "-", "": "-",
	} {
		got, ok := p.Canonical(name)
		if !ok {
			got = "-"
		}
		if got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

// TestApprovalsListMany: what comes and goes meanwhile is no harm, and each is listed once at most.
func TestApprovalsListMany(t *testing.T) {
	const users = 5 * listedAtOnce / 2
	a := newLocalApprovals(users, new(atomic.Uint64))
	key := func(i int) ApprovalKey { return ApprovalKey{User: fmt.Sprint(i)} }
	for i := range users {
		a.add(key(i), FactorPush, time.Now(), time.Hour)
	}
	if got := len(listOf(t, a, "", 0)); got != users {
		t.Errorf("%d listed of %d", got, users)
	}
	var busy sync.WaitGroup
	busy.Go(func() {
		for i := range users {
			a.UseAtOnce(key(i), time.Now(), ApprovalLimits{Lifetime: time.Hour, Factors: allFactors})
			forgotten(t, a, fmt.Sprint(users-1-i/2*2))
		}
	})
	for range 10 {
		list := listOf(t, a, "", 0)
		slices.SortFunc(list, func(a, b Approval) int { return strings.Compare(a.User, b.User) })
		if n := len(slices.CompactFunc(list, func(a, b Approval) bool { return a.User == b.User })); n != len(list) {
			t.Errorf("%d of %d are listed twice", len(list)-n, len(list))
		}
	}
	busy.Wait()
}
