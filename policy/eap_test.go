package policy_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	. "duoradiusd/policy"
)

// TestEAP: in a whole conversation each packet is passed on. The packet that ends it is held until Duo allows the login.
func TestEAP(t *testing.T) {
	conversation := func(end said) []said {
		return []said{back(AskBack{State: "S1", EAP: "\x01\x05tls"}), back(AskBack{State: "S2", EAP: "\x01\x06tls"}), end}
	}
	account := Account{EAP: success, Proof: []Attribute{vsa(311, 16, "send"), vsa(311, 17, "recv")}}
	// talk plays the conversation up to its last packet.
	talk := func(w *world, u *upstream, end said) (last string) {
		w.Helper()
		u.says(conversation(end)...)
		v := w.login("", by(MethodEAP))
		for _, want := range []string{"\x01\x05tls", "\x01\x06tls"} {
			if v.Reason != ReasonRelayed || v.EAP != want || v.Message != "" {
				w.Fatalf("%s, EAP %q, want %q", line(v), v.EAP, want)
			}
			if last = v.State; want == "\x01\x05tls" {
				v = w.login("", by(MethodEAP), state(last))
			}
		}
		return last
	}
	for _, tt := range []struct {
		name  string
		reply reply
		want  string
		eap   string
		keys  string
	}{
		{"allowed", allows(10 * time.Second), "accept approved push T1", success, "311/16=send 311/17=recv"},
		{"denied", denies("deny", "Login request denied.", 10*time.Second), "reject denied push T1: Login request denied.", "", ""},
		{"no answer", never, unanswered, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inRelay(t, func(w *world, u *upstream) {
				s := talk(w, u, yes(account))
				w.answers(tt.reply)
				p := w.start("", by(MethodEAP), state(s))
				time.Sleep(9 * time.Second)
				select {
				case v := <-p.verdict:
					w.Fatalf("%s before Duo's answer", line(v))
				default:
				}
				v := <-p.verdict
				w.wants(v, tt.want)
				if v.EAP != tt.eap || attributes(v) != tt.keys {
					t.Errorf("EAP %q, attributes %q", v.EAP, attributes(v))
				}
				w.asked("push:D1")
				w.upstreamWasAsked(u, "alice[eap] alice[eap]@S1 alice[eap]@S2")
			})
		})
	}
	t.Run("refused", func(t *testing.T) {
		inRelay(t, func(w *world, u *upstream) {
			s := talk(w, u, no(Refusal{Relayed: true, EAP: failure}))
			v := w.login("", by(MethodEAP), state(s))
			if w.wants(v, wrongWord); v.EAP != failure || !v.Immediate {
				t.Errorf("EAP %q, Immediate %v", v.EAP, v.Immediate)
			}
			w.asked("")
		})
	})
	t.Run("denied by group", func(t *testing.T) {
		inRelay(t, func(w *world, u *upstream) {
			w.rules(Rule{Groups: []string{"staff"}, Need: NeedDeny})
			s := talk(w, u, yes(Account{Groups: []string{"staff"}, EAP: success, Proof: account.Proof}))
			v := w.login("", by(MethodEAP), state(s))
			if w.wants(v, deniedNow); v.EAP != "" || len(v.Attributes) != 0 {
				t.Errorf("EAP %q, attributes %q", v.EAP, attributes(v))
			}
		})
	})
	t.Run("without a second factor", func(t *testing.T) {
		inRelay(t, func(w *world, u *upstream) {
			w.rules(Rule{Need: NeedExempt})
			s := talk(w, u, yes(account))
			if v := w.login("", by(MethodEAP), state(s)); v.EAP != success || attributes(v) != "311/16=send 311/17=recv" {
				t.Errorf("%s, EAP %q, attributes %q", line(v), v.EAP, attributes(v))
			}
		})
	})
}

