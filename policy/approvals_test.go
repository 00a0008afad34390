package policy_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	. "duoradiusd/policy"
)

// again logs in once more and says whether Duo was asked.
func (w *world) again(want Reason, but ...func(*Attempt)) {
	w.Helper()
	w.answers(allows(0))
	v := w.login("pw", but...)
	if v.Outcome != OutcomeAccept || v.Reason != want {
		w.Errorf("got %s, want %s", line(v), want)
	}
	if v.Reason == ReasonRemembered && (v.Factor != "" || v.Txid != "" || v.Duo != 0) {
		w.Errorf("a remembered login says %s", line(v))
	}
	w.answers()
}

// TestRemembered: within its lifetime an approval answers without a call to Duo. The first factor is asked all the same.
func TestRemembered(t *testing.T) {
	inWorld(t, func(w *world) {
		w.client.Remember = time.Hour
		w.again(ReasonApproved)
		for range 4 { // the lifetime is absolute: use does not extend it
			time.Sleep(14 * time.Minute)
			w.again(ReasonRemembered)
		}
		w.wants(w.login("no"), "reject bad-password: Wrong user name or password.")
		time.Sleep(4*time.Minute - 1)
		w.again(ReasonRemembered)
		if preauths, auths := w.duo.counts(); preauths != 1 || auths != 1 {
			t.Errorf("%d preauths, %d auths", preauths, auths)
		}
		time.Sleep(time.Nanosecond)
		w.again(ReasonApproved)
		time.Sleep(30 * time.Minute)
		w.again(ReasonRemembered)
		if len(w.ldap.asked) != 9 {
			t.Errorf("the first factor was asked %d times", len(w.ldap.asked))
		}
	})
}

func TestRememberIdleAndUses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		idle  time.Duration
		uses  int
		pause time.Duration
		want  string // of each login after the first
	}{
		{"no limits", 0, 0, time.Minute, "rrrrrrrr"},
		{"idle, used in time", 10 * time.Minute, 0, 10*time.Minute - 1, "rrrrrra"}, // then its hour is over
		{"idle", 10 * time.Minute, 0, 10 * time.Minute, "aaa"},
		{"one use", 0, 1, time.Minute, "rararara"},
		{"three uses", 0, 3, time.Minute, "rrrarrra"},
		{"both", 2 * time.Minute, 2, time.Minute, "rrarra"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.client.Remember = time.Hour
				w.settings.Idle, w.settings.Uses = tt.idle, tt.uses
				w.load()
				w.again(ReasonApproved)
				got := ""
				for range tt.want {
					time.Sleep(tt.pause)
					w.answers(allows(0))
					got += string(w.login("pw").Reason[0])
					w.answers()
				}
				if got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
			})
		})
	}
}

// TestBinding: what an approval is bound to. After an approval at the VPN from home, each of these logins is a first one.
func TestBinding(t *testing.T) {
	for _, tt := range []struct {
		bind                          []Binding
		service, client, ip, anywhere Reason // where this login alone, or all three, differ
	}{
		{nil, ReasonRemembered, ReasonRemembered, ReasonRemembered, ReasonRemembered},
		{[]Binding{BindService}, ReasonApproved, ReasonRemembered, ReasonRemembered, ReasonApproved},
		{[]Binding{BindClient}, ReasonRemembered, ReasonApproved, ReasonRemembered, ReasonApproved},
		{[]Binding{BindUserIP}, ReasonRemembered, ReasonRemembered, ReasonApproved, ReasonApproved},
		{[]Binding{BindService, BindUserIP}, ReasonApproved, ReasonRemembered, ReasonApproved, ReasonApproved},
		{[]Binding{BindService, BindClient, BindUserIP}, ReasonApproved, ReasonApproved, ReasonApproved, ReasonApproved},
	} {
		for i, want := range []Reason{tt.service, tt.client, tt.ip, tt.anywhere} {
			t.Run(fmt.Sprint(tt.bind, i), func(t *testing.T) {
				inWorld(t, func(w *world) {
					w.client.Remember = time.Hour
					w.settings.BindTo = tt.bind
					w.load()
					w.again(ReasonApproved)
					w.again(ReasonRemembered)
					but := [][]func(*Attempt){
						{through(w.at("vpn", "mail"))},
						{through(w.at("lab", "vpn"))},
						{from(cafe)},
						{through(w.at("lab", "mail")), from(cafe)},
					}
					w.again(want, but[i]...)
					w.ldap.passwords["bob"] = "pw"
					w.again(ReasonApproved, as("bob"))
				})
			})
		}
	}
}

