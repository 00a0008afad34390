package policy_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/guard"
)

// TestPingGate: an outage concerns all of Duo, and not one user. If a ping is answered, failmode does not apply.
func TestPingGate(t *testing.T) {
	for _, mode := range []Failmode{FailmodeSafe, FailmodeSilent} {
		for _, err := range []error{errDown, ErrOverloaded, ErrCutShort} {
			inWorld(t, func(w *world) {
				w.client.Failmode, w.duo.preErr, w.duo.pings = mode, err, true
				v := w.login("pw")
				w.wants(v, "reject duo-unavailable"+later)
				if !errors.Is(v.Err, err) || err == errDown && !strings.Contains(v.Err.Error(), "ping: answered") {
					t.Errorf("Err is %v", v.Err)
				}
				w.duo.pings = false
				want := "reject duo-unavailable" + later // a fault of this machine says nothing about Duo, whatever the ping's answer
				if err == errDown {
					want = map[Failmode]string{FailmodeSafe: "accept failed-open", FailmodeSilent: "discard duo-unavailable"}[mode]
				}
				w.wants(w.login("pw"), want)
			})
		}
	}
}

// TestHeldPushes: Duo refuses a push by itself, or a push is denied before its user can have seen it. Then the phone of
// this Duo user gets no push for a minute, whatever [guard] says, and the user reads why.
func TestHeldPushes(t *testing.T) {
	held := func(say string) string { return "reject cooldown: " + say + " " + typeIt }
	for _, tt := range []struct {
		name   string
		answer reply
		want   string // of the login itself
		next   string
	}{
		{"frequent", denies("frequent_attempts", "", 5*time.Second), "reject denied-by-duo push T1: Login denied.", held(sayHeldByDuo)},
		{"anomalous", denies("anomalous_push", "Not this one.", 0), "reject denied-by-duo push T1: Not this one.", held(sayHeldByDuo)},
		{"at once", denies("deny", "Login request denied.", time.Second-1), "reject denied push T1: Login request denied.", held(sayTooQuick)},
		{"not at once", denies("deny", "Login request denied.", time.Second), "reject denied push T1: Login request denied.", ""},
		{"a new word", denies("sunspots", "Login request denied.", 0), "reject denied push T1: Login request denied.", ""},
	} {
		for _, guard := range []guard.PushLimits{{}, {Pushes: 3, Window: time.Hour, Cooldown: time.Hour}} {
			t.Run(tt.name, func(t *testing.T) {
				inWorld(t, func(w *world) {
					w.settings.Guard = guard
					w.load()
					w.answers(tt.answer)
					v := w.login("pw")
					w.wants(v, tt.want)
					last := v.Steps[len(v.Steps)-1]
					if !strings.Contains(last.Answer, tt.answer.Status) || v.DuoMessage != tt.answer.Message || v.DuoUser == "" {
						t.Errorf("got Duo's words %q, %q, about %q", last.Answer, v.DuoMessage, v.DuoUser)
					}
					if tt.next != "" {
						w.wants(w.login("pw"), tt.next)
						w.wants(w.login("pw,phone", from(cafe)), tt.next)
						w.answers(allows(0))
						w.wants(w.login("pw,123456"), "accept approved passcode")
						time.Sleep(time.Minute - 1)
						w.wants(w.login("pw"), tt.next)
						time.Sleep(time.Nanosecond)
					}
					w.rung(allows(time.Second), ReasonApproved)
				})
			})
		}
	}
}

// TestHoldNeverShortens: a phone that [guard] keeps silent for an hour stays silent for that hour.
func TestHoldNeverShortens(t *testing.T) {
	inWorld(t, func(w *world) {
		w.settings.Guard = guard.PushLimits{Pushes: 1, Window: time.Hour, Cooldown: time.Hour}
		w.load()
		w.rung(denies("frequent_attempts", "", 0), ReasonDeniedByDuo)
		time.Sleep(2 * time.Minute)
		w.wants(w.login("pw"), cooling)
	})
}

// TestDuoWords: the Verdict says which user Duo was asked about and what Duo said, also if preauth ends the login.
func TestDuoWords(t *testing.T) {
	inWorld(t, func(w *world) {
		w.settings.Users = []User{{Name: "alice", Duo: Identity{UserID: "DU1"}}}
		w.load()
		w.duo.pre = Preauth{Result: PreauthDeny, Message: "Your account is locked out"}
		if v := w.login("pw"); v.DuoUser != "DU1" || v.DuoMessage != "Your account is locked out" {
			t.Errorf("got %+v", v)
		}
		if v := w.login("wrong"); v.DuoUser != "" || v.DuoMessage != "" {
			t.Errorf("Duo was not asked: got %+v", v)
		}
	})
}
