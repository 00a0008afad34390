package policy_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/guard"
)

const pushPending = "reject push-pending: Another login with your name is asking for approval on your phone. Do not approve what you did not start: deny it and report it in Duo Mobile."

// TestJoin: the same login again, while the phone rings, is answered by the same push.
func TestJoin(t *testing.T) {
	for _, tt := range []struct {
		field  string
		reply  reply
		answer string
	}{
		{"pw", allows(10 * time.Second), "accept approved push T1"},
		{"pw,phone2", allows(10 * time.Second), "accept approved phone T1"},
		{"pw", denies("deny", "Login request denied.", 10*time.Second), "reject denied push T1: Login request denied."},
		{"pw", denies("timeout", "Login timed out.", 10*time.Second), "reject no-answer push T1: Login timed out."},
		{"pw", reply{err: errOdd, after: 10 * time.Second}, "reject duo-unknown-answer push T1" + later},
		{"pw,123456", allows(10 * time.Second), "accept approved passcode"},
		{"pw,sms", denies("sent", "", 10*time.Second), "reject codes-sent sms: New passcodes were sent by SMS. " + typeIt},
	} {
		t.Run(tt.field+"/"+tt.reply.Status, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.answers(tt.reply)
				first := w.start(tt.field)
				time.Sleep(3 * time.Second)
				second := w.start(tt.field)
				time.Sleep(3 * time.Second)
				third := w.start(tt.field, as(`EXAMPLE\Alice`), unsigned)
				first.wants(tt.answer)
				second.wants(tt.answer)
				third.wants(tt.answer)
				if preauths, auths := w.duo.counts(); preauths != 1 || auths != 1 {
					t.Errorf("%d preauths, %d auths", preauths, auths)
				}
			})
		})
	}
}

// TestNeverJoins: a login that differs is not answered by another's push, and begins no second push while the first rings.
func TestNeverJoins(t *testing.T) {
	for _, tt := range []struct {
		name, field string
		but         func(*Attempt)
		client      string
	}{
		{name: "another address", field: "pw", but: from(cafe)},
		{name: "no address", field: "pw", but: from(nowIP)},
		{name: "another client", field: "pw", client: "lab"},
		{name: "another factor", field: "pw,push", but: func(*Attempt) {}},
		{name: "another phone", field: "pw,phone2", but: func(*Attempt) {}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.answers(allows(10 * time.Second))
				first := w.start("pw")
				if tt.client != "" {
					tt.but = through(w.at(tt.client, "vpn"))
				}
				w.wants(w.login(tt.field, tt.but), pushPending)
				first.wants("accept approved push T1")
				w.answers(allows(0))
				w.wants(w.login(tt.field, tt.but), map[bool]string{
					false: "accept approved push T2", true: "accept approved phone T2"}[tt.name == "another phone"])
			})
		})
	}
}

// TestWrongPasswordNeverJoins: a login with a wrong password ends before it could join.
func TestWrongPasswordNeverJoins(t *testing.T) {
	inWorld(t, func(w *world) {
		w.answers(allows(10 * time.Second))
		first := w.start("pw")
		w.wants(w.login("no"), "reject bad-password: Wrong user name or password.")
		first.wants("accept approved push T1")
	})
}

// TestOtherPasswordNeverJoins: during a password change, two passwords may both be right.
func TestOtherPasswordNeverJoins(t *testing.T) {
	inWorld(t, func(w *world) {
		w.answers(allows(10 * time.Second))
		first := w.start("pw")
		w.ldap.passwords["alice"] = "new"
		w.wants(w.login("new"), pushPending)
		first.wants("accept approved push T1")
	})
}

// TestPasscodeBesideAPush: a passcode works while a push rings, because it needs no phone.
func TestPasscodeBesideAPush(t *testing.T) {
	inWorld(t, func(w *world) {
		w.answers(allows(10*time.Second), allows(time.Second), sent)
		first := w.start("pw")
		w.wants(w.login("pw,123456"), "accept approved passcode")
		w.wants(w.login("pw,sms"), "reject codes-sent sms: New passcodes were sent by SMS. "+typeIt)
		first.wants("accept approved push T1")
	})
}

// TestSamePhone: two names that belong to one Duo user share one phone.
func TestSamePhone(t *testing.T) {
	inWorld(t, func(w *world) {
		w.settings.Users = []User{{Name: "alice", Duo: Identity{UserID: "DU1"}}, {Name: "bob", Duo: Identity{UserID: "DU1"}}}
		w.load()
		w.answers(allows(10 * time.Second))
		first := w.start("pw")
		w.wants(w.login("pw", as("bob")), pushPending)
		first.wants("accept approved push T1")
	})
}

