package policy_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/memory"
)

// TestPushSurvives: a push that is on the phone when the daemon ends answers the user's next try, whenever the user
// approves. The phone rings once.
func TestPushSurvives(t *testing.T) {
	for _, tt := range []struct {
		name  string
		away  time.Duration // how long the daemon is down
		reply reply         // of the push, counted from the restart
		want  string
	}{
		{"approved afterwards", time.Second, allows(5 * time.Second), "accept approved push T1"},
		{"approved meanwhile", time.Second, allows(0), "accept approved push T1"},
		{"approved at the end of its minute", 59 * time.Second, allows(0), "accept approved push T1"},
		{"denied afterwards", time.Second, denies("deny", "", 5*time.Second), "reject denied push T1: Login denied."},
		{"denied meanwhile", time.Second, denies("deny", "", 0), "reject denied push T1: Login denied."},
		{"reported meanwhile", time.Second, denies("fraud", "", 0), "reject fraud push T1: Login denied."},
		{"no answer", time.Second, denies("timeout", "Login timed out.", 40*time.Second), "reject no-answer push T1: Login timed out."},
		{"Duo is away afterwards", time.Second, reply{err: errDown, after: 5 * time.Second}, "reject duo-unavailable push T1" + later},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inEnduring(t, func(w *enduring) {
				w.answers(never)
				w.wants(w.pending("pw")(), shuttingDown)
				b := w.end()
				w.duo.then("T1", tt.reply)
				w.passes(tt.away)
				w.begin(b)
				w.wants(w.login("pw"), tt.want)
				w.duo.wantPolls("[T1]")
				w.asked("push:D1")
			})
		})
	}
	inEnduring(t, func(w *enduring) { // for each later try, and it is remembered in the end
		w.answers(never)
		w.wants(w.pending("pw")(), shuttingDown)
		w.duo.then("T1", reply{after: time.Hour})
		for range 3 {
			w.restart()
			w.wants(w.pending("pw")(), shuttingDown)
		}
		w.duo.then("T1", allows(time3))
		w.restart()
		w.wants(w.login("pw"), "accept approved push T1")
		w.restart()
		w.again(ReasonRemembered)
		w.duo.wantPolls("[T1 T1 T1 T1]")
	})
	inEnduring(t, func(w *enduring) { // approved before the daemon ends, after its login was rejected
		w.answers(allows(time3))
		w.wants(w.pending("pw")(), shuttingDown)
		w.passes(time3)
		w.restart()
		w.wants(w.login("pw"), "accept approved push T1")
		w.duo.wantPolls("[]")
	})
	inEnduring(t, func(w *enduring) { // the same, but after its lateAnswer is over
		w.answers(allows(time3))
		w.wants(w.pending("pw")(), shuttingDown)
		w.passes(time3)
		b := w.end()
		w.passes(lateAnswer)
		w.begin(b)
		w.answers(denied)
		w.wants(w.login("pw"), "reject denied push T2: Login request denied.")
	})
}

// TestNoOtherLoginJoins: a restored push answers the same logins as before the restart, and no others.
func TestNoOtherLoginJoins(t *testing.T) {
	inEnduring(t, func(w *enduring) {
		w.client.FirstFactor = nil
		w.answers(never)
		w.wants(w.pending("")(), shuttingDown)
		w.duo.then("T1", allows(30*time.Second))
		w.restart()
		for name, but := range map[string]func(*Attempt){"another address": from(cafe), "none": from(nowIP),
			"another field": func(a *Attempt) { a.Password = "push" }, "another client": through(w.at("lab", "vpn"))} {
			if v := w.login("", but); v.Reason != ReasonPending {
				t.Errorf("%s: %s", name, line(v))
			}
		}
		w.wants(w.login(""), "accept approved push T1")
	})
}

// TestOneTakesTheAnswer: an answer that one login got is not given to a second one, also after a restart.
func TestOneTakesTheAnswer(t *testing.T) {
	inEnduring(t, func(w *enduring) {
		w.client.Remember = 0
		w.answers(allows(0))
		w.wants(w.login("pw"), "accept approved push T1")
		w.restart()
		w.answers(denied)
		w.wants(w.login("pw"), "reject denied push T2: Login request denied.")
	})
}

// TestUnnamedPush: a push that Duo may have begun, but whose txid the daemon does not know, keeps the phone busy for a
// minute.
func TestUnnamedPush(t *testing.T) {
	for _, field := range []string{"pw", "pw,phone"} {
		inEnduring(t, func(w *enduring) {
			w.answers(reply{begins: time.Hour, after: time.Hour})
			reject := w.pending(field)
			w.passes(9 * time.Second)
			reject()
			b := w.end()
			w.passes(time.Second)
			w.begin(b)
			w.wants(w.login(field), "reject push-pending"+pendingText)
			w.passes(50*time.Second - 1)
			w.restart()
			w.wants(w.login(field, from(cafe)), "reject push-pending"+pendingText)
			w.passes(time.Nanosecond)
			w.answers(denied)
			if v := w.login(field); v.Reason != ReasonDenied {
				t.Error(line(v))
			}
			w.duo.wantPolls("[]")
		})
	}
	inEnduring(t, func(w *enduring) { // a Verified Push has a txid, but Duo may not have begun it
		w.client.Mode, w.duo.pre.Code = ModeChallenge, "376"
		w.answers(reply{begins: time.Hour, after: time.Hour})
		w.login("pw")
		w.restart()
		w.duo.wantPolls("[]")
		w.wants(w.login("pw"), "challenge challenged: Another login with your name is asking for approval on your phone. Do not approve what you did not start: deny it and report it in Duo Mobile.\n"+
			"1. SMS passcodes to XXX-XXX-4508 (next code starts with 1)\nPasscode or option (1):")
	})
}

