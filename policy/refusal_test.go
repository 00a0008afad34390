package policy_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	. "duoradiusd/policy"
)

// TestRefusals: what the user and the client learn when the first factor refuses.
func TestRefusals(t *testing.T) {
	mschap := []Attribute{vsa(311, 2, "\x01E=691 R=0")}
	for _, tt := range []struct {
		name string
		no   Refusal
		want string
		now  bool
		err  bool
	}{
		{"not proven", Refusal{Why: "bind: 49"}, wrongWord, false, true},
		{"proven", Refusal{Why: "password expired", Proven: true},
			"reject account-refused: Your account can't log in: its password may have expired. Ask your help desk.", false, true},
		{"relayed", Refusal{Relayed: true}, wrongWord, true, false},
		{"relayed, with a message", Refusal{Relayed: true, Message: "Your account is locked."}, "reject bad-password: Your account is locked.", true, false},
		{"relayed, with a blank message", Refusal{Relayed: true, Message: " \n"}, wrongWord, true, false},
		{"relayed, with attributes", Refusal{Relayed: true, Attributes: mschap}, wrongWord, true, false},
		{"relayed, with EAP", Refusal{Relayed: true, EAP: "\x04\x01\x00\x04"}, wrongWord, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inRelay(t, func(w *world, u *upstream) {
				u.says(no(tt.no))
				v := w.login("pw")
				w.wants(v, tt.want)
				if v.Immediate != tt.now || v.EAP != tt.no.EAP || !reflect.DeepEqual(v.Attributes, tt.no.Attributes) || (v.Err != nil) != tt.err {
					t.Errorf("Immediate %v, EAP %q, attributes %q, Err %v", v.Immediate, v.EAP, attributes(v), v.Err)
				}
				if tt.err && !strings.Contains(fmt.Sprint(v.Err), tt.no.Why) {
					t.Errorf("the log says %q", v.Err)
				}
				w.asked("")
			})
		})
	}
	t.Run("in the second round", func(t *testing.T) {
		inRelay(t, func(w *world, u *upstream) {
			u.says(back(AskBack{State: "S1"}), no(Refusal{Relayed: true, Message: "Wrong code."}))
			s := w.login("pw").State
			v := w.login("code", state(s))
			w.wants(v, "reject bad-password: Wrong code.")
			if !v.Immediate {
				t.Error("it is held back twice")
			}
			w.wants(w.login("code", state(s)), badState)
		})
	})
}

// TestRefusalIsAWrongPassword: the guard counts a refusal as a wrong password, whether or not the password was proven.
func TestRefusalIsAWrongPassword(t *testing.T) {
	inRelay(t, func(w *world, u *upstream) {
		u.scripts = func(FirstRequest) said { return no(Refusal{Relayed: true}) }
		for range wrongPerUser {
			w.wants(w.login("no"), wrongWord)
		}
		w.wants(w.login("no"), "reject throttled: Too many wrong passwords. Try again in 30 seconds.")
		if len(u.asked) != wrongPerUser {
			t.Errorf("the upstream was asked %d times", len(u.asked))
		}
	})
}

// TestDenyBehindUpstream: a user whom a rule denies can't tell a right password from a wrong one by how the upstream
// refuses, with its own text and without delay, because it is not asked. A rule by group before the deny does not matter,
// because an upstream tells no groups.
func TestDenyBehindUpstream(t *testing.T) {
	inRelay(t, func(w *world, u *upstream) {
		w.client.Groupless = true
		w.rules(Rule{Groups: []string{"staff"}}, Rule{Users: []string{"alice"}, Need: NeedDeny})
		right, wrong := withoutTrace(w.login("pw")), withoutTrace(w.login("no"))
		w.wants(right, "reject denied-by-rule: Wrong user name or password.")
		if !reflect.DeepEqual(right, wrong) {
			t.Errorf("\nright %+v\nwrong %+v", right, wrong)
		}
		w.upstreamWasAsked(u, "")
	})
}

// TestDenyInsideTunnel: the name inside an EAP tunnel is known only after the upstream's yes. The reject that follows looks
// like the upstream's own and is not delayed either.
func TestDenyInsideTunnel(t *testing.T) {
	inRelay(t, func(w *world, u *upstream) {
		w.client.Groupless = true
		w.rules(Rule{Users: []string{"mallory"}, Need: NeedDeny})
		u.says(yes(Account{User: "mallory", EAP: "\x03\x01\x00\x04"}), no(Refusal{Relayed: true}))
		eap := func(a *Attempt) { a.Method, a.User = MethodEAP, "anonymous" }
		right, wrong := w.login("", eap), w.login("", eap)
		if right.Outcome != OutcomeReject || right.Message != wrong.Message || right.EAP != wrong.EAP || right.Immediate != wrong.Immediate {
			t.Errorf("\nright %+v\nwrong %+v", right, wrong)
		}
	})
}
