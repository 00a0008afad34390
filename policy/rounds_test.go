package policy_test

import (
	"fmt"
	"testing"
	"time"

	. "duoradiusd/policy"
)

// conversation plays the rounds of a first factor that prompts, and then its yes. The login then waits for Duo.
func conversation(w *world, u *upstream, n *int, rounds int, a Account, first, later string, but ...func(*Attempt)) *pending {
	var script []said
	for range rounds {
		*n++
		script = append(script, back(AskBack{State: fmt.Sprint("S", *n), Message: "token?", EAP: "\x01\x05tls"}))
	}
	u.says(append(script, yes(a))...)
	v := w.login(first, but...)
	for range rounds - 1 {
		v = w.login(later, append(but, state(v.State))...)
	}
	return w.start(later, append(but, state(v.State))...)
}

// TestConversationBegunAnew: a conversation that begins again joins the push that rings, however many rounds it had. A
// supplicant begins again after half a minute, and a user types password and token once more.
func TestConversationBegunAnew(t *testing.T) {
	for rounds := 1; rounds <= 3; rounds++ {
		t.Run(fmt.Sprint("EAP/", rounds), func(t *testing.T) {
			inRelay(t, func(w *world, u *upstream) {
				w.answers(allows(20 * time.Second))
				n, is := 0, Account{User: "alice", EAP: success}
				one := conversation(w, u, &n, rounds, is, "", "", by(MethodEAP))
				time.Sleep(10 * time.Second)
				two := conversation(w, u, &n, rounds, is, "", "", by(MethodEAP))
				one.wants("accept approved push T1")
				two.wants("accept approved push T1")
			})
		})
		t.Run(fmt.Sprint("prompt/", rounds), func(t *testing.T) {
			inRelay(t, func(w *world, u *upstream) {
				w.answers(allows(20 * time.Second))
				n := 0
				one := conversation(w, u, &n, rounds, Account{}, "pw", "111111")
				time.Sleep(10 * time.Second)
				two := conversation(w, u, &n, rounds, Account{}, "pw", "222222")
				one.wants("accept approved push T1")
				two.wants("accept approved push T1")
			})
		})
	}
}

// TestConversationOfAnother: a conversation that begins with another password does not join.
func TestConversationOfAnother(t *testing.T) {
	inRelay(t, func(w *world, u *upstream) {
		w.answers(allows(20 * time.Second))
		n := 0
		one := conversation(w, u, &n, 2, Account{}, "pw", "111111")
		two := conversation(w, u, &n, 2, Account{}, "another", "111111")
		two.wants("reject push-pending: Another login with your name is asking for approval on your phone. Do not approve what you did not start: deny it and report it in Duo Mobile.")
		one.wants("accept approved push T1")
	})
}

// TestCopyOfAPromptsAnswer: a menu followed the answer to a prompt. A copy of that answer is not accepted, because such an
// accept would lack the attributes and the rule of the user's groups.
func TestCopyOfAPromptsAnswer(t *testing.T) {
	inRelay(t, func(w *world, u *upstream) {
		w.client.Mode, w.client.Remember = ModeChallenge, time.Hour
		never := time.Duration(0)
		w.rules(Rule{Groups: []string{"restricted"}, Remember: &never})
		u.says(back(AskBack{State: "S1", Message: "token?"}), yes(Account{Groups: []string{"restricted"}}))
		prompt := w.login("pw").State
		menu := w.login("999999", state(prompt)).State
		w.answers(allows(10 * time.Second))
		answer := w.start("1", state(menu))
		time.Sleep(time.Second)
		w.wants(w.login("999999", state(prompt)), badState)
		answer.wants("accept approved push T1")
		if n := w.process.Counts().Approvals; n != 0 {
			t.Errorf("%d approvals kept, though the group's rule says never", n)
		}
	})
}

