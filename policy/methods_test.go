package policy_test

import (
	"fmt"
	"testing"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/factor"
)

// by returns a change that makes a login use another method than a password.
func by(m Method) func(*Attempt) { return func(a *Attempt) { a.Method = m } }

var noPassword = []Method{MethodCHAP, MethodMSCHAP, MethodEAP}

const success, failure = "\x03\x07\x00\x04", "\x04\x07\x00\x04" // EAP packets

// TestMethodsWithoutFirstFactor: nobody could check these methods, so they are rejected at once, and nobody is asked.
func TestMethodsWithoutFirstFactor(t *testing.T) {
	for _, m := range noPassword {
		inWorld(t, func(w *world) {
			w.client.FirstFactor = nil
			w.client.Failmode = FailmodeSafe
			w.settings.Unlisted = UnlistedFirstFactor
			w.rules(Rule{Need: NeedExempt})
			v := w.login("", by(m))
			w.wants(v, "reject unsupported-method")
			if !v.Immediate || v.User != "alice" {
				t.Errorf("%v: Immediate %v, User %q", m, v.Immediate, v.User)
			}
			if preauths, _ := w.duo.counts(); preauths != 0 {
				t.Error("Duo was asked")
			}
		})
	}
}

// TestUnsupported: a first factor that can't check a method has asked nobody, so the guard does not count the login.
func TestUnsupported(t *testing.T) {
	for _, m := range append(noPassword, MethodPassword) {
		inRelay(t, func(w *world, u *upstream) {
			u.scripts = func(r FirstRequest) said {
				return said{err: fmt.Errorf("directory: %v: %w", r.Method, ErrUnsupported)}
			}
			field := map[bool]string{true: "pw"}[m == MethodPassword]
			for range 2 * wrongPerAddress {
				v := w.login(field, by(m))
				if line(v) != "reject unsupported-method" || !v.Immediate || v.Err != nil {
					w.Fatalf("%v: %s, Immediate %v, Err %v", m, line(v), v.Immediate, v.Err)
				}
			}
			if preauths, _ := w.duo.counts(); preauths != 0 {
				t.Error("Duo was asked")
			}
			u.scripts = func(FirstRequest) said { return said{err: ErrRejected} }
			for range wrongPerUser {
				w.wants(w.login("no"), wrongWord)
			}
			w.wants(w.login("no"), "reject throttled: Too many wrong passwords. Try again in 30 seconds.")
		})
	}
}

// TestModes: a method without a password has no field for a passcode and shows no menu. Its second factor is a push.
func TestModes(t *testing.T) {
	const push, needs = "accept approved push T1", "reject passcode-needed: " + typeIt
	for _, tt := range []struct {
		client, rule Mode
		factors      []factor.Factor
		want         string
	}{
		{"", "", nil, push},
		{ModeAuto, "", nil, push},
		{ModeChallenge, "", nil, push},
		{"", ModeChallenge, nil, push},
		{ModePasscode, "", nil, needs},
		{"", ModePasscode, nil, needs},
		{ModePasscode, ModeChallenge, nil, push},
		{ModeChallenge, ModePasscode, nil, needs},
		{ModeChallenge, "", []factor.Factor{factor.Passcode, factor.SMS}, needs},
		{ModeChallenge, "", []factor.Factor{factor.Passcode, factor.Phone}, "accept approved phone T1"},
	} {
		for _, m := range noPassword {
			inRelay(t, func(w *world, u *upstream) {
				w.client.Mode = tt.client
				if tt.factors != nil {
					w.client.Factors = tt.factors
				}
				w.rules(Rule{Mode: tt.rule})
				u.says(yes(Account{}))
				if tt.want != needs {
					w.answers(allows(time3))
				}
				w.wants(w.login("", by(m)), tt.want)
				if preauths, auths := w.duo.counts(); tt.want == needs && preauths+auths != 0 {
					t.Errorf("%v: %d preauths, %d auths", m, preauths, auths)
				}
				if len(w.duo.preauths) == 1 && w.duo.preauths[0].VerifiedPush {
					t.Errorf("%v: we told Duo that we can show a code", m)
				}
			})
		}
	}
}

