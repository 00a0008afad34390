package policy

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

const cooling = "reject cooldown: Too many requests to your phone went without a yes. " + typeIt

// inGuarded is a world with [guard] as it comes: three pushes within ten minutes.
func inGuarded(t *testing.T, f func(w *world)) {
	t.Helper()
	inWorld(t, func(w *world) {
		w.settings.Guard = PushGuard{Pushes: 3, Window: 10 * time.Minute, Cooldown: 10 * time.Minute}
		w.load()
		f(w)
	})
}

// rung logs in once; the phone rings and r comes of it.
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
		{"denied", [3]reply{denied, denied, denied}, [3]Reason{Denied, Denied, Denied}},
		{"no answer", [3]reply{denies("timeout", "", 50*time.Second), denied, denies("timeout", "", 0)}, [3]Reason{NoAnswer, Denied, NoAnswer}},
		{"lost on the way", [3]reply{{err: errDown, after: time.Second}, {err: errOdd, after: time.Second}, denied},
			[3]Reason{DuoUnavailable, DuoUnknown, Denied}}, // the phone rang
	} {
		t.Run(tt.name, func(t *testing.T) {
			inGuarded(t, func(w *world) {
				for i, r := range tt.failed {
					w.rung(r, tt.whys[i])
				}
				begun := time.Now()
				w.wants(w.login("pw"), cooling)
				w.wants(w.login("pw,phone2"), cooling)
				w.wants(w.login("pw", from(cafe)), cooling)
				w.answers(wrong, allows(0), sent)
				w.wants(w.login("pw,111111"), "reject denied passcode: Incorrect passcode. Please try again.")
				w.wants(w.login("pw,123456"), "accept approved passcode")
				w.wants(w.login("pw,sms"), "reject codes-sent sms: New passcodes were sent by SMS. "+typeIt)
				w.wants(w.login("pw"), cooling) // a right code is no reason to ring
				w.rung(allows(0), Approved, as("bob"))
				time.Sleep(10*time.Minute - 1 - time.Since(begun))
				w.wants(w.login("pw"), cooling)
				time.Sleep(time.Nanosecond)
				w.rung(denied, Denied)
				w.rung(denied, Denied)
				w.rung(denied, Denied) // three anew
				w.wants(w.login("pw"), cooling)
			})
		})
	}
}

func TestWindow(t *testing.T) {
	inGuarded(t, func(w *world) {
		for range 8 { // never three in ten minutes
			w.rung(denied, Denied)
			time.Sleep(5 * time.Minute)
		}
	})
	inGuarded(t, func(w *world) { // an allow clears
		for range 3 {
			w.rung(denied, Denied)
			w.rung(denied, Denied)
			w.rung(allows(0), Approved)
		}
	})
	inGuarded(t, func(w *world) { // a passcode does not
		w.rung(denied, Denied)
		w.rung(denied, Denied)
		w.answers(allows(0))
		w.wants(w.login("pw,123456"), "accept approved passcode")
		w.rung(denied, Denied)
		w.wants(w.login("pw"), cooling)
	})
	inGuarded(t, func(w *world) { // an outage rings no phone
		for range 8 {
			w.rung(reply{err: errDown}, DuoUnavailable)
			w.rung(reply{panics: true}, Panicked)
		}
	})
	inGuarded(t, func(w *world) { // nor does a wrong code
		for range 8 {
			w.answers(wrong)
			w.login("pw,111111")
		}
		w.rung(allows(0), Approved)
	})
	inWorld(t, func(w *world) { // what led to a cooldown leads to no second one
		w.settings.Guard = PushGuard{Pushes: 3, Window: time.Hour, Cooldown: time.Minute}
		w.load()
		for range 3 {
			w.rung(denied, Denied)
			w.rung(denied, Denied)
			w.rung(denied, Denied)
			w.wants(w.login("pw"), cooling)
			time.Sleep(time.Minute)
		}
	})
	for _, off := range []PushGuard{{}, {Pushes: 3, Window: time.Hour}, {Window: time.Hour, Cooldown: time.Hour}} {
		inWorld(t, func(w *world) {
			w.settings.Guard = off
			w.load()
			for range 8 {
				w.rung(denied, Denied)
			}
		})
	}
}

