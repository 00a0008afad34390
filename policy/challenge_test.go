package policy_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/factor"
)

const (
	menuText = "1. Duo Push to XXX-XXX-4508\n2. Phone call to XXX-XXX-4508\n3. Phone call to XXX-XXX-0100\n" +
		"4. SMS passcodes to XXX-XXX-4508 (next code starts with 1)\nPasscode or option (1-4):"
	menuOffer  = "challenge challenged: Duo login for alice\n" + menuText
	wrongAgain = "challenge denied passcode: Incorrect passcode. Please try again.\n" + menuText
	badState   = "reject bad-state: This login is over. Start again."
)

// inChallenge runs f in a world whose client shows challenges, and whose user has two phones and a token.
func inChallenge(t *testing.T, f func(w *world)) {
	t.Helper()
	inWorld(t, func(w *world) {
		w.client.Mode = ModeChallenge
		w.duo.pre.Devices = []Device{smartphone, landline, token}
		f(w)
	})
}

// offered begins a login and returns the State of its menu.
func (w *world) offered() string {
	w.Helper()
	v := w.login("pw")
	w.wants(v, menuOffer)
	return v.State
}

// answer answers a challenge, compares the Verdict with want and returns its State.
func (w *world) answer(s, text, want string) string {
	w.Helper()
	v := w.login(text, state(s))
	w.wants(v, want)
	if v.State == s && s != "" {
		w.Errorf("the State came back")
	}
	return v.State
}

// TestAnswers: what users can type at the menu.
func TestAnswers(t *testing.T) {
	const odd = "challenge bad-factor: That is neither a passcode nor an option.\n" + menuText
	const noDevice = "challenge no-device: Duo can't reach a device of yours that way from here. Type a passcode.\n" + menuText
	for _, tt := range []struct{ text, asked, want string }{
		{"1", "push:D1", "accept approved push T1"},
		{" 1 ", "push:D1", "accept approved push T1"},
		{"2", "phone:D1", "accept approved phone T1"},
		{"3", "phone:D2", "accept approved phone T1"},
		{"push", "push:D1", "accept approved push T1"},
		{"Phone2", "phone:D2", "accept approved phone T1"},
		{"123456", "passcode:123456", "accept approved passcode"},
		{"123456789", "passcode:123456789", "accept approved passcode"},
		{otp, "passcode:" + otp, "accept approved passcode"},
		{"5", "", odd},
		{"0", "", odd},
		{"9", "", odd},
		{"", "", odd},
		{"auto", "", odd},
		{"12345", "", odd},
		{"pw,123456", "", odd},
		{"push2", "", noDevice},
	} {
		t.Run(tt.text, func(t *testing.T) {
			inChallenge(t, func(w *world) {
				w.client.Remember = time.Hour
				s := w.offered()
				if tt.asked != "" {
					w.answers(allows(time3))
				}
				w.answer(s, tt.text, tt.want)
				w.asked(tt.asked)
				if got := w.process.Counts().Approvals == 1; got != (tt.asked != "") {
					t.Errorf("remembered: %v", got)
				}
				w.told("alice:pw") // once: the answer is no password
			})
		})
	}
}

func TestThreeTries(t *testing.T) {
	inChallenge(t, func(w *world) {
		w.answers(wrong, wrong, wrong)
		s := w.offered()
		s2 := w.answer(s, "111111", wrongAgain)
		s3 := w.answer(s2, "222222", wrongAgain)
		w.answer(s3, "333333", "reject denied passcode: Incorrect passcode. Please try again.")
		for _, old := range []string{s, s2, s3} {
			w.answer(old, "444444", badState)
		}
		w.asked("passcode:111111 passcode:222222 passcode:333333")
	})
	inChallenge(t, func(w *world) { // the second is right
		w.answers(wrong, allows(0))
		w.answer(w.answer(w.offered(), "111111", wrongAgain), "222222", "accept approved passcode")
	})
	inChallenge(t, func(w *world) { // a user who is locked out is not asked again
		w.answers(denies("locked_out", "Your account is locked out", 0))
		w.answer(w.offered(), "111111", "reject denied-by-duo passcode: Your account is locked out")
	})
	inChallenge(t, func(w *world) { // a text that is not a code counts as well
		const odd = "That is neither a passcode nor an option."
		s := w.answer(w.offered(), "x", "challenge bad-factor: "+odd+"\n"+menuText)
		w.answer(w.answer(s, "y", "challenge bad-factor: "+odd+"\n"+menuText), "z", "reject bad-factor: "+odd)
	})
	inChallenge(t, func(w *world) { // and so does a factor that is not allowed
		w.client.Factors = []factor.Factor{factor.Push}
		v := w.login("pw")
		w.answer(v.State, "123456", "challenge factor-not-allowed: This factor is not allowed here.\n1. Duo Push to XXX-XXX-4508\nOption (1):")
	})
}

