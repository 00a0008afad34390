package policy_test

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/factor"
	"duoradiusd/policy/guard"
)

// TestChallengeSurvives: a challenge can be answered after a restart, once, by its own client, user and address.
func TestChallengeSurvives(t *testing.T) {
	menu := func(t *testing.T, f func(w *enduring, s string)) {
		inEnduring(t, func(w *enduring) {
			w.client.Mode = ModeChallenge
			w.duo.pre.Devices = []Device{smartphone, landline, token}
			f(w, w.offered())
		})
	}
	menu(t, func(w *enduring, s string) {
		w.restart()
		w.answers(wrong, allows(0))
		s = w.answer(s, "111111", wrongAgain)
		w.restart()
		w.answer(s, "2", "accept approved phone T1")
		w.restart()
		w.answer(s, "2", badState)
		w.again(ReasonRemembered)
		w.asked("passcode:111111 phone:D1")
	})
	for name, but := range map[string]func(*Attempt){"another client": func(a *Attempt) { c := *a.Client; c.Name = "lab"; a.Client = &c },
		"another user": as("bob"), "another address": from(cafe)} {
		menu(t, func(w *enduring, s string) {
			w.restart()
			if v := w.login("1", state(s), but); v.Reason != ReasonBadState {
				t.Errorf("%s: %s", name, line(v))
			}
		})
	}
	menu(t, func(w *enduring, s string) { // three wrong passcodes before and after the restart
		w.answers(wrong, wrong, wrong)
		for range 2 {
			s = w.answer(s, "111111", wrongAgain)
			w.restart()
		}
		w.answer(s, "111111", "reject denied passcode: Incorrect passcode. Please try again.")
	})
	menu(t, func(w *enduring, s string) {
		b := w.end()
		w.passes(ChallengeLife)
		w.begin(b)
		w.answer(s, "1", badState)
	})
}

// TestVerifiedPushSurvives: an empty answer still waits for the push whose code the user has seen.
func TestVerifiedPushSurvives(t *testing.T) {
	inEnduring(t, func(w *enduring) {
		w.client.Mode, w.duo.pre.Code = ModeChallenge, "376"
		for i, ip := range []func(*Attempt){from(home), from(nowIP)} {
			txid := fmt.Sprint("V", i+1)
			if i == 1 {
				txid = "V2"
				w.client.Remember = 0
			}
			w.answers(never)
			v := w.login("pw", ip)
			w.wants(v, "challenge challenged push "+txid+": "+verify)
			w.duo.then(txid, allows(time3))
			w.restart()
			if i == 0 { // a user who begins again sees the code again
				w.wants(w.login("pw", ip), "challenge challenged push "+txid+": "+verify)
			}
			w.wants(w.login("", ip, state(v.State)), "accept approved push "+txid)
		}
	})
}

// TestAskBackSurvives: the State of an upstream's prompt survives, with the factor that was typed beside the password.
func TestAskBackSurvives(t *testing.T) {
	for field, want := range map[string]string{"pw,123456": "accept approved passcode", "pw,phone2": "accept approved phone T1",
		"pw": "accept approved push T1"} {
		inEnduring(t, func(w *enduring) {
			u := &upstream{t: t, states: map[string]bool{}}
			w.client.FirstFactor = u
			w.client.PassAll = true
			u.says(back(AskBack{State: "S1"}), back(AskBack{State: "S2"}), yes(Account{Attributes: []Attribute{attr(class, "up")}}))
			s := w.login(field).State
			w.restart()
			s = w.login("new", state(s)).State
			w.restart()
			w.answers(allows(0))
			v := w.login("otp", state(s))
			w.wants(v, want)
			w.wantsAttributes(v, "25=up")
			w.upstreamWasAsked(u, "alice:pw alice:new@S1 alice:otp@S2")
		})
	}
}

// TestAnswerLostInRestart: a user has answered a challenge, and the client asks again after the restart with the same, used
// State. The push that the answer began answers this login, and the first factor's facts about the user are kept.
func TestAnswerLostInRestart(t *testing.T) {
	inEnduring(t, func(w *enduring) {
		w.client.Mode, w.client.PassAll = ModeChallenge, true
		w.duo.pre.Devices = []Device{smartphone, landline, token}
		w.ldap.accounts = map[string]Account{"alice": {Groups: []string{"staff"}, Attributes: []Attribute{attr(class, "up")}}}
		s := w.offered()
		w.answers(never)
		w.wants(w.pending("1", state(s))(), shuttingDown)
		w.duo.then("T1", allows(time3))
		w.restart()
		v := w.login("1", state(s))
		w.wants(v, "accept approved push T1")
		w.wantsAttributes(v, "25=up")
	})
}

// TestWholeChallenge: each field is saved but passwords, which are in fields that are not exported.
func TestWholeChallenge(t *testing.T) {
	ends := time.Now().Add(time.Minute).Round(0)
	want := &OpenChallenge{LoginID: "L1", Client: "vpn", User: "al", Duo: Identity{"DU1", "alice"}, UserIP: home, Authentic: true,
		Account: Account{User: "alice", DuoUsername: "asmith", Groups: []string{"staff"}, NestedGroups: []string{"all"}, Directory: map[string][]string{"ip": {"10.0.0.1"}}, EAP: "\x03\x01\x00\x04", Unproven: true,
			Expired:    &Expiry{Why: "password expired", State: "S1"},
			Attributes: []Attribute{attr(class, "up")}, Proof: []Attribute{vsa(cisco, 1, "key")}},
		Dialogue:    &Dialogue{Method: MethodEAP, State: "S1", Chosen: factor.Chosen{Factor: factor.Phone, Device: 2, DeviceID: "D1", Code: "123456", Bad: true}, Rounds: 3, Answered: AnswerDigest{1}},
		Origin:      JoinKey{Client: "vpn", Application: "DI1", User: "al", Duo: Identity{"DU1", "alice"}, IP: home, Digest: [32]byte{1, 31: 2}},
		NewPassword: &NewPassword{Factor: factor.Push, Txid: "T1", Wrong: 2, Again: true},
		Options:     []Option{{factor.Push, smartphone}, {factor.SMS, landline}}, Wrong: 2, Rounds: 5, Pushed: "P1", Ends: ends}
	for _, v := range []any{*want, *want.Dialogue, want.Dialogue.Chosen, want.Origin, want.Account, *want.NewPassword} {
		for i := range reflect.TypeOf(v).NumField() {
			if reflect.TypeOf(v).Field(i).IsExported() && reflect.ValueOf(v).Field(i).IsZero() {
				t.Errorf("%T.%s is not tested", v, reflect.TypeOf(v).Field(i).Name)
			}
		}
	}
	from, to := newProcess(1), newProcess(1)
	state, err := from.Challenges.Put(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := from.Save(&b); err != nil {
		t.Fatal(err)
	}
	if err := to.restore(&b, func(string) SecondFactor { return nil }, guard.PushLimits{}); err != nil {
		t.Fatal(err)
	}
	got, err := to.Challenges.Take(t.Context(), state, "vpn", "al")
	if err != nil || got == nil {
		t.Fatal("it is lost", err)
	}
	if !got.Ends.Equal(ends) {
		t.Errorf("it ends at %v", got.Ends)
	}
	got.Ends = ends
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v %+v\nwant %+v %+v", got, got.Dialogue, want, want.Dialogue)
	}
}
