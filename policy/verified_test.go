package policy_test

import (
	"testing"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/factor"
)

const verify = "Enter 376 in Duo Mobile, then press Enter here (or type a passcode):"

// inVerified runs f in a challenge world where Duo demands a Verified Push.
func inVerified(t *testing.T, f func(w *world)) {
	t.Helper()
	inChallenge(t, func(w *world) {
		w.duo.pre.Code = "376"
		f(w)
	})
}

// TestVerifiedPush: the code is shown while the phone rings, and an empty answer waits for the push.
func TestVerifiedPush(t *testing.T) {
	inVerified(t, func(w *world) {
		w.client.Remember = time.Hour
		w.answers(allows(10 * time.Second))
		v := w.login("pw")
		w.wants(v, "challenge challenged push V1: "+verify)
		w.asked("push:D1")
		if got := w.duo.auths[0].Txid; got != "V1" {
			t.Errorf("auth with txid %q", got)
		}
		start := time.Now()
		w.answer(v.State, "", "accept approved push V1")
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("Enter took %v", took)
		}
		w.answer(v.State, "", badState)
		w.again(ReasonRemembered)
	})
	for _, tt := range []struct {
		name  string
		reply reply
		want  string
	}{
		{"approved before Enter", allows(time.Second), "accept approved push V1"},
		{"denied", denied, "reject denied push V1: Login request denied."},
		{"no answer", denies("timeout", "Login timed out.", 50*time.Second), "reject no-answer push V1: Login timed out."},
		{"never", never, "reject no-answer push V1: No answer came from your phone. Try again."},
		{"an error", reply{err: errDown}, "reject duo-unavailable push" + later},
		{"an error of the poll", reply{err: errDown, after: time.Second}, "reject duo-unavailable push V1" + later},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inVerified(t, func(w *world) {
				w.client.Failmode = FailmodeSafe
				w.answers(tt.reply)
				s := w.login("pw").State
				time.Sleep(2 * time.Second)
				w.answer(s, " ", tt.want)
			})
		})
	}
}

// TestVerifiedPushRetries: whatever is sent again while the phone rings, there is one push.
func TestVerifiedPushRetries(t *testing.T) {
	inVerified(t, func(w *world) { // an empty answer, with a new Identifier
		w.answers(allows(20 * time.Second))
		s := w.login("pw").State
		first := w.start("", state(s))
		time.Sleep(5 * time.Second)
		second := w.start("", state(s))
		first.wants("accept approved push V1")
		second.wants("accept approved push V1")
	})
	inVerified(t, func(w *world) { // the first request again: its challenge was lost, and the code is shown again
		w.answers(allows(20 * time.Second))
		lost := w.login("pw").State
		time.Sleep(5 * time.Second)
		v := w.login("pw")
		w.wants(v, "challenge challenged push V1: "+verify)
		one, two := w.start("", state(v.State)), w.start("", state(lost))
		one.wants("accept approved push V1")
		two.wants("accept approved push V1")
	})
	inVerified(t, func(w *world) { // two at one moment
		w.preauthTakes(time.Second)
		w.answers(allows(20 * time.Second))
		one, two := w.start("pw"), w.start("pw")
		v1, v2 := <-one.verdict, <-two.verdict
		if v1.Message != verify || v2.Message != verify || v1.Txid != v2.Txid {
			t.Errorf("%s\n%s", line(v1), line(v2))
		}
		w.answer(v1.State, "", "accept approved push "+v1.Txid)
	})
	inVerified(t, func(w *world) { // the user approves after the client has given up
		w.answers(allows(58 * time.Second))
		w.answer(w.login("pw").State, "", "reject no-answer push V1: No answer came from your phone. Try again.")
		time.Sleep(10 * time.Second)
		w.wants(w.login("pw"), "accept approved push V1")
	})
	inVerified(t, func(w *world) { // from another address
		w.answers(allows(20 * time.Second))
		s := w.login("pw").State
		w.wants(w.login("pw", from(cafe)), "challenge challenged: Another login with your name is asking for approval on your phone. Do not approve what you did not start: deny it and report it in Duo Mobile.\n"+
			"1. SMS passcodes to XXX-XXX-4508 (next code starts with 1)\nPasscode or option (1):")
		w.answer(s, "", "accept approved push V1")
	})
	inVerified(t, func(w *world) { // without an address
		w.answers(allows(20 * time.Second))
		v := w.login("pw", from(nowIP))
		w.wants(v, "challenge challenged push V1: "+verify)
		w.wants(w.login("", state(v.State), from(nowIP)), "accept approved push V1")
	})
}