// TestBadState: if anything is wrong with a State, the login neither goes on nor begins again.
func TestBadState(t *testing.T) {
	for _, tt := range []struct {
		name string
		but  func(w *world, a *Attempt)
	}{
		{"unknown", func(_ *world, a *Attempt) { a.State = strings.Repeat("0", 32) }},
		{"of somebody else", func(_ *world, a *Attempt) { a.State = "X" }},
		{"another client", func(w *world, a *Attempt) { c := w.at("lab", "vpn"); a.Client = &c }},
		{"another user", func(_ *world, a *Attempt) { a.User = "bob" }},
		{"no user", func(_ *world, a *Attempt) { a.User = "" }},
		{"another address", func(_ *world, a *Attempt) { a.UserIP = cafe }},
		{"expired", func(*world, *Attempt) { time.Sleep(2 * time.Minute) }},
	} {
		for _, text := range []string{"pw", "123456", "1", ""} {
			t.Run(tt.name+"/"+text, func(t *testing.T) {
				inChallenge(t, func(w *world) {
					a := w.attempt(text, state(w.offered()))
					tt.but(w, &a)
					w.wants(w.decide(w.Context(), a), badState)
					w.asked("")
					w.told("alice:pw")
				})
			})
		}
	}
	inChallenge(t, func(w *world) { // just in time; the try of another client or user has not used it up
		s := w.offered()
		w.wants(w.login("123456", state(s), as("bob")), badState)
		w.wants(w.login("123456", state(s), through(w.at("lab", "vpn"))), badState)
		time.Sleep(2*time.Minute - 1)
		w.answers(allows(0))
		w.answer(s, "123456", "accept approved passcode")
		w.answer(s, "123456", badState)
	})
}

// TestStateOnce: 32 answers to one challenge come at one moment. One of them goes on. If all are the same, they are one
// answer.
func TestStateOnce(t *testing.T) {
	for _, same := range []bool{false, true} {
		inChallenge(t, func(w *world) {
			w.duo.scripts = func(AuthRequest) reply { return allows(time3) }
			s := w.offered()
			w.preauthTakes(time.Second)
			var answers []*pending
			for n := range 32 {
				code := "1234" + string(rune('0'+n/10)) + string(rune('0'+n%10))
				if same {
					code = "123456"
				}
				answers = append(answers, w.start(code, state(s)))
			}
			got := map[string]int{}
			for _, p := range answers {
				got[line(<-p.verdict)]++
			}
			accepted := 1
			if same {
				accepted = 32
			}
			if _, auths := w.duo.counts(); auths != 1 || got["accept approved passcode"] != accepted || got[badState] != 32-accepted {
				t.Errorf("%d auths, %v", auths, got)
			}
		})
	}
}

// TestAnswerAddress: a client may leave the user's address out of its answer; the rules that fitted before still apply.
func TestAnswerAddress(t *testing.T) {
	inChallenge(t, func(w *world) {
		w.client.Remember = time.Hour
		w.settings.Rules = []Rule{{Networks: []netip.Prefix{netip.PrefixFrom(home, 24)}, Factors: []factor.Factor{factor.Passcode}}}
		w.load()
		v := w.login("pw")
		w.wants(v, "challenge challenged: Duo login for alice\nPasscode:")
		v = w.login("push", state(v.State), from(nowIP))
		w.wants(v, "challenge factor-not-allowed: This factor is not allowed here.\nPasscode:")
		w.answers(allows(0))
		w.wants(w.login("123456", state(v.State), from(nowIP)), "accept approved passcode")
		if got := w.duo.auths[0].IP; got != home {
			t.Errorf("Duo was told %v", got)
		}
		w.again(ReasonRemembered)
	})
	inChallenge(t, func(w *world) { // an address that was unknown at first can't be added later
		v := w.login("pw", from(nowIP))
		w.wants(w.login("123456", state(v.State)), badState)
	})
	inChallenge(t, func(w *world) { // nor can an unsigned login become a signed one
		w.client.Remember = time.Hour
		v := w.login("pw", unsigned)
		w.answers(allows(0))
		w.wants(w.login("123456", state(v.State)), "accept approved passcode")
		w.wants(w.login("pw"), menuOffer)
	})
}

