package policy

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

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
			w.wantReason(w.wrongs(1), ReasonBadPassword)
			time.Sleep(time.Millisecond)
		}
		w.wantReason(w.wrongs(1), ReasonThrottled)
		w.wants(w.login("pw"), "reject throttled: Wrong user name or password.") // nor a right one, or it could be found out
		w.wantReason(w.wrongs(1, from(cafe)), ReasonThrottled)
		w.wantReason(w.wrongs(1, from(nowIP)), ReasonThrottled)
		w.wantReason(w.wrongs(1, as(`EXAMPLE\ALICE`)), ReasonThrottled)
		w.wantReason(w.wrongs(1, as("bob")), ReasonBadPassword)
		if n := len(w.ldap.asked); n != 11 {
			t.Errorf("the directory was asked %d times", n)
		}
		time.Sleep(wrongRefill - 10*time.Millisecond - 1)
		w.wantReason(w.wrongs(1), ReasonThrottled)
		time.Sleep(time.Nanosecond)
		w.wantReason(w.wrongs(1), ReasonBadPassword)
		w.wantReason(w.wrongs(1), ReasonThrottled)
		time.Sleep(3 * wrongRefill)
		w.wantReason(w.wrongs(3), ReasonBadPassword)
		w.wantReason(w.wrongs(1), ReasonThrottled)
		time.Sleep(wrongRefill)
		w.answers(allows(0))
		w.wants(w.login("pw"), "accept approved push T1") // and a right one clears
		w.wantReason(w.wrongs(10), ReasonBadPassword)
		w.wantReason(w.wrongs(1), ReasonThrottled)
		time.Sleep(time.Hour) // never more than ten
		w.wantReason(w.wrongs(10), ReasonBadPassword)
		w.wantReason(w.wrongs(1), ReasonThrottled)
	})
}

// TestThrottledAddress: fifty wrong passwords of whatever users.
func TestThrottledAddress(t *testing.T) {
	user := func(n int) func(*Attempt) { return as(fmt.Sprint("user", n)) }
	inWorld(t, func(w *world) {
		for n := range 50 {
			w.wantReason(w.wrongs(1, user(n)), ReasonBadPassword)
		}
		w.wantReason(w.wrongs(1, user(99)), ReasonThrottled)
		w.wants(w.login("pw"), "reject throttled: Wrong user name or password.")
		w.wantReason(w.wrongs(1, user(99), from(cafe)), ReasonBadPassword)
		w.wantReason(w.wrongs(1, user(98), from(nowIP)), ReasonBadPassword)
		if n := len(w.ldap.asked); n != 52 {
			t.Errorf("the directory was asked %d times", n)
		}
		time.Sleep(wrongRefill)
		w.answers(allows(0))
		w.wants(w.login("pw"), "accept approved push T1") // which clears alice, not the address
		w.wantReason(w.wrongs(1, user(97)), ReasonBadPassword)
		w.wantReason(w.wrongs(1, user(96)), ReasonThrottled)
	})
	inWorld(t, func(w *world) { // where no address is known there is none to throttle
		for n := range 80 {
			w.wantReason(w.wrongs(1, user(n), from(netip.Addr{})), ReasonBadPassword)
		}
	})
}

// together logs in n times at one moment and counts what became of it.
func (w *world) together(n int, password string) map[Reason]int {
	verdicts, got := make(chan Verdict), map[Reason]int{}
	for range n {
		go func() { verdicts <- w.decide(w.Context(), w.attempt(password)) }()
	}
	for range n {
		got[(<-verdicts).Reason]++
	}
	return got
}

// TestThrottledTogether: of many at one moment no more reach the directory than of many in a row, and they lock nobody
// out for long.
func TestThrottledTogether(t *testing.T) {
	inWorld(t, func(w *world) {
		w.ldap.delay = time.Second
		got := w.together(1000, "no")
		if n := len(w.ldap.asked); n != wrongPerUser || got[ReasonBadPassword] != n || got[ReasonThrottled] != 1000-n {
			t.Errorf("the directory was asked %d times: %v", n, got)
		}
		w.wantReason(w.wrongs(1), ReasonThrottled)
		w.wantReason(w.wrongs(1, as("bob")), ReasonBadPassword)
		time.Sleep(wrongPerUser * wrongRefill)
		w.wantReason(w.wrongs(wrongPerUser), ReasonBadPassword)
		w.wantReason(w.wrongs(1), ReasonThrottled)
	})
	inWorld(t, func(w *world) { // nobody could say: all are given back
		w.ldap.delay, w.ldap.err = time.Second, errNoBind
		if got := w.together(100, "pw"); got[ReasonNoFirstFactor] != 100 {
			t.Errorf("%v", got)
		}
		w.ldap.err = nil
		w.wantReason(w.wrongs(wrongPerUser), ReasonBadPassword)
		w.wantReason(w.wrongs(1), ReasonThrottled)
	})
	inWorld(t, func(w *world) { // right ones: they wait for each other, and none is refused
		w.ldap.delay = time.Second
		w.answers(allows(time3))
		if got := w.together(10*wrongPerUser, "pw"); got[ReasonApproved] != 10*wrongPerUser {
			t.Errorf("%v", got)
		}
		w.wantReason(w.wrongs(wrongPerUser), ReasonBadPassword)
	})
}

// TestNotThrottled: what says nothing about a password does not count.
func TestNotThrottled(t *testing.T) {
	inWorld(t, func(w *world) {
		for range 80 {
			w.ldap.err = errNoBind
			w.wantReason(w.login("pw").Reason, ReasonNoFirstFactor)
			w.ldap.err = nil
			w.wantReason(w.login("").Reason, ReasonBadPassword)
			w.wantReason(w.login(",push").Reason, ReasonBadPassword)
			w.wantReason(w.login("pw", as(" alice")).Reason, ReasonBadName)
			w.answers(wrong)
			w.wantReason(w.login("pw,111111").Reason, ReasonDenied)
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

// TestSMSTogether: of many at one moment one batch of codes is sent, wherever they come from.
func TestSMSTogether(t *testing.T) {
	inGuarded(t, func(w *world) {
		w.preauthTakes(time.Second)
		w.duo.scripts = func(AuthRequest) reply { return sent }
		verdicts, got := make(chan Verdict), map[Reason]int{}
		for range 100 {
			go func() { verdicts <- w.decide(w.Context(), w.attempt("pw,sms", from(nowIP))) }()
		}
		for range 100 {
			got[(<-verdicts).Reason]++
		}
		if _, auths := w.duo.counts(); auths != 1 || got[ReasonCodesSent] != 1 || got[ReasonPending] != 99 {
			t.Errorf("%d batches, %v", auths, got)
		}
	})
}