// TestWithoutAddress: without an address no login joins and no answer is kept, but the phone never rings twice at once.
func TestWithoutAddress(t *testing.T) {
	inWorld(t, func(w *world) {
		w.answers(allows(58*time.Second), allows(0))
		first := w.start("pw", from(nowIP))
		w.wants(w.login("pw", from(nowIP)), pushPending)
		first.wants("reject no-answer push T1: No answer came from your phone. Try again.")
		time.Sleep(5 * time.Second)
		w.wants(w.login("pw", from(nowIP)), "accept approved push T2")
	})
}

// TestLateAnswer: an answer that came when no login waited any more is given to the next try, once, within 30 s.
func TestLateAnswer(t *testing.T) {
	const approved = "accept approved push T1"
	for _, tt := range []struct {
		name  string
		reply reply
		after time.Duration // from the answer until the next try
		next  string        // the Verdict of the next try; "" means a new push
	}{
		{"at once", allows(57 * time.Second), 0, approved},
		{"within 30 s", allows(57 * time.Second), lateAnswer - 1, approved},
		{"after 30 s", allows(57 * time.Second), lateAnswer + 1, ""},
		{"a no", denies("deny", "Login request denied.", 57*time.Second), time.Second, "reject denied push T1: Login request denied."},
		{"a no, after 30 s", denies("deny", "Login request denied.", 57*time.Second), lateAnswer + 1, ""},
		{"fraud", denies("fraud", "Login request denied.", 57*time.Second), time.Second, "reject fraud push T1: Login request denied."},
		{"a timeout", denies("timeout", "Login timed out.", 57*time.Second), time.Second, ""},
		{"an error", reply{err: errDown, after: RingingTime + 1}, time.Second, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.client.Remember = time.Nanosecond // this shows that a late approval is remembered, too
				w.answers(tt.reply)
				w.wants(w.login("pw"), "reject no-answer push T1: No answer came from your phone. Try again.")
				time.Sleep(tt.reply.after - patience)
				synctest.Wait()
				w.answers(allows(0))
				w.wants(w.login("pw", from(cafe)), "accept approved push T2") // it is not given to another user
				time.Sleep(tt.after)
				if tt.next != "" {
					w.wants(w.login("pw"), tt.next)
					time.Sleep(time.Nanosecond)
				}
				w.answers(allows(0))
				w.wants(w.login("pw"), "accept approved push T3")
			})
		})
	}
}

// TestLateApprovalIsOne: two next tries come at one moment, and one of them gets the late approval.
func TestLateApprovalIsOne(t *testing.T) {
	inWorld(t, func(w *world) {
		w.answers(allows(57*time.Second), denies("deny", "", time.Second))
		w.login("pw")
		time.Sleep(10 * time.Second)
		one, two := w.start("pw"), w.start("pw")
		one.wants("accept approved push T1")
		two.wants("reject denied push T2: Login denied.")
	})
}

// TestAbandoned: an abandoned login does not take the answer from a login whose client still waits.
func TestAbandoned(t *testing.T) {
	t.Run("before the answer", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.answers(allows(10 * time.Second))
			first := w.start("pw")
			first.abandon()
			first.wants("reject abandoned push T1")
			second := w.start("pw")
			second.wants("accept approved push T1")
		})
	})
	t.Run("and nobody else waits", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.answers(allows(10 * time.Second))
			first := w.start("pw")
			first.abandon()
			first.wants("reject abandoned push T1")
			time.Sleep(20 * time.Second)
			w.wants(w.login("pw"), "accept approved push T1")
		})
	})
	t.Run("at the answer's very moment", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.answers(allows(57 * time.Second))
			w.login("pw")
			push := w.joined(w.attempt("pw")).ID
			time.Sleep(10 * time.Second)
			ctx, cancel := context.WithCancelCause(w.Context())
			cancel(ErrAbandoned)
			if _, err := w.process.Transactions.Wait(ctx, push, nil); err != ErrAbandoned {
				t.Errorf("the answer went to nobody: %v", err)
			}
			w.wants(w.login("pw"), "accept approved push T1")
		})
	})
	t.Run("while the first factor is asked again", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.answers(allows(57 * time.Second))
			w.login("pw")
			w.ldap.delay, w.ldap.deaf = 5*time.Second, true
			second := w.start("pw")
			time.Sleep(time.Second)
			second.abandon()
			third := w.start("pw")
			second.wants("reject abandoned")
			third.wants("accept approved push T1")
		})
	})
}