// TestInnerName: the name inside an EAP tunnel may differ from the name outside. The user inside logs in: with the rules,
// the phone and the approvals of that user.
func TestInnerName(t *testing.T) {
	outer := as("anonymous@example.com")
	inner := yes(Account{User: `EXAMPLE\Alice`, EAP: success})
	login := func(w *world, u *upstream, end said) Verdict {
		w.Helper()
		u.says(back(AskBack{State: fmt.Sprint("S", len(u.asked))}), end)
		v := w.login("", by(MethodEAP), outer)
		if v.User != "anonymous" {
			t.Errorf("User %q", v.User)
		}
		return w.login("", by(MethodEAP), outer, state(v.State))
	}
	inRelay(t, func(w *world, u *upstream) {
		w.client.Remember = time.Hour
		w.settings.Users = []User{{Name: "alice", Duo: Identity{UserID: "DU1"}}, {Name: "anonymous", Duo: Identity{UserID: "DU2"}}}
		w.load()
		w.answers(allows(0))
		v := login(w, u, inner)
		w.wants(v, "accept approved push T1")
		if a := w.duo.auths[0]; v.User != "alice" || a.User != (Identity{UserID: "DU1"}) || a.Name != "alice" || w.duo.preauths[0].User.UserID != "DU1" {
			t.Errorf("User %q, at Duo %v, shown as %q", v.User, a.User, a.Name)
		}
		w.wants(login(w, u, inner), "accept remembered")
		if list := listOf(t, w.process.Approvals, "alice", 0); len(list) != 1 || w.process.Counts().Approvals != 1 {
			t.Errorf("approvals %v", list)
		}
		u.says(yes(Account{})) // nor for the name outside
		w.answers(allows(0))
		w.wants(w.login("pw", outer), "accept approved push T2")
		u.says(yes(Account{})) // but for alice by another method, because the approval is hers
		w.wants(w.login("pw"), "accept remembered")
	})
	inRelay(t, func(w *world, u *upstream) {
		w.rules(Rule{Users: []string{"alice"}, Need: NeedDeny}, Rule{Need: NeedExempt})
		v := login(w, u, inner)
		if w.wants(v, deniedNow); v.EAP != "" || v.User != "alice" {
			t.Errorf("EAP %q, User %q", v.EAP, v.User)
		}
		w.wants(login(w, u, yes(Account{User: "bob"})), "accept exempt")
	})
	inRelay(t, func(w *world, u *upstream) { // a name that no user has
		w.rules(Rule{Need: NeedExempt})
		for _, bad := range []string{"\x00", "a\u200bb", " alice", `EXAMPLE\`, "\xff"} {
			v := login(w, u, yes(Account{User: bad, EAP: success, Proof: []Attribute{vsa(311, 16, "key")}}))
			if w.wants(v, "reject bad-name: Wrong user name or password."); v.EAP != "" || len(v.Attributes) != 0 {
				t.Errorf("%q: EAP %q, attributes %q", bad, v.EAP, attributes(v))
			}
		}
	})
	inRelay(t, func(w *world, u *upstream) { // the directory has a name for Duo
		w.answers(allows(0))
		login(w, u, yes(Account{User: "alice", DuoUsername: "asmith"}))
		if a := w.duo.auths[0]; a.User != (Identity{Username: "asmith"}) || a.Name != "alice" {
			t.Errorf("at Duo %v, shown as %q", a.User, a.Name)
		}
	})
}

// TestOuterNameDecidesNothing: the name outside of the tunnel is not a user's, so neither a list of users nor a rule that
// names users applies before the name inside is known.
func TestOuterNameDecidesNothing(t *testing.T) {
	for _, tt := range []struct {
		name     string
		settings Settings
		want     string // alice is the name inside
	}{
		{"unlisted outside", Settings{Unlisted: UnlistedReject, Users: []User{{Name: "alice"}}}, "accept approved push T1"},
		{"unlisted inside", Settings{Unlisted: UnlistedReject, Users: []User{{Name: "anonymous"}}}, "reject unlisted: Wrong user name or password."},
		{"elsewhere outside", Settings{Users: []User{{Name: "anonymous", Services: []string{"mail"}, Elsewhere: ElsewhereReject}}}, "accept approved push T1"},
		{"elsewhere inside", Settings{Users: []User{{Name: "alice", Services: []string{"mail"}, Elsewhere: ElsewhereReject}}}, "reject elsewhere: Wrong user name or password."},
		{"denied outside", Settings{Rules: []Rule{{Users: []string{"anonymous"}, Need: NeedDeny}}}, "accept approved push T1"},
		{"denied inside", Settings{Rules: []Rule{{Users: []string{"alice"}, Need: NeedDeny}}}, deniedNow},
		{"all but alice", Settings{Rules: []Rule{{Users: []string{"alice"}}, {Need: NeedDeny}}}, "accept approved push T1"},
		{"exempt outside", Settings{Rules: []Rule{{Users: []string{"anonymous"}, Need: NeedExempt}}}, "accept approved push T1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inRelay(t, func(w *world, u *upstream) {
				w.settings.Users, w.settings.Unlisted, w.settings.Rules = tt.settings.Users, tt.settings.Unlisted, tt.settings.Rules
				w.load()
				u.says(back(AskBack{State: "S1"}), yes(Account{User: "alice"}))
				v := w.login("", by(MethodEAP), as("anonymous"))
				if v.Reason != ReasonRelayed {
					w.Fatal(line(v))
				}
				if tt.want == "accept approved push T1" {
					w.answers(allows(0))
				}
				w.wants(w.login("", by(MethodEAP), as("anonymous"), state(v.State)), tt.want)
			})
		})
	}
}

// TestGuardOfOuterNames: everybody uses the same name outside of the tunnel, so that name has no budget. Sources have one,
// as always.
func TestGuardOfOuterNames(t *testing.T) {
	inRelay(t, func(w *world, u *upstream) {
		u.scripts = func(FirstRequest) said { return no(Refusal{Relayed: true}) }
		for n := range 3 * wrongPerAddress {
			ip := netip.AddrFrom4([4]byte{10, 1, 1, byte(n)})
			w.wants(w.login("", by(MethodEAP), as("anonymous"), from(ip)), wrongWord)
		}
		for range wrongPerAddress {
			w.wants(w.login("", by(MethodEAP), as("anonymous")), wrongWord)
		}
		begun := time.Now()
		w.wants(w.login("", by(MethodEAP), as("anonymous")), wrongWord)
		if took := time.Since(begun); took != time.Second {
			t.Errorf("a conversation that begins at a source with too many wrong ones waited %v", took)
		}
		w.wants(w.login("", by(MethodEAP), as("anonymous"), from(cafe)), wrongWord)
		w.wants(w.login("pw", as("anonymous"), from(cafe)), wrongWord)
	})
	for _, m := range []Method{MethodCHAP, MethodMSCHAP} { // the name that these compute with is the user's own
		inRelay(t, func(w *world, u *upstream) {
			u.scripts = func(FirstRequest) said { return no(Refusal{Relayed: true}) }
			for range wrongPerUser {
				w.wants(w.login("", by(m)), wrongWord)
			}
			w.wants(w.login("", by(m)), "reject throttled: Too many wrong passwords. Try again in 30 seconds.")
			w.wants(w.login("pw"), "reject throttled: Too many wrong passwords. Try again in 30 seconds.")
		})
	}
}

// TestEAPBegunAnew: a conversation that begins again while the phone rings for an earlier one, as after a client's own
// timeout, is the same login.
func TestEAPBegunAnew(t *testing.T) {
	inRelay(t, func(w *world, u *upstream) {
		talk := func(n int) string {
			u.says(back(AskBack{State: fmt.Sprint("S", n), EAP: "\x01\x05tls"}), yes(Account{EAP: success}))
			return w.login("", by(MethodEAP)).State
		}
		w.answers(allows(10 * time.Second))
		first := w.start("", by(MethodEAP), state(talk(1)))
		second := w.start("", by(MethodEAP), state(talk(2)))
		first.wants("accept approved push T1")
		second.wants("accept approved push T1")
		w.asked("push:D1")
	})
}

// TestOuterNameOfARealmAlone: "@example.com" (RFC 7542 §2.4) is no user's name, but it is allowed outside of the tunnel.
func TestOuterNameOfARealmAlone(t *testing.T) {
	inRelay(t, func(w *world, u *upstream) {
		w.settings.Names.StripDomain = []string{"@example.com"}
		w.load()
		u.says(back(AskBack{State: "S1"}), yes(Account{User: "alice@example.com", EAP: "\x03\x01\x00\x04"}))
		first := w.login("", by(MethodEAP), as("@example.com"))
		w.wants(first, "challenge relayed")
		w.answers(allows(0))
		v := w.login("", by(MethodEAP), as("@example.com"), state(first.State))
		w.wants(v, "accept approved push T1")
		if v.User != "alice" {
			t.Errorf("logged in as %q", v.User)
		}
		w.wants(w.login("pw", as("@example.com")), "reject bad-name: Wrong user name or password.")
	})
}