// TestUnnamedCode: a passcode that was on its way to Duo, or codes sent to the phone, delay nobody. The next try asks
// again.
func TestUnnamedCode(t *testing.T) {
	for _, field := range []string{"pw,123456", "pw,sms"} {
		inEnduring(t, func(w *enduring) {
			w.answers(reply{after: time.Hour})
			w.pending(field)()
			w.restart()
			w.answers(allows(0))
			if v := w.login(field); v.Outcome != OutcomeAccept {
				t.Errorf("%s: %s", field, line(v))
			}
			w.duo.wantPolls("[]")
		})
	}
}

// TestFraudWhileAway: a report of fraud takes effect and is passed on, however late it is read: the approvals are removed,
// and the phone gets no more pushes.
func TestFraudWhileAway(t *testing.T) {
	for _, away := range []time.Duration{0, time.Second, 10 * time.Minute, AskedLate - time3} {
		for _, ip := range []func(*Attempt){from(home), from(nowIP)} { // without an address no login joins the push
			t.Run(away.String(), func(t *testing.T) {
				inEnduring(t, func(w *enduring) {
					var told []string
					w.process.OnFraud = func(user, txid string) {
						told = append(told, user+" "+txid)
						if s, err := memory.Decode(bytes.NewReader(w.save())); err != nil || len(s.Approvals) != 0 || len(s.Pushes) != 2 {
							t.Errorf("what is saved now knows nothing of it: %+v, %v", s, err)
						}
					}
					w.client.Remember = 8 * time.Hour
					w.again(ReasonApproved, from(cafe))
					w.answers(never)
					w.pending("pw", ip)()
					b := w.end()
					w.duo.then("T2", denies("fraud", "", time.Second))
					w.passes(away)
					w.begin(b)
					w.again(ReasonRemembered, from(cafe)) // Duo has not reported it yet
					w.passes(time.Second)
					if fmt.Sprint(told) != "[alice T2]" || w.process.Counts().Approvals != 0 {
						t.Errorf("told %q, %d approvals", told, w.process.Counts().Approvals)
					}
					w.wants(w.login("pw", from(cafe)), cooling)
				})
			})
		}
	}
	inEnduring(t, func(w *enduring) { // the daemon does not ask for ever
		w.answers(never)
		w.pending("pw")()
		b := w.end()
		w.passes(AskedLate)
		w.begin(b)
		w.duo.wantPolls("[]")
		w.again(ReasonApproved)
	})
}

// TestLateAllow: an answer that is older than lateAnswer is given to no login.
func TestLateAllow(t *testing.T) {
	inEnduring(t, func(w *enduring) {
		w.answers(never)
		w.wants(w.pending("pw")(), shuttingDown)
		b := w.end()
		w.duo.then("T1", allows(0))
		w.passes(RingingTime)
		w.begin(b)
		w.duo.wantPolls("[T1]")
		w.answers(denied)
		w.wants(w.login("pw"), "reject denied push T2: Login request denied.")
	})
	inEnduring(t, func(w *enduring) { // Duo no longer knows the transaction, which is asked for during a few seconds
		w.answers(never)
		w.wants(w.pending("pw")(), shuttingDown)
		b := w.end()
		w.duo.then("T1", reply{after: time.Hour})
		w.passes(10 * time.Minute)
		w.begin(b)
		w.passes(LateLimit)
		if n := w.process.Counts().Transactions; n != 0 {
			t.Errorf("%d transactions", n)
		}
	})
}

// TestRingingIsTheLast: one user has two transactions, and one has ended. It neither stops the ringing of the other nor
// takes over its logins, in whatever order they are saved.
func TestRingingIsTheLast(t *testing.T) {
	for range 20 {
		inEnduring(t, func(w *enduring) {
			w.client.Remember = 0
			w.client.FirstFactor = nil
			w.answers(timedOut)
			p := w.start("")
			// This is a second login of the first push, such as one that resumes a challenge.
			key, _ := w.policy.KeysOf(w.attempt("", from(cafe)))
			w.process.Transactions.AddKey(w.Context(), w.joined(w.attempt("")).ID, key, Account{})
			w.passes(55 * time.Second)
			p.wants("reject no-answer push T1: No answer came from your phone. Try again.")
			w.passes(6 * time.Second)
			w.answers(never)
			w.wants(w.pending("")(), "reject shutting-down push T2"+later)
			w.duo.then("T2", allows(10*time.Second))
			w.restart()
			if v := w.login("", from(netipLab)); v.Reason != ReasonPending {
				t.Error(line(v))
			}
			w.wants(w.login(""), "accept approved push T2")
		})
	}
}

var netipLab = cafe.Next()
