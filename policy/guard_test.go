package policy_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/factor"
	"duoradiusd/policy/guard"
)

const cooling = "reject cooldown: Too many requests to your phone went without a yes. " + typeIt

// inGuarded runs f in a world with the default [guard]: three pushes within ten minutes.
func inGuarded(t *testing.T, f func(w *world)) {
	t.Helper()
	inWorld(t, func(w *world) {
		w.settings.Guard = guard.PushLimits{Pushes: 3, Window: 10 * time.Minute, Cooldown: 10 * time.Minute}
		w.load()
		f(w)
	})
}

// rung logs in once; the phone rings, and r is the answer.
func (w *world) rung(r reply, want Reason, but ...func(*Attempt)) {
	w.Helper()
	w.answers(r)
	if v := w.login("pw", but...); v.Reason != want {
		w.Errorf("got %s, want %s", line(v), want)
	}
}

func TestCooldown(t *testing.T) {
	for _, tt := range []struct {
		name   string
		failed [3]reply
		whys   [3]Reason
	}{
		{"denied", [3]reply{denied, denied, denied}, [3]Reason{ReasonDenied, ReasonDenied, ReasonDenied}},
		{"no answer", [3]reply{denies("timeout", "", 50*time.Second), denied, denies("timeout", "", 0)}, [3]Reason{ReasonNoAnswer, ReasonDenied, ReasonNoAnswer}},
		{"lost on the way", [3]reply{{err: errDown, after: time.Second}, {err: errOdd, after: time.Second}, denied},
			[3]Reason{ReasonDuoUnavailable, ReasonDuoUnknown, ReasonDenied}}, // the phone rang
	} {
		t.Run(tt.name, func(t *testing.T) {
			inGuarded(t, func(w *world) {
				for i, r := range tt.failed {
					w.rung(r, tt.whys[i])
					if r.err != nil {
						time.Sleep(RingingTime)
					}
				}
				begun := time.Now()
				w.wants(w.login("pw"), cooling)
				w.wants(w.login("pw,phone2"), cooling)
				w.wants(w.login("pw", from(cafe)), cooling)
				w.wants(w.login("pw,sms"), cooling)
				w.answers(wrong, allows(0))
				w.wants(w.login("pw,111111"), "reject denied passcode: Incorrect passcode. Please try again.")
				w.wants(w.login("pw,123456"), "accept approved passcode")
				w.wants(w.login("pw"), cooling) // a right passcode does not make the phone ring again
				w.rung(allows(0), ReasonApproved, as("bob"))
				time.Sleep(10*time.Minute - 1 - time.Since(begun))
				w.wants(w.login("pw"), cooling)
				time.Sleep(time.Nanosecond)
				w.rung(denied, ReasonDenied)
				w.rung(denied, ReasonDenied)
				w.rung(denied, ReasonDenied) // three new ones
				w.wants(w.login("pw"), cooling)
			})
		})
	}
}

func TestWindow(t *testing.T) {
	inGuarded(t, func(w *world) {
		for range 8 { // there are never three within ten minutes
			w.rung(denied, ReasonDenied)
			time.Sleep(5 * time.Minute)
		}
	})
	inGuarded(t, func(w *world) { // an allow resets the count
		for range 3 {
			w.rung(denied, ReasonDenied)
			w.rung(denied, ReasonDenied)
			w.rung(allows(0), ReasonApproved)
		}
	})
	inGuarded(t, func(w *world) { // a passcode does not
		w.rung(denied, ReasonDenied)
		w.rung(denied, ReasonDenied)
		w.answers(allows(0))
		w.wants(w.login("pw,123456"), "accept approved passcode")
		w.rung(denied, ReasonDenied)
		w.wants(w.login("pw"), cooling)
	})
	inGuarded(t, func(w *world) { // an outage makes no phone ring
		for range 8 {
			w.rung(reply{err: errDown}, ReasonDuoUnavailable)
			time.Sleep(RingingTime)
			w.rung(reply{panics: true}, ReasonPanicked)
			time.Sleep(RingingTime)
			w.rung(reply{err: errNo}, ReasonDuoRefused)
		}
	})
	inGuarded(t, func(w *world) { // nor does a wrong passcode
		for range 8 {
			w.answers(wrong)
			w.login("pw,111111")
		}
		w.rung(allows(0), ReasonApproved)
	})
	inWorld(t, func(w *world) { // the pushes that led to one cooldown do not lead to another
		w.settings.Guard = guard.PushLimits{Pushes: 3, Window: time.Hour, Cooldown: time.Minute}
		w.load()
		for range 3 {
			w.rung(denied, ReasonDenied)
			w.rung(denied, ReasonDenied)
			w.rung(denied, ReasonDenied)
			w.wants(w.login("pw"), cooling)
			time.Sleep(time.Minute)
		}
	})
	for _, off := range []guard.PushLimits{{}, {Pushes: 3, Window: time.Hour}, {Window: time.Hour, Cooldown: time.Hour}} {
		inWorld(t, func(w *world) {
			w.settings.Guard = off
			w.load()
			for range 8 {
				w.rung(denied, ReasonDenied)
			}
		})
	}
}

