package policy_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/factor"
)

const unanswered = "reject no-answer push T1: No answer came from your phone. Try again."

// TestLostAnswer: if it is not known whether the phone rings, it is not rung again for a minute from the start, whoever
// asks. Passcodes and codes by SMS still work. A transaction that Duo certainly did not begin makes no phone ring.
func TestLostAnswer(t *testing.T) {
	for _, tt := range []struct {
		name  string
		reply reply
		quiet time.Duration // from the start until the phone may ring again
	}{
		{"no connection", reply{err: errDown}, RingingTime},
		{"lost on the way", reply{err: errDown, after: 20 * time.Second}, RingingTime},
		{"lost at the end", reply{err: errDown, after: 50 * time.Second}, RingingTime},
		{"unknown answer", reply{err: errOdd}, RingingTime},
		{"unknown answer of the poll", reply{err: errOdd, after: time.Second}, RingingTime},
		{"panic", reply{panics: true}, RingingTime},
		{"refused", reply{err: errNo}, 0},
		{"refused in the end", reply{err: errNo, after: time.Second}, RingingTime},
		{"misconfigured", reply{err: errKeys}, 0},
		{"misconfigured in the end", reply{err: errKeys, after: time.Second}, RingingTime},
	} {
		for _, field := range []string{"pw", "pw,phone"} {
			t.Run(tt.name+"/"+field, func(t *testing.T) {
				inWorld(t, func(w *world) {
					begun := time.Now()
					w.answers(tt.reply)
					if v := w.login(field); v.Outcome != OutcomeReject || v.Reason == ReasonPending {
						t.Fatal(line(v))
					}
					if time.Since(begun) < tt.quiet {
						w.wants(w.login(field), pushPending)
						w.wants(w.login("pw", from(cafe)), pushPending)
						w.wants(w.login("pw,phone2"), pushPending)
						w.answers(allows(0), sent)
						w.wants(w.login("pw,123456"), "accept approved passcode")
						w.wants(w.login("pw,sms"), "reject codes-sent sms: New passcodes were sent by SMS. "+typeIt)
						time.Sleep(tt.quiet - time.Since(begun) - 1)
						w.wants(w.login(field), pushPending)
						time.Sleep(time.Nanosecond)
					}
					w.answers(allows(0))
					if v := w.login(field); v.Reason != ReasonApproved {
						t.Error(line(v))
					}
				})
			})
		}
	}
	for _, field := range []string{"pw,123456", "pw,sms"} { // a transaction that makes no phone ring does not keep one busy
		inWorld(t, func(w *world) {
			w.answers(reply{err: errDown}, allows(0))
			w.wants(w.login(field), "reject duo-unavailable "+map[bool]string{true: "sms", false: "passcode"}[field == "pw,sms"]+later)
			w.wants(w.login("pw"), "accept approved push T1")
		})
	}
	inChallenge(t, func(w *world) { // in the menu
		w.answers(reply{err: errOdd, after: time.Second})
		w.answer(w.offered(), "1", "reject duo-unknown-answer push T1"+later)
		w.wants(w.login("pw"), "challenge challenged: Another login with your name is asking for approval on your phone. Do not approve what you did not start: deny it and report it in Duo Mobile.\n"+
			"1. SMS passcodes to XXX-XXX-4508 (next code starts with 1)\nPasscode or option (1):")
		time.Sleep(RingingTime)
		w.offered()
	})
}

// TestLostAnswerLeavesNothing: when the phone is silent and lateAnswer is over, nothing of the transaction is left.
func TestLostAnswerLeavesNothing(t *testing.T) {
	for _, r := range []reply{{err: errDown}, {panics: true}, {err: errOdd, after: 50 * time.Second}, {err: errNo}} {
		inWorld(t, func(w *world) {
			begun := time.Now()
			w.answers(r)
			w.login("pw")
			left := lateAnswer
			if r.err != errNo {
				left = max(RingingTime-time.Since(begun), lateAnswer)
			}
			time.Sleep(left - 1)
			w.keeps(1)
			time.Sleep(time.Nanosecond)
			w.keeps(0)
		})
	}
}