// TestVerifiedPushOrCode: a passcode works as well as the push.
func TestVerifiedPushOrCode(t *testing.T) {
	inVerified(t, func(w *world) {
		w.answers(denies("timeout", "Login timed out.", time.Minute), allows(time.Second))
		w.answer(w.login("pw").State, "123456", "accept approved passcode")
	})
	inVerified(t, func(w *world) { // after a wrong passcode the push goes on
		w.answers(allows(20*time.Second), wrong, wrong)
		s := w.answer(w.login("pw").State, "111111", "challenge denied passcode: Incorrect passcode. Please try again.\nPasscode:")
		s = w.answer(s, "222222", "challenge denied passcode: Incorrect passcode. Please try again.\nPasscode:")
		w.answer(s, "", "accept approved push V1")
	})
	inVerified(t, func(w *world) { // where passcodes are not allowed, the text asks for none
		w.client.Factors = []factor.Factor{factor.Push}
		w.answers(allows(20 * time.Second))
		v := w.login("pw")
		w.wants(v, "challenge challenged push V1: Enter 376 in Duo Mobile, then press Enter here:")
		w.answer(v.State, "", "accept approved push V1")
	})
	for _, factors := range [][]factor.Factor{{factor.Phone, factor.Passcode}, {factor.Passcode}} {
		inVerified(t, func(w *world) { // where pushes are not allowed, none is sent
			w.client.Factors = factors
			if v := w.login("pw"); v.Outcome != OutcomeChallenge || v.Txid != "" {
				t.Error(line(v))
			}
			w.asked("")
		})
	}
}

// TestEnroll: only a user who has typed the right password gets the portal's address.
func TestEnroll(t *testing.T) {
	const portal = "You are not enrolled in Duo yet: https://api-x.duosecurity.com/portal?code=48bac5d9393fb2c2"
	for _, mode := range []Mode{ModeAuto, ModeChallenge} {
		inWorld(t, func(w *world) {
			w.client.Mode = mode
			w.duo.pre = Preauth{Result: PreauthEnroll, EnrollURL: "https://api-x.duosecurity.com/portal?code=48bac5d9393fb2c2"}
			w.wants(w.login("no"), "reject bad-password: Wrong user name or password.")
			v := w.login("pw")
			if mode == ModeAuto {
				w.wants(v, "reject not-enrolled: "+portal)
				return
			}
			w.wants(v, "challenge challenged: "+portal+"\nEnrol, then type a passcode or push:")
			w.answer(v.State, "push", "reject not-enrolled: "+portal)
			s := w.login("pw").State
			w.duo.pre = Preauth{Result: PreauthAuth, Devices: []Device{smartphone}}
			w.answers(allows(time3))
			w.answer(s, "push", "accept approved push T1")
		})
	}
}

// TestChallengeWhenDuoIsDown: failmode applies at preauth, as without a challenge, and never at auth.
func TestChallengeWhenDuoIsDown(t *testing.T) {
	inChallenge(t, func(w *world) {
		w.duo.preErr = errDown
		w.wants(w.login("pw"), "reject duo-unavailable"+later)
		w.client.Failmode = FailmodeSafe
		w.wants(w.login("pw"), "accept failed-open")
		w.duo.preErr = nil
		w.answers(reply{err: errDown})
		w.answer(w.offered(), "123456", "reject duo-unavailable passcode"+later)
	})
}

// TestReloadWhileAsking: a State stays good after a reload, and the new configuration applies to its login.
func TestReloadWhileAsking(t *testing.T) {
	for _, tt := range []struct {
		name   string
		reload func(s *Settings)
		want   string
	}{
		{"unchanged", func(*Settings) {}, "accept approved push T1"},
		{"another user", func(s *Settings) { s.Users = append(s.Users, User{Name: "bob"}) }, "accept approved push T1"},
		{"denied", func(s *Settings) { s.Rules = []Rule{{Need: NeedDeny}} }, "reject denied-by-rule: Wrong user name or password."},
		{"removed", func(s *Settings) { s.Users, s.Unlisted = nil, UnlistedReject }, "reject unlisted: Wrong user name or password."},
		{"elsewhere", func(s *Settings) { s.Users[0].Services, s.Users[0].Elsewhere = []string{"mail"}, ElsewhereReject },
			"reject elsewhere: Wrong user name or password."},
		{"another Duo user", func(s *Settings) { s.Users[0].Duo = Identity{UserID: "DU2"} }, badState},
		{"fewer factors", func(s *Settings) { s.Rules = []Rule{{Factors: []factor.Factor{factor.Passcode}}} },
			"challenge factor-not-allowed: This factor is not allowed here.\n" + menuText},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inChallenge(t, func(w *world) {
				w.settings.Users = []User{{Name: "alice"}}
				w.load()
				s := w.offered()
				w.settings.Users = []User{{Name: "alice"}}
				tt.reload(&w.settings)
				w.load()
				if tt.want == "accept approved push T1" {
					w.answers(allows(time3))
				}
				w.answer(s, "1", tt.want)
			})
		})
	}
	inChallenge(t, func(w *world) { // while its push rings: a retry by another Duo user does not join
		w.answers(allows(20 * time.Second))
		s := w.offered()
		first := w.start("1", state(s))
		w.settings.Users = []User{{Name: "alice", Duo: Identity{UserID: "DU2"}}}
		w.load()
		w.answer(s, "1", badState)
		first.wants("accept approved push T1")
	})
	inChallenge(t, func(w *world) { // while its push rings: the retry joins
		w.answers(allows(20 * time.Second))
		s := w.offered()
		first := w.start("1", state(s))
		w.load()
		w.answer(s, "1", "accept approved push T1")
		first.wants("accept approved push T1")
	})
}