// TestGuardFollowsTheDuoUser: two names of ours with one phone have one count.
func TestGuardFollowsTheDuoUser(t *testing.T) {
	inGuarded(t, func(w *world) {
		w.settings.Users = []User{{Name: "alice", Duo: Identity{UserID: "DU1"}}, {Name: "bob", Duo: Identity{UserID: "DU1"}}}
		w.load()
		w.rung(denied, Denied)
		w.rung(denied, Denied, as("bob"))
		w.rung(denied, Denied)
		w.wants(w.login("pw", as("bob")), cooling)
	})
}

// TestFraud: one report is enough, and it is told at once, also when nobody waits for the answer.
func TestFraud(t *testing.T) {
	inGuarded(t, func(w *world) {
		var told []string
		w.memory.OnFraud = func(user, txid string) { told = append(told, user+" "+txid) }
		w.answers(fraud)
		w.wants(w.login("pw"), "reject fraud push T1: Login request denied.")
		w.wants(w.login("pw"), cooling)
		if fmt.Sprint(told) != "[alice T1]" {
			t.Errorf("told %q", told)
		}
		time.Sleep(10 * time.Minute)
		w.rung(allows(0), Approved)
	})
	inGuarded(t, func(w *world) {
		told := make(chan string, 1)
		w.memory.OnFraud = func(user, txid string) { told <- user + " " + txid }
		w.answers(denies("fraud", "", 30*time.Second))
		p := w.start("pw")
		p.abandon()
		p.wants("reject abandoned push T1")
		start := time.Now()
		if got := <-told; got != "alice T1" || time.Since(start) != 30*time.Second {
			t.Errorf("told %q after %v", got, time.Since(start))
		}
		w.wants(w.login("pw", from(cafe)), cooling)
		w.wants(w.login("pw"), "reject fraud push T1: Login denied.")
	})
	inWorld(t, func(w *world) { // without [guard], told all the same
		told := 0
		w.memory.OnFraud = func(string, string) { told++ }
		w.rung(fraud, Fraud)
		w.rung(fraud, Fraud)
		if told != 2 {
			t.Errorf("told %d times", told)
		}
	})
}

// TestCooldownInChallenge: the menu has no push then, and says why.
func TestCooldownInChallenge(t *testing.T) {
	const why = "challenge challenged: Too many requests to your phone went without a yes."
	const rest = "\n1. SMS passcodes to XXX-XXX-4508 (next code starts with 1)\nPasscode or option (1):"
	for _, code := range []string{"", "376"} { // a Verified Push is one, too
		inGuarded(t, func(w *world) {
			for range 3 {
				w.rung(denied, Denied)
			}
			w.client.Mode, w.duo.pre.Code = ModeChallenge, code
			v := w.login("pw")
			w.wants(v, why+rest)
			if code == "" {
				v = w.login("push", state(v.State))
				w.wants(v, why+" Type a passcode."+rest)
			}
			w.answers(allows(0))
			w.wants(w.login("123456", state(v.State)), "accept approved passcode")
			w.client.Factors = []Factor{Push}
			w.wants(w.login("pw"), "reject cooldown: Too many requests to your phone went without a yes.")
		})
	}
	inGuarded(t, func(w *world) { // that begins while the menu stands there
		w.client.Mode = ModeChallenge
		s := w.login("pw").State
		w.client.Mode = ModeAuto
		for range 3 {
			w.rung(denied, Denied)
		}
		w.client.Mode = ModeChallenge
		if v := w.login("1", state(s)); v.Outcome != Challenge {
			t.Error(line(v))
		}
	})
}

// wrongs logs in n times with a wrong password and returns what the last one said.
func (w *world) wrongs(n int, but ...func(*Attempt)) (last Reason) {
	for range n {
		v := w.login("no", but...)
		if last = v.Reason; v.Message != "Wrong user name or password." {
			w.Errorf("it says %q", v.Message)
		}
	}
	return last
}

func (w *world) wantReason(got, want Reason) {
	w.Helper()
	if got != want {
		w.Errorf("got %s, want %s", got, want)
	}
}