// TestRaceThroughPreauth: several logins look for a live push before any of them has begun one. They begin one push all the
// same.
func TestRaceThroughPreauth(t *testing.T) {
	inWorld(t, func(w *world) {
		w.preauthTakes(time.Second)
		w.answers(allows(time3))
		var logins []*pending
		for range 32 {
			logins = append(logins, w.start("pw"))
		}
		for _, p := range logins {
			p.wants("accept approved push T1")
		}
		if preauths, auths := w.duo.counts(); preauths != 32 || auths != 1 {
			t.Errorf("%d preauths, %d auths", preauths, auths)
		}
	})
	inWorld(t, func(w *world) { // when the slow one looks, the answer is already there
		w.preauthTakes(time.Second)
		w.answers(allows(0))
		one := w.start("pw")
		w.preauthTakes(5 * time.Second)
		two := w.start("pw")
		one.abandon()
		one.wants("reject abandoned")
		w.preauthTakes(time.Second)
		three := w.start("pw")
		three.wants("accept approved push T1")
		two.wants("accept approved push T1") // it began before the answer came, so it is the same login and needs no second push
	})
}

// TestSlowPreauth: a login that began before an approval came makes no phone ring after it, from whichever address it came.
func TestSlowPreauth(t *testing.T) {
	for _, tt := range []struct {
		name string
		but  func(w *world) func(*Attempt)
		want string
	}{
		{"elsewhere", func(*world) func(*Attempt) { return from(cafe) }, pushPending},
		{"at another client of the service", func(w *world) func(*Attempt) { return through(w.at("lab", "vpn")) }, "accept remembered"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.client.Remember = time.Hour
				w.preauthTakes(5 * time.Second)
				slow := w.start("pw", tt.but(w))
				w.preauthTakes(time.Second)
				w.answers(allows(time.Second))
				w.wants(w.login("pw"), "accept approved push T1")
				slow.wants(tt.want)
				w.asked("push:D1")
			})
		})
	}
}

// TestTransactionLimit: a push that Duo never ends is ended by the daemon.
func TestTransactionLimit(t *testing.T) {
	inWorld(t, func(w *world) {
		w.answers(never, allows(0))
		w.wants(w.login("pw"), "reject no-answer push T1: No answer came from your phone. Try again.")
		time.Sleep(TransactionLimit)
		w.wants(w.login("pw"), "accept approved push T2")
	})
}

// TestReloadWhilePushing: the new Policy knows the pushes of the old one.
func TestReloadWhilePushing(t *testing.T) {
	inWorld(t, func(w *world) {
		w.answers(allows(10 * time.Second))
		first := w.start("pw")
		w.settings.Users = []User{{Name: "bob"}}
		w.load()
		second := w.start("pw")
		first.wants("accept approved push T1")
		second.wants("accept approved push T1")
	})
	inWorld(t, func(w *world) { // another Duo user now: the login does not join, and one person's phones do not ring twice at once
		w.answers(allows(10*time.Second), allows(time.Second))
		first := w.start("pw")
		w.settings.Users = []User{{Name: "alice", Duo: Identity{UserID: "DU9"}}}
		w.load()
		w.wants(w.login("pw"), pushPending)
		first.wants("accept approved push T1")
		w.wants(w.login("pw"), "accept approved push T2")
	})
}

// TestManyAtOnce is for the race detector: many users, retries and clients at once, in real time.
func TestManyAtOnce(t *testing.T) {
	m := newProcess(1000)
	defer m.Close()
	ldap := &directory{t: t, passwords: map[string]string{}}
	duo := &fakeDuo{t: t, rings: map[Identity]int{}, pre: Preauth{Result: PreauthAuth, Devices: []Device{smartphone}}}
	duo.scripts = func(AuthRequest) reply { return allows(0) }
	c := &Client{Name: "vpn", FirstFactor: ldap, Second: duo, Factors: allFactors, Remember: time.Hour, Delimiter: ","}
	for n := range 20 {
		ldap.passwords[fmt.Sprint("user", n)] = "pw"
	}
	p := New(Settings{Guard: guard.PushLimits{Pushes: 1, Window: time.Hour, Cooldown: time.Hour}}, m.Runtime)
	var wg sync.WaitGroup
	for n := range 400 {
		wg.Go(func() {
			a := Attempt{Client: c, User: fmt.Sprint("user", n%20), Password: "pw", UserIP: home, Authentic: true}
			if n%5 == 0 {
				a.Password = "pw,123456"
			}
			if v := p.Decide(t.Context(), a); v.Outcome != OutcomeAccept {
				t.Error(line(v))
			}
		})
	}
	wg.Wait()
}