// TestGuardFollowsTheDuoUser: two names that belong to one Duo user have one count.
func TestGuardFollowsTheDuoUser(t *testing.T) {
	inGuarded(t, func(w *world) {
		w.settings.Users = []User{{Name: "alice", Duo: Identity{UserID: "DU1"}}, {Name: "bob", Duo: Identity{UserID: "DU1"}}}
		w.load()
		w.rung(denied, ReasonDenied)
		w.rung(denied, ReasonDenied, as("bob"))
		w.rung(denied, ReasonDenied)
		w.wants(w.login("pw", as("bob")), cooling)
	})
}

// TestFraud: one report is enough, and it is passed on at once, even if no login waits for the answer.
func TestFraud(t *testing.T) {
	inGuarded(t, func(w *world) {
		var told []string
		w.process.OnFraud = func(user, txid string) { told = append(told, user+" "+txid) }
		w.answers(fraud)
		w.wants(w.login("pw"), "reject fraud push T1: Login request denied.")
		w.wants(w.login("pw"), cooling)
		if fmt.Sprint(told) != "[alice T1]" {
			t.Errorf("told %q", told)
		}
		time.Sleep(10 * time.Minute)
		w.rung(allows(0), ReasonApproved)
	})
	inGuarded(t, func(w *world) {
		told := make(chan string, 1)
		w.process.OnFraud = func(user, txid string) { told <- user + " " + txid }
		w.answers(denies("fraud", "", 30*time.Second))
		p := w.start("pw")
		p.abandon()
		p.wants("reject abandoned push T1")
		start := time.Now()
		if got := <-told; got != "alice T1" || time.Since(start) != 30*time.Second {
			t.Errorf("told %q after %v", got, time.Since(start))
		}
		synctest.Wait() // it is passed on before the push is over
		w.wants(w.login("pw", from(cafe)), cooling)
		w.wants(w.login("pw"), "reject fraud push T1: Login denied.")
	})
	inWorld(t, func(w *world) { // without [guard] it is passed on all the same
		told := 0
		w.process.OnFraud = func(string, string) { told++ }
		w.rung(fraud, ReasonFraud)
		w.rung(fraud, ReasonFraud)
		if told != 2 {
			t.Errorf("told %d times", told)
		}
	})
}

// TestSMSBothers: passcodes sent by SMS count like pushes, by themselves and together with pushes.
func TestSMSBothers(t *testing.T) {
	for _, fields := range [][3]string{{"pw,sms", "pw,sms", "pw,sms"}, {"pw", "pw,sms", "pw,phone"}, {"pw,sms", "pw", "pw,sms"}} {
		inGuarded(t, func(w *world) {
			for _, field := range fields {
				w.answers(map[bool]reply{true: sent, false: denied}[field == "pw,sms"])
				w.login(field)
			}
			w.wants(w.login("pw,sms"), cooling)
			w.wants(w.login("pw"), cooling)
			w.answers(allows(0))
			w.wants(w.login("pw,1234567"), "accept approved passcode")
			time.Sleep(10 * time.Minute)
			w.answers(sent)
			w.wants(w.login("pw,sms"), "reject codes-sent sms: New passcodes were sent by SMS. "+typeIt)
		})
	}
	inGuarded(t, func(w *world) { // an SMS that was not sent does not count
		for range 8 {
			w.answers(reply{err: errDown})
			w.wants(w.login("pw,sms"), "reject duo-unavailable sms"+later)
		}
	})
}

// TestCooldownInChallenge: during a cooldown the menu has nothing that reaches the phone, and says why.
func TestCooldownInChallenge(t *testing.T) {
	const why = "Too many requests to your phone went without a yes."
	const rest = "\nPasscode:"
	for _, code := range []string{"", "376"} { // a Verified Push is a push, too
		inGuarded(t, func(w *world) {
			for range 3 {
				w.rung(denied, ReasonDenied)
			}
			w.client.Mode, w.duo.pre.Code = ModeChallenge, code
			v := w.login("pw")
			w.wants(v, "challenge challenged: "+why+rest)
			if code == "" {
				for _, text := range []string{"push", "sms"} {
					v = w.login(text, state(v.State))
					w.wants(v, "challenge cooldown: "+why+" Type a passcode."+rest)
				}
			}
			w.answers(allows(0))
			w.wants(w.login("123456", state(v.State)), "accept approved passcode")
			w.client.Factors = []factor.Factor{factor.Push}
			w.wants(w.login("pw"), "reject cooldown: Too many requests to your phone went without a yes.")
		})
	}
	inGuarded(t, func(w *world) { // the cooldown begins after the menu was shown
		w.client.Mode = ModeChallenge
		s := w.login("pw").State
		w.client.Mode = ModeAuto
		for range 3 {
			w.rung(denied, ReasonDenied)
		}
		w.client.Mode = ModeChallenge
		if v := w.login("1", state(s)); v.Outcome != OutcomeChallenge {
			t.Error(line(v))
		}
	})
}