// keeps compares how many transactions that are over can still be joined, or keep a phone ringing.
func (w *world) keeps(want int) {
	w.Helper()
	synctest.Wait()
	if c := w.process.Counts(); c.Kept != want || c.Transactions != 0 {
		w.Errorf("%d transactions are kept, %d are live; want %d, 0", c.Kept, c.Transactions, want)
	}
}

// TestPushTimeout: a login does not wait for its user longer than its client says. The transaction goes on, and the user's
// answer counts for the next try.
func TestPushTimeout(t *testing.T) {
	const approved = "accept approved push T1"
	for _, tt := range []struct {
		name  string
		reply reply
		next  time.Duration // from the first answer until the next try
		want  string
	}{
		{"still ringing", allows(30 * time.Second), time.Second, approved},
		{"still ringing, for long", allows(50 * time.Second), time.Second, unanswered},
		{"approved since", allows(30 * time.Second), 15 * time.Second, approved},
		{"approved within lateAnswer", allows(30 * time.Second), 10*time.Second + lateAnswer - 1, approved},
		{"denied since", denies("deny", "Login request denied.", 30*time.Second), 15 * time.Second, "reject denied push T1: Login request denied."},
		{"approved too long ago", allows(30 * time.Second), 10*time.Second + lateAnswer + 1, ""},
		{"timed out since", denies("timeout", "Login timed out.", 30*time.Second), 15 * time.Second, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.client.PushTimeout = 20 * time.Second
				start := time.Now()
				w.answers(tt.reply)
				v := w.login("pw")
				w.wants(v, unanswered)
				if took := time.Since(start); took != 20*time.Second || v.Err != nil {
					t.Errorf("it took %v, Err is %v", took, v.Err)
				}
				time.Sleep(tt.next)
				if tt.want != "" {
					w.wants(w.login("pw"), tt.want)
					return
				}
				w.answers(allows(0))
				w.wants(w.login("pw"), "accept approved push T2")
			})
		})
	}
	for _, tt := range []struct {
		name, field string
		timeout     time.Duration
		reply       reply
		want        string
		took        time.Duration
	}{
		{"call", "pw,phone", 20 * time.Second, allows(30 * time.Second), "reject no-answer phone T1: No answer came from your phone. Try again.", 20 * time.Second},
		{"in the nick of time", "pw", 20 * time.Second, allows(20*time.Second - 1), approved, 20*time.Second - 1},
		{"code", "pw,123456", time.Second, allows(30 * time.Second), "accept approved passcode", 30 * time.Second},
		{"none", "pw", 0, allows(50 * time.Second), approved, 50 * time.Second},
		{"longer than the login", "pw", time.Hour, allows(57 * time.Second), unanswered, patience},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.client.PushTimeout = tt.timeout
				start := time.Now()
				w.answers(tt.reply)
				w.wants(w.login(tt.field), tt.want)
				if took := time.Since(start); took != tt.took {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
	inWorld(t, func(w *world) { // a client that gives up meanwhile gets no answer, as always
		w.client.PushTimeout = 20 * time.Second
		w.answers(allows(10 * time.Second))
		first := w.start("pw")
		first.abandon()
		first.wants("reject abandoned push T1")
		w.wants(w.login("pw"), approved)
	})
	inChallenge(t, func(w *world) { // an empty answer counts, too
		w.client.PushTimeout, w.duo.pre.Code = 20*time.Second, "376"
		w.answers(allows(30 * time.Second))
		w.answer(w.login("pw").State, "", "reject no-answer push V1: No answer came from your phone. Try again.")
		time.Sleep(15 * time.Second)
		w.wants(w.login("pw"), "accept approved push V1")
	})
}

// TestMaxTransactions: if no more transactions can be live, a login is rejected, whatever failmode says.
func TestMaxTransactions(t *testing.T) {
	const most = 1 << 15
	var live []TransactionID
	full := func(w *world, n int) { // this many are live
		w.Helper()
		for len(live) > n {
			last := len(live) - 1
			w.process.Transactions.Finish(w.Context(), live[last], AuthResult{}, errDown)
			live = live[:last]
		}
		for len(live) < n {
			t, claim, err := w.process.Transactions.Claim(w.Context(), NewTransaction{Transaction: Transaction{Factor: factor.Passcode}})
			if claim != ClaimOwned || err != nil {
				w.Fatal(claim, err)
			}
			live = append(live, t.ID)
		}
	}
	for _, field := range []string{"pw", "pw,123456", "pw,sms"} {
		inWorld(t, func(w *world) {
			w.client.Failmode = FailmodeSafe
			full(w, most)
			v := w.login(field)
			if v.Outcome != OutcomeReject || v.Reason != ReasonDuoUnavailable || !strings.Contains(fmt.Sprint(v.Err), "too many transactions are live") {
				t.Errorf("%s, %v", line(v), v.Err)
			}
			w.asked("")
			full(w, most-1)
			w.answers(allows(0))
			if v := w.login(field); v.Reason != ReasonApproved {
				t.Error(line(v))
			}
			full(w, 0)
		})
	}
	inVerified(t, func(w *world) {
		w.client.Failmode = FailmodeSafe
		full(w, most)
		w.wants(w.login("pw"), "reject duo-unavailable push"+later)
		full(w, 0)
	})
	inWorld(t, func(w *world) { // each end is counted
		w.duo.scripts = func(r AuthRequest) reply {
			return []reply{allows(0), denied, {err: errDown}, {panics: true}, never}[len(w.duo.auths)%5]
		}
		for n := range 20 {
			user := fmt.Sprint("user", n)
			w.ldap.passwords[user] = "pw"
			w.login("pw", as(user))
		}
	}) // end checks that nothing is left
}

// TestForgotten: all approvals of a user who reports a push, or who is locked out, are forgotten. Those of others are kept.
func TestForgotten(t *testing.T) {
	for _, status := range []string{"fraud", "locked_out"} {
		for _, field := range []string{"pw,push", "pw,123456"} {
			inWorld(t, func(w *world) {
				w.client.Remember = time.Hour
				w.settings.Users = []User{{Name: "carol", Duo: Identity{Username: "alice"}}} // the same Duo user
				w.load()
				w.ldap.passwords["carol"] = "pw"
				for _, who := range []func(*Attempt){as("alice"), as("carol"), as("bob"), from(cafe), through(w.at("mail", "mail"))} {
					w.again(ReasonApproved, who)
					w.again(ReasonRemembered, who)
				}
				w.answers(denies(status, "", time.Second))
				w.login(field, from(netip.MustParseAddr("203.0.113.200")))
				w.again(ReasonRemembered, as("bob"))
				if n := w.process.Counts().Approvals; n != 1 {
					t.Errorf("%s of %s leaves %d approvals", status, field, n)
				}
				w.again(ReasonApproved)
			})
		}
	}
	inWorld(t, func(w *world) { // also if no login waits for the answer
		w.client.Remember = time.Hour
		w.again(ReasonApproved)
		w.answers(denies("fraud", "", 30*time.Second))
		p := w.start("pw", from(cafe))
		p.abandon()
		p.wants("reject abandoned push T2")
		w.again(ReasonRemembered)
		time.Sleep(31 * time.Second)
		w.again(ReasonApproved)
	})
	for _, r := range []reply{denied, timedOut, {err: errDown}} { // nothing else makes approvals forgotten
		inWorld(t, func(w *world) {
			w.client.Remember = time.Hour
			w.again(ReasonApproved)
			w.answers(r)
			w.login("pw", from(cafe))
			w.again(ReasonRemembered)
		})
	}
}

// TestMenuNamesNobody: an unsigned packet gets no reply that holds the name that it sent.
func TestMenuNamesNobody(t *testing.T) {
	inChallenge(t, func(w *world) {
		v := w.login("pw", unsigned)
		w.wants(v, "challenge challenged: Duo login\n"+menuText)
		w.wants(w.login("pw"), menuOffer)
	})
}