// TestThrottledUser: ten wrong passwords, then one more each half minute; the directory is not asked about the others.
func TestThrottledUser(t *testing.T) {
	inWorld(t, func(w *world) {
		for range 10 {
			w.wantReason(w.wrongs(1), BadPassword)
			time.Sleep(time.Millisecond)
		}
		w.wantReason(w.wrongs(1), Throttled)
		w.wants(w.login("pw"), "reject throttled: Wrong user name or password.") // nor a right one, or it could be found out
		w.wantReason(w.wrongs(1, from(cafe)), Throttled)
		w.wantReason(w.wrongs(1, from(nowIP)), Throttled)
		w.wantReason(w.wrongs(1, as(`EXAMPLE\ALICE`)), Throttled)
		w.wantReason(w.wrongs(1, as("bob")), BadPassword)
		if n := len(w.ldap.asked); n != 11 {
			t.Errorf("the directory was asked %d times", n)
		}
		time.Sleep(wrongRefill - 10*time.Millisecond - 1)
		w.wantReason(w.wrongs(1), Throttled)
		time.Sleep(time.Nanosecond)
		w.wantReason(w.wrongs(1), BadPassword)
		w.wantReason(w.wrongs(1), Throttled)
		time.Sleep(3 * wrongRefill)
		w.wantReason(w.wrongs(3), BadPassword)
		w.wantReason(w.wrongs(1), Throttled)
		time.Sleep(wrongRefill)
		w.answers(allows(0))
		w.wants(w.login("pw"), "accept approved push T1") // and a right one clears
		w.wantReason(w.wrongs(10), BadPassword)
		w.wantReason(w.wrongs(1), Throttled)
		time.Sleep(time.Hour) // never more than ten
		w.wantReason(w.wrongs(10), BadPassword)
		w.wantReason(w.wrongs(1), Throttled)
	})
}

// TestThrottledAddress: fifty wrong passwords of whatever users.
func TestThrottledAddress(t *testing.T) {
	user := func(n int) func(*Attempt) { return as(fmt.Sprint("user", n)) }
	inWorld(t, func(w *world) {
		for n := range 50 {
			w.wantReason(w.wrongs(1, user(n)), BadPassword)
		}
		w.wantReason(w.wrongs(1, user(99)), Throttled)
		w.wants(w.login("pw"), "reject throttled: Wrong user name or password.")
		w.wantReason(w.wrongs(1, user(99), from(cafe)), BadPassword)
		w.wantReason(w.wrongs(1, user(98), from(nowIP)), BadPassword)
		if n := len(w.ldap.asked); n != 52 {
			t.Errorf("the directory was asked %d times", n)
		}
		time.Sleep(wrongRefill)
		w.answers(allows(0))
		w.wants(w.login("pw"), "accept approved push T1") // which clears alice, not the address
		w.wantReason(w.wrongs(1, user(97)), BadPassword)
		w.wantReason(w.wrongs(1, user(96)), Throttled)
	})
	inWorld(t, func(w *world) { // where no address is known there is none to throttle
		for n := range 80 {
			w.wantReason(w.wrongs(1, user(n), from(netip.Addr{})), BadPassword)
		}
	})
}

// TestThrottledTogether: many at one moment, all asked about before the first answer, lock nobody out for long.
func TestThrottledTogether(t *testing.T) {
	inWorld(t, func(w *world) {
		w.ldap.delay = time.Second
		var logins []*pending
		for range 100 {
			logins = append(logins, w.start("no"))
		}
		for _, p := range logins {
			p.wants("reject bad-password: Wrong user name or password.")
		}
		w.wantReason(w.wrongs(1), Throttled)
		time.Sleep(10 * wrongRefill)
		w.wantReason(w.wrongs(1), BadPassword)
	})
}

// TestNotThrottled: what says nothing about a password does not count.
func TestNotThrottled(t *testing.T) {
	inWorld(t, func(w *world) {
		for range 80 {
			w.ldap.err = errNoBind
			w.wantReason(w.login("pw").Reason, NoFirstFactor)
			w.ldap.err = nil
			w.wantReason(w.login("").Reason, BadPassword)
			w.wantReason(w.login(",push").Reason, BadPassword)
			w.wantReason(w.login("pw", as(" alice")).Reason, BadName)
			w.answers(wrong)
			w.wantReason(w.login("pw,111111").Reason, Denied)
		}
	})
}

// TestHousehold: an IPv6 guesser has a /64 to guess from.
func TestHousehold(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"2001:db8::1", "2001:db8::ffff:1", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
	} {
		if same := household(netip.MustParseAddr(tt.a)) == household(netip.MustParseAddr(tt.b)); same != tt.same {
			t.Errorf("%s, %s: %v", tt.a, tt.b, same)
		}
	}
}
