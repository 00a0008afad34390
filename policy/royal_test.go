package policy_test

import (
	"testing"
	"time"

	. "duoradiusd/policy"
)

// The tests of this file check what users of Royal Server rely on: a list of users, each with services and with the time
// that an approval lasts.

// TestRoyalServices: a user is listed for one service and not for another. The user is asked at the first service. At the
// other, the first factor is enough, or the login is rejected.
func TestRoyalServices(t *testing.T) {
	for _, tt := range []struct {
		elsewhere ElsewhereMode
		want      string
	}{
		{"", "accept exempt"},
		{ElsewhereFirstFactor, "accept exempt"},
		{ElsewhereReject, "reject elsewhere: Wrong user name or password."},
	} {
		t.Run(string(tt.elsewhere), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.settings.Users = []User{{Name: "alice", Services: []string{"vpn"}, Elsewhere: tt.elsewhere}}
				w.load()
				mail := through(w.at("imap", "mail"))
				w.answers(allows(time3))
				w.wants(w.login("pw"), "accept approved push T1")
				w.wants(w.login("pw", mail), tt.want)
				w.wants(w.login("no"), wrongWord)
				if v := w.login("no", mail); v.Outcome != OutcomeReject || v.Message != "Wrong user name or password." {
					t.Errorf("a wrong password elsewhere: %s", line(v))
				}
				w.asked("push:D1")
				asked := "alice:pw alice:pw alice:no alice:no"
				if tt.elsewhere == ElsewhereReject {
					asked = "alice:pw alice:no" // the password does not matter there
				}
				w.told(asked)
			})
		})
	}
}

// TestRoyalApprovalOfAService: an approval for one service does not count for another, and does not make the other ask.
func TestRoyalApprovalOfAService(t *testing.T) {
	inWorld(t, func(w *world) {
		w.settings.Users = []User{{Name: "alice", Services: []string{"vpn", "gateway"}, Remember: ptr(time.Hour)}}
		w.load()
		gateway, second := through(w.at("gw", "gateway")), through(w.at("vpn2", "vpn"))
		w.answers(allows(0), allows(0))
		w.wants(w.login("pw"), "accept approved push T1")
		w.wants(w.login("pw"), "accept remembered")
		w.wants(w.login("pw", second), "accept remembered") // another client of the same service
		w.wants(w.login("pw", gateway), "accept approved push T2")
		w.wants(w.login("pw", through(w.at("imap", "mail"))), "accept exempt")
	})
}

// TestRoyalAskAlways: a user with remember = "0s" is asked every time, whatever client and rules allow.
func TestRoyalAskAlways(t *testing.T) {
	for _, rule := range []*time.Duration{nil, ptr(8 * time.Hour)} {
		inWorld(t, func(w *world) {
			w.client.Remember = 8 * time.Hour
			w.settings.Users = []User{{Name: "alice", Remember: ptr(0 * time.Second)}}
			w.rules(Rule{Remember: rule})
			for _, want := range []string{"accept approved push T1", "accept approved push T2", "accept approved push T3"} {
				w.answers(allows(time3))
				w.wants(w.login("pw"), want)
				time.Sleep(time.Minute)
			}
			if n := w.process.Counts().Approvals; n != 0 {
				t.Errorf("%d approvals", n)
			}
			w.answers(allows(time3))
			w.wants(w.login("pw", as("bob")), "accept approved push T4")
			w.wants(w.login("pw", as("bob")), "accept remembered")
		})
	}
}