// TestUnprovenName: if only the name outside of a tunnel is known, nobody gets in without being asked. Anybody who knows
// one password could write the name of an exempt user there.
func TestUnprovenName(t *testing.T) {
	outside := Account{EAP: success, Unproven: true}
	for name, prepare := range map[string]func(w *world){
		"exempt":     func(w *world) { w.rules(Rule{Users: []string{"alice"}, Need: NeedExempt}) },
		"unlisted":   func(w *world) { w.settings.Unlisted = UnlistedFirstFactor; w.load() },
		"elsewhere":  func(w *world) { w.settings.Users = []User{{Name: "alice", Services: []string{"other"}}}; w.load() },
		"remembered": func(w *world) { w.client.Remember = time.Hour; w.answers(allows(0)); w.login("pw") },
	} {
		t.Run(name, func(t *testing.T) {
			inRelay(t, func(w *world, u *upstream) {
				if name == "remembered" {
					u.says(yes(Account{}))
				}
				w.settings.Unproven = UnprovenAsk
				w.load()
				prepare(w)
				u.says(yes(outside), yes(outside))
				w.answers(allows(0), denies("deny", "Login request denied.", 0))
				_, before := w.duo.counts()
				if v := w.login("", by(MethodEAP)); v.Reason != ReasonApproved {
					t.Errorf("%s", line(v))
				}
				if v := w.login("", by(MethodEAP)); v.Reason != ReasonDenied { // and that approval is not remembered
					t.Errorf("%s", line(v))
				}
				if _, got := w.duo.counts(); got-before != 2 {
					t.Errorf("Duo was asked %d times, want 2", got-before)
				}
			})
		})
	}
}

// TestExpiredPasswordBehindADeny: if a rule denies by group, a user whose groups are unknown is not told that the password
// was right.
func TestExpiredPasswordBehindADeny(t *testing.T) {
	inRelay(t, func(w *world, u *upstream) {
		u.says(no(Refusal{Why: "password expired", Proven: true}), no(Refusal{Why: "password expired", Proven: true}))
		w.wants(w.login("pw"), "reject account-refused: "+sayAccount)
		w.rules(Rule{Groups: []string{"out"}, Need: NeedDeny})
		w.wants(w.login("pw"), "reject account-refused: "+sayWrong)
	})
}

// TestVendorAttributesOfAPrompt: vendor attributes of a prompt go to the clients that are to get them.
func TestVendorAttributesOfAPrompt(t *testing.T) {
	inRelay(t, func(w *world, u *upstream) {
		prompt := Attribute{AttributeID{Type: 76}, "\x00\x00\x00\x01"}
		asks := func(state string) said {
			return back(AskBack{State: state, Message: "token?",
				Attributes: []Attribute{vsa(9, 1, "x"), prompt, {AttributeID{Type: 26}, "odd"}}})
		}
		u.says(asks("S1"))
		if got := w.login("pw").Attributes; len(got) != 1 || got[0] != prompt {
			t.Errorf("%v", got)
		}
		w.client.Pass = []AttributeID{{Vendor: 9, Type: 1}}
		u.says(asks("S2"))
		if got := w.login("pw").Attributes; len(got) != 2 || got[0] != vsa(9, 1, "x") {
			t.Errorf("%v", got)
		}
	})
}

// TestFloodOfFirstRounds: an attacker who begins conversations without end, and has proved nothing, does not remove the
// menu of another user.
func TestFloodOfFirstRounds(t *testing.T) {
	inChallenge(t, func(w *world) {
		menu := w.offered()
		u, n := &upstream{t: t, states: map[string]bool{}}, 0
		u.scripts = func(FirstRequest) said { n++; return back(AskBack{State: fmt.Sprint("S", n), EAP: "\x01\x05tls"}) }
		wifi := w.at("wifi", "wifi")
		wifi.FirstFactor = u
		var newest string
		for i := range 1 << 14 { // as many as the daemon keeps in all
			newest = w.policy.Decide(w.Context(), w.attempt("", by(MethodEAP), as(fmt.Sprint("nobody", i)), through(wifi))).State
		}
		if newest == "" {
			t.Error("there is no room for the newest")
		}
		w.answers(allows(0))
		w.wants(w.login("123456", state(menu)), "accept approved passcode")
	})
}