// TestNotRemembered: what makes no approval and uses none.
func TestNotRemembered(t *testing.T) {
	for _, tt := range []struct {
		name string
		but  func(*Attempt)
	}{
		{"no user IP", from(nowIP)},
		{"not authentic", unsigned},
	} {
		for _, bind := range [][]Binding{nil, {BindService}, {BindService, BindUserIP}} {
			t.Run(fmt.Sprint(tt.name, bind), func(t *testing.T) {
				inWorld(t, func(w *world) {
					w.client.Remember, w.settings.BindTo = time.Hour, bind
					w.load()
					w.again(ReasonApproved, tt.but)
					w.again(ReasonApproved, tt.but)
					w.again(ReasonApproved)
					w.again(ReasonRemembered)
					w.again(ReasonApproved, tt.but)
				})
			})
		}
	}
}

// TestNoApproval: bypass, exempt and fail-open make no approval. TestPreauth, TestAuth and TestFailmode test the others.
func TestNoApproval(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(w *world)
		want Reason
	}{
		{"exempt", func(w *world) { w.settings.Unlisted = UnlistedFirstFactor }, ReasonExempt},
		{"fail-open", func(w *world) { w.client.Failmode, w.duo.preErr = FailmodeSafe, errDown }, ReasonFailedOpen},
		{"bypass", func(w *world) { w.duo.pre.Result = PreauthAllow }, ReasonBypass},
	} {
		inWorld(t, func(w *world) {
			w.client.Remember = time.Hour
			tt.set(w)
			w.load()
			if v := w.login("pw"); v.Reason != tt.want {
				t.Errorf("%s: %s", tt.name, line(v))
			}
			if n := w.process.Counts().Approvals; n != 0 {
				t.Errorf("%s: %d approvals", tt.name, n)
			}
		})
	}
}

// TestIdentityChanged: one Duo user gave the approval. A user who is mapped to another Duo user later must ask that one.
func TestIdentityChanged(t *testing.T) {
	inWorld(t, func(w *world) {
		w.client.Remember = time.Hour
		w.settings.Users = []User{{Name: "alice", Duo: Identity{UserID: "DU1"}}}
		w.load()
		w.again(ReasonApproved)
		w.again(ReasonRemembered)
		w.settings.Users = []User{{Name: "alice", Duo: Identity{UserID: "DU2"}}}
		w.load()
		w.again(ReasonApproved)
		w.settings.Users = nil
		w.load()
		w.again(ReasonApproved)
	})
}

// TestReloadedLifetime: an approval ends when the configuration of today says so, and never later than it was given for.
func TestReloadedLifetime(t *testing.T) {
	inWorld(t, func(w *world) {
		w.client.Remember = time.Hour
		w.again(ReasonApproved)
		time.Sleep(20 * time.Minute)
		w.client.Remember = 20*time.Minute + 1
		w.again(ReasonRemembered)
		w.client.Remember = 20 * time.Minute
		w.again(ReasonApproved)
		w.client.Remember = 10 * time.Hour
		time.Sleep(20 * time.Minute)
		w.again(ReasonApproved)
		w.client.Remember = 0
		w.again(ReasonApproved)
		w.client.Remember = time.Hour
		w.again(ReasonRemembered) // of the one before
		w.settings.Idle, w.settings.Uses = time.Hour, 1
		w.load()
		w.again(ReasonApproved) // used once already
	})
}

// TestTypedCodes: a passcode is always checked, even if an approval is remembered, and a wrong one removes no approval.
func TestTypedCodes(t *testing.T) {
	inWorld(t, func(w *world) {
		w.client.Remember = time.Hour
		w.again(ReasonApproved)
		w.answers(wrong, allows(0))
		w.wants(w.login("pw,123456"), "reject denied passcode: Incorrect passcode. Please try again.")
		w.wants(w.login("pw,654321"), "accept approved passcode")
		w.wants(w.login("pw,push"), "accept remembered")
		time.Sleep(time.Hour - 1)
		w.again(ReasonRemembered)
	})
}

// TestEntries: the table is bounded, and the entry that was unused longest is removed first.
func TestEntries(t *testing.T) {
	inWorld(t, func(w *world) {
		w.client.Remember = time.Hour
		w.process.Close()
		w.process = newProcess(3)

		w.load()
		addr := func(n byte) func(*Attempt) { return from(netip.AddrFrom4([4]byte{198, 51, 100, n})) }
		for n := range byte(3) {
			w.again(ReasonApproved, addr(n))
		}
		w.again(ReasonRemembered, addr(0))
		w.again(ReasonApproved, addr(3)) // removes entry 1
		w.again(ReasonRemembered, addr(0))
		w.again(ReasonRemembered, addr(2))
		w.again(ReasonApproved, addr(1))
		if n := w.process.Counts().Approvals; n != 3 {
			t.Errorf("%d approvals", n)
		}
	})
}