// TestSMSInChallenge: passcodes are sent, and then the challenge asks for one.
func TestSMSInChallenge(t *testing.T) {
	const codesSent = "challenge challenged sms: New passcodes were sent by SMS.\nPasscode:"
	inChallenge(t, func(w *world) {
		w.answers(sent, wrong, allows(0))
		s := w.answer(w.offered(), "4", codesSent)
		s = w.answer(s, "1111111", "challenge denied passcode: Incorrect passcode. Please try again.\nPasscode:")
		w.answer(s, "1234567", "accept approved passcode")
		w.asked("sms:D1 passcode:1111111 passcode:1234567")
	})
	inChallenge(t, func(w *world) { // the number of rounds is bounded, whatever they were for
		for range ChallengeRounds {
			w.duo.script = append(w.duo.script, sent)
		}
		s, v := w.offered(), Verdict{}
		for n := 0; s != ""; n++ {
			if n > ChallengeRounds {
				t.Fatal("challenges without end")
			}
			v = w.login("sms", state(s))
			s = v.State
		}
		w.wants(v, "reject denied sms: Login denied.")
	})
}

// TestPushInChallenge: a push that the user chooses answers the login. The same answer with the same State joins that push.
func TestPushInChallenge(t *testing.T) {
	inChallenge(t, func(w *world) {
		w.ldap.accounts = map[string]Account{"alice": {DuoUsername: "asmith"}}
		w.client.Remember = time.Hour
		w.answers(allows(20 * time.Second))
		s := w.offered()
		first := w.start("1", state(s))
		time.Sleep(5 * time.Second)
		second := w.start("1", state(s))
		other := w.start("2", state(s))
		other.wants(badState)
		first.wants("accept approved push T1")
		second.wants("accept approved push T1")
		w.answer(s, "1", badState)
		w.again(ReasonRemembered)
		if got := w.duo.auths[0].User; got != (Identity{Username: "asmith"}) {
			t.Errorf("Duo was asked about %+v", got)
		}
	})
	inChallenge(t, func(w *world) { // a no ends the login
		w.answers(denied)
		s := w.offered()
		w.answer(s, "1", "reject denied push T1: Login request denied.")
		w.answer(s, "1", badState)
	})
	inChallenge(t, func(w *world) { // the client went away; its user's next try finds the answer here, and it is remembered
		w.ldap.accounts = map[string]Account{"alice": {DuoUsername: "asmith"}}
		w.client.Remember = time.Hour
		w.answers(allows(20 * time.Second))
		s := w.offered()
		first := w.start("1", state(s))
		first.abandon()
		first.wants("reject abandoned push T1")
		time.Sleep(25 * time.Second)
		w.answer(s, "1", "accept approved push T1")
		w.answer(s, "1", badState)
		w.again(ReasonRemembered)
	})
	inChallenge(t, func(w *world) { // so does a user who begins again with the right password
		w.answers(allows(57 * time.Second))
		w.answer(w.offered(), "1", "reject no-answer push T1: No answer came from your phone. Try again.")
		time.Sleep(5 * time.Second)
		w.wants(w.login("no"), "reject bad-password: Wrong user name or password.")
		w.wants(w.login("pw", from(cafe)), menuOffer)
		w.wants(w.login("pw"), "accept approved push T1")
		w.offered()
	})
	inChallenge(t, func(w *world) { // and one who begins again while the phone still rings
		const live = "Answer the request on your phone, then press Enter here (or type a passcode):"
		w.answers(allows(20*time.Second), wrong)
		first := w.start("1", state(w.offered()))
		first.abandon()
		first.wants("reject abandoned push T1")
		v := w.login("pw")
		w.wants(v, "challenge challenged push T1: "+live)
		s := w.answer(v.State, "123456", "challenge denied passcode: Incorrect passcode. Please try again.\nPasscode:")
		w.answer(s, "", "accept approved push T1")
	})
	inChallenge(t, func(w *world) { // from another address a passcode works, but the login joins no push and begins no second one
		const elsewhere = "Another login with your name is asking for approval on your phone. Do not approve what you did not start: deny it and report it in Duo Mobile."
		w.answers(allows(20*time.Second), allows(0))
		first := w.start("1", state(w.offered()))
		v := w.login("pw", from(cafe))
		w.wants(v, "challenge challenged: "+elsewhere+"\n1. SMS passcodes to XXX-XXX-4508 (next code starts with 1)\nPasscode or option (1):")
		v = w.login("push", state(v.State), from(cafe))
		w.wants(v, "challenge push-pending: "+elsewhere+"\n1. SMS passcodes to XXX-XXX-4508 (next code starts with 1)\nPasscode or option (1):")
		w.wants(w.login("123456", state(v.State), from(cafe)), "accept approved passcode")
		first.wants("accept approved push T1")
		w.client.Factors = []factor.Factor{factor.Push}
		w.answers(allows(20 * time.Second))
		first = w.start("push", state(w.login("pw").State))
		w.wants(w.login("pw", from(cafe)), "reject push-pending: "+elsewhere)
		first.wants("accept approved push T2")
	})
}