// TestRoyalUnknownUsers: users whom no list names are rejected, let in, or asked.
func TestRoyalUnknownUsers(t *testing.T) {
	for mode, want := range map[UnlistedMode]string{
		UnlistedReject:      "reject unlisted: Wrong user name or password.",
		UnlistedFirstFactor: "accept exempt",
		UnlistedAsk:         "accept approved push T1",
	} {
		t.Run(string(mode), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.settings.Users, w.settings.Unlisted = []User{{Name: "alice"}}, mode
				w.load()
				if mode == UnlistedAsk {
					w.answers(allows(time3), allows(time3))
				} else {
					w.answers(allows(time3))
				}
				w.wants(w.login("pw", as("bob")), want)
				if len(w.duo.auths) == 1 && w.duo.auths[0].User != (Identity{Username: "bob"}) {
					t.Errorf("at Duo it is %v", w.duo.auths[0].User)
				}
				if v := w.login("no", as("bob")); v.Outcome != OutcomeReject || v.Message != "Wrong user name or password." {
					t.Errorf("a wrong password of bob's: %s", line(v))
				}
				if v := w.login("pw"); v.Reason != ReasonApproved { // a listed user is asked in any case
					t.Error(line(v))
				}
			})
		})
	}
}

// TestRoyalReload: a change of the users takes effect with the next login, with the same stores. It changes nothing else:
// approvals of others, live pushes, challenges.
func TestRoyalReload(t *testing.T) {
	for name, change := range map[string]struct {
		user User
		want string // of alice's next login
	}{
		"exempt by now":      {User{Name: "alice", Services: []string{}}, "accept exempt"},
		"rejected by now":    {User{Name: "alice", Services: []string{}, Elsewhere: ElsewhereReject}, "reject elsewhere: Wrong user name or password."},
		"asked always":       {User{Name: "alice", Remember: ptr(0 * time.Second)}, "accept approved push T4"},
		"another Duo user":   {User{Name: "alice", Duo: Identity{UserID: "DU9"}}, "accept approved push T4"},
		"as before":          {User{Name: "alice"}, "accept remembered"},
		"with another alias": {User{Name: "alice", Aliases: []string{"asmith"}}, "accept remembered"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				for _, user := range []string{"carol", "dave"} {
					w.ldap.passwords[user] = "pw"
				}
				w.client.Remember = time.Hour
				others := []User{{Name: "bob"}, {Name: "carol"}, {Name: "dave"}}
				w.settings.Users = append([]User{{Name: "alice"}}, others...)
				w.load()

				w.answers(allows(0), allows(0), allows(20*time.Second))
				w.wants(w.login("pw"), "accept approved push T1")
				w.wants(w.login("pw", as("bob")), "accept approved push T2")
				carol := w.start("pw", as("carol"))
				menu := w.at("web", "web")
				menu.Mode = ModeChallenge
				dave := w.login("pw", as("dave"), through(menu))
				if dave.Reason != ReasonChallenged {
					w.Fatal(line(dave))
				}

				w.settings.Users = append(others[:3:3], change.user)
				w.load()
				w.answers()
				if change.want == "accept approved push T4" {
					w.answers(allows(0))
				}
				w.wants(w.login("pw"), change.want)
				w.wants(w.login("pw", as("bob")), "accept remembered")
				again := w.start("pw", as("carol"))
				w.answers(allows(0))
				w.wants(w.login("123456", as("dave"), through(menu), state(dave.State)), "accept approved passcode")
				carol.wants("accept approved push T3")
				again.wants("accept approved push T3")
				w.wants(w.login("pw", as("carol")), "accept remembered")
			})
		})
	}
}

// TestRoyalReloadTakesAway: a user who was removed from the list is unlisted at the next login, and one who was added is
// listed.
func TestRoyalReloadTakesAway(t *testing.T) {
	inWorld(t, func(w *world) {
		w.settings.Unlisted = UnlistedReject
		w.settings.Users = []User{{Name: "alice", Remember: ptr(time.Hour)}}
		w.load()
		w.answers(allows(0), allows(0))
		w.wants(w.login("pw"), "accept approved push T1")
		w.wants(w.login("pw", as("bob")), "reject unlisted: Wrong user name or password.")
		w.settings.Users = []User{{Name: "bob"}}
		w.load()
		w.wants(w.login("pw"), "reject unlisted: Wrong user name or password.")
		w.wants(w.login("pw", as("bob")), "accept approved push T2")
		w.settings.Users = []User{{Name: "alice", Remember: ptr(time.Hour)}}
		w.load()
		w.wants(w.login("pw"), "accept remembered") // nothing has removed the approval
	})
}