// TestRenamed: a directory may know the user by another name than the one that was typed. The client still sends the typed
// name, in the answer to a challenge and in its retry.
func TestRenamed(t *testing.T) {
	inChallenge(t, func(w *world) {
		w.ldap.accounts = map[string]Account{"alice": {User: "asmith", Groups: []string{"staff"}}}
		w.settings.Users = []User{{Name: "asmith", Duo: Identity{UserID: "DU1"}}}
		w.load()
		v := w.login("pw")
		if v.User != "asmith" || v.Reason != ReasonChallenged {
			w.Fatalf("%s, User %q", line(v), v.User)
		}
		w.wants(w.login("1", state(v.State), as("asmith")), badState)
		w.answers(allows(10 * time.Second))
		first, second := w.start("1", state(v.State)), w.start("1", state(v.State))
		first.wants("accept approved push T1")
		second.wants("accept approved push T1")
		if got := w.duo.auths[0].User.UserID; got != "DU1" {
			t.Errorf("at Duo it is %q", got)
		}
	})
}

// TestJoinOfMethods: a client asks again with a new Identifier while the phone rings. No second push begins, neither for
// whole logins by CHAP and MS-CHAP, nor for the last packet of an EAP conversation.
func TestJoinOfMethods(t *testing.T) {
	for _, m := range noPassword {
		t.Run(m.String(), func(t *testing.T) {
			inRelay(t, func(w *world, u *upstream) {
				u.scripts = func(FirstRequest) said { return yes(Account{EAP: success, Proof: []Attribute{vsa(311, 26, "S=1")}}) }
				w.answers(allows(10 * time.Second))
				first := w.start("", by(m))
				time.Sleep(time.Second)
				second := w.start("", by(m))
				for _, p := range []*pending{first, second} {
					v := <-p.verdict
					if w.wants(v, "accept approved push T1"); v.EAP != success || attributes(v) != "311/26=S=1" {
						t.Errorf("EAP %q, attributes %q", v.EAP, attributes(v))
					}
				}
				if len(u.asked) != 2 {
					t.Errorf("the first factor was asked %d times", len(u.asked))
				}
				w.asked("push:D1")
			})
		})
		t.Run(m.String()+", the answer to a question", func(t *testing.T) {
			inRelay(t, func(w *world, u *upstream) {
				w.settings.Replies = []Reply{{Groups: []string{"staff"}, Attributes: given(attr(class, "staff"))}}
				w.load()
				u.says(back(AskBack{State: "S1", EAP: "\x01\x05tls"}),
					yes(Account{User: "bob", Groups: []string{"staff"}, EAP: success, Proof: []Attribute{vsa(311, 26, "S=1")}}))
				s := w.login("", by(m)).State
				w.answers(allows(10 * time.Second))
				first := w.start("", by(m), state(s))
				time.Sleep(time.Second)
				second := w.start("", by(m), state(s))
				w.wants(w.login("", by(m), state(s), from(cafe)), badState)
				w.wants(w.login("", by(m), state(s), as("bob")), badState)
				w.wants(w.login("", by(m), state(s), through(w.at("lab", "vpn"))), badState)
				w.wants(w.login("pw", state(s)), badState)
				for _, p := range []*pending{first, second} {
					v := <-p.verdict
					w.wants(v, "accept approved push T1")
					if v.User != "bob" || v.EAP != success || attributes(v) != "311/26=S=1 25=staff" {
						t.Errorf("User %q, EAP %q, attributes %q", v.User, v.EAP, attributes(v))
					}
				}
				if len(u.asked) != 2 {
					t.Errorf("the first factor was asked %d times", len(u.asked))
				}
				w.asked("push:D1")
			})
		})
	}
}

// TestMethodsDoNotJoin: a login by one method is not a retry of a login by another.
func TestMethodsDoNotJoin(t *testing.T) {
	inRelay(t, func(w *world, u *upstream) {
		u.scripts = func(FirstRequest) said { return yes(Account{}) }
		w.answers(allows(10 * time.Second))
		first := w.start("", by(MethodCHAP))
		w.wants(w.login("", by(MethodMSCHAP)), pushPending)
		w.wants(w.login("pw"), pushPending)
		first.wants("accept approved push T1")
	})
}
