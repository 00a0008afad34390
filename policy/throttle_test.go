package policy_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/guard"
)

// wrongs logs in n times with a wrong password and returns the last Verdict.
func (w *world) wrongs(n int, but ...func(*Attempt)) (last Reason) {
	for range n {
		v := w.login("no", but...)
		last = v.Reason
		if wrong := v.Message == "Wrong user name or password."; wrong == (last == ReasonThrottled) {
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

// TestThrottledUser: ten wrong passwords reach the directory, and then one more every half minute. The directory is not
// asked about the others.
func TestThrottledUser(t *testing.T) {
	inWorld(t, func(w *world) {
		for range 10 {
			w.wantReason(w.wrongs(1), ReasonBadPassword)
			time.Sleep(time.Millisecond)
		}
		w.wantReason(w.wrongs(1), ReasonThrottled)
		w.wants(w.login("pw"), "reject throttled: Too many wrong passwords. Try again in 30 seconds.") // nor about a right one, because the difference would show that it is right
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
		w.wants(w.login("pw"), "accept approved push T1") // and a right one resets the count
		w.wantReason(w.wrongs(10), ReasonBadPassword)
		w.wantReason(w.wrongs(1), ReasonThrottled)
		time.Sleep(time.Hour) // never more than ten
		w.wantReason(w.wrongs(10), ReasonBadPassword)
		w.wantReason(w.wrongs(1), ReasonThrottled)
	})
}

// TestThrottledSource: more than fifty wrong passwords come from one source, for any users. A user who is not known there
// waits for a turn, and users with the right password get in.
func TestThrottledSource(t *testing.T) {
	user := func(n int) func(*Attempt) { return as(fmt.Sprint("user", n)) }
	inWorld(t, func(w *world) {
		w.duo.scripts = func(AuthRequest) reply { return allows(0) }
		w.wants(w.login("pw"), "accept approved push T1") // alice is known from now on
		for n := range 50 {
			w.wantReason(w.wrongs(1, user(n)), ReasonBadPassword)
		}
		begun := time.Now()
		w.wantReason(w.wrongs(1, user(99)), ReasonBadPassword)
		if took := time.Since(begun); took != time.Second {
			t.Errorf("a stranger's guess waited %v", took)
		}
		begun = time.Now()
		w.wantReason(w.login("pw").Reason, ReasonApproved)
		w.wantReason(w.wrongs(1), ReasonBadPassword)
		w.wantReason(w.wrongs(1, user(99), from(cafe)), ReasonBadPassword)
		w.wantReason(w.wrongs(1, user(98), from(nowIP)), ReasonBadPassword)
		if took := time.Since(begun); took != 0 {
			t.Errorf("somebody known, or somewhere else, waited %v", took)
		}
		w.wantReason(w.login("pw", as("bob")).Reason, ReasonApproved)
		if took := time.Since(begun); took != time.Second {
			t.Errorf("bob, with the right password, waited %v", took)
		}
		begun = time.Now()
		time.Sleep(51 * wrongRefill)
		w.wantReason(w.wrongs(1, user(97)), ReasonBadPassword)
		if took := time.Since(begun); took != 51*wrongRefill {
			t.Errorf("after all were regained, a guess waited %v", took-51*wrongRefill)
		}
	})
}

// TestThrottledSourceQueue: the login that waited longest is next, and only those whose time is up are rejected.
func TestThrottledSourceQueue(t *testing.T) {
	inWorld(t, func(w *world) {
		for n := range 50 {
			w.wrongs(1, as(fmt.Sprint("user", n)))
		}
		w.ldap.asked = nil
		time.Sleep((time.Second) / 2) // no turn comes at the moment when a reply must be sent
		var list []*pending
		for n := range 100 {
			list = append(list, w.start("guess", as(fmt.Sprintf("queue%02d", n))))
		}
		got := map[Reason]int{}
		for _, p := range list {
			v := <-p.verdict
			if got[v.Reason]++; v.Reason == ReasonThrottled && (v.Message != "Too many wrong passwords came from your address. Try again in 30 seconds." ||
				!strings.Contains(v.Err.Error(), "wrong_per_source = 50 is used up for everybody at 198.51.100.7")) {
				t.Errorf("%s (%v)", line(v), v.Err)
			}
		}
		if n := int(patience / time.Second); got[ReasonBadPassword] != n || got[ReasonThrottled] != 100-n {
			t.Errorf("%v", got)
		}
		if !slices.IsSorted(w.ldap.asked) {
			t.Errorf("asked in the order %q", w.ldap.asked)
		}
	})
}

// TestThrottledSourceQueueIsBounded: many logins from one source do not use up the room of all others.
func TestThrottledSourceQueueIsBounded(t *testing.T) {
	inWorld(t, func(w *world) {
		w.settings.Guesses.WrongPerSource = 1
		w.load()
		w.wrongs(1)
		got := make(chan Reason)
		const queued, more = 2048, 100
		for n := range queued + more {
			go func() { got <- w.decide(w.Context(), w.attempt("guess", as(fmt.Sprint("user", n)))).Reason }()
		}
		for range more {
			w.wantReason(<-got, ReasonThrottled)
		}
		if elapsed := time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)); elapsed >= time.Second {
			t.Errorf("they waited %v", elapsed)
		}
		for range queued {
			<-got
		}
	})
}

// TestCrowd: there is no attacker. A thousand people log in from one address within a minute, with a slow directory; eight
// in a hundred mistype their password at first. Everybody with the right password gets in.
func TestCrowd(t *testing.T) {
	inWorld(t, func(w *world) {
		w.duo.scripts = func(AuthRequest) reply { return allows(time3) }
		w.ldap.delay = 200 * time.Millisecond
		for n := range 1000 {
			w.ldap.passwords[fmt.Sprint("user", n)] = "pw"
		}
		got := make(chan Reason)
		for n := range 1000 {
			go func() {
				user := as(fmt.Sprint("user", n))
				time.Sleep(time.Duration(n) * 60 * time.Millisecond)
				if n%25 < 2 {
					w.decide(w.Context(), w.attempt("wp", user))
				}
				got <- w.decide(w.Context(), w.attempt("pw", user)).Reason
			}()
		}
		count := map[Reason]int{}
		for range 1000 {
			count[<-got]++
		}
		if count[ReasonApproved] != 1000 {
			t.Errorf("%v", count)
		}
	})
}

// TestKnownSources: guesses from another source do not hold back users where they have logged in before, and the other way
// round.
func TestKnownSources(t *testing.T) {
	inWorld(t, func(w *world) {
		w.duo.scripts = func(AuthRequest) reply { return allows(0) }
		w.wantReason(w.login("pw").Reason, ReasonApproved)
		for i := range 20 {
			w.wrongs(1, from(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})))
		}
		w.wantReason(w.wrongs(1, from(cafe)), ReasonThrottled)
		v := w.login("pw", from(cafe))
		w.wants(v, "reject throttled: Too many wrong passwords. Try again in 30 seconds.")
		if want := `guard: wrong_passwords = 10 is used up for "alice" at all sources where "alice" has not logged in`; !strings.HasPrefix(v.Err.Error(), want) {
			t.Errorf("the log says %q", v.Err)
		}
		w.wantReason(w.login("pw").Reason, ReasonApproved)
		w.wantReason(w.wrongs(10), ReasonBadPassword)
		if v := w.login("pw"); v.Reason != ReasonThrottled || !strings.Contains(v.Err.Error(), `for "alice" at 198.51.100.7; held back until 2000-01-01T`) {
			t.Errorf("%s (%v)", line(v), v.Err)
		}
		time.Sleep(wrongRefill)
		w.wantReason(w.login("pw", from(cafe)).Reason, ReasonApproved) // this resets the counts of cafe and of the strangers
		w.wantReason(w.login("pw", from(home)).Reason, ReasonApproved)

		w.wantReason(w.wrongs(10, from(cafe)), ReasonBadPassword)
		time.Sleep(30*24*time.Hour - time.Second)
		w.wrongs(10, from(nowIP))
		w.wantReason(w.wrongs(1, from(cafe)), ReasonBadPassword)
		time.Sleep(time.Second) // neither source is known any more
		w.wantReason(w.wrongs(1, from(cafe)), ReasonThrottled)
	})
	inWorld(t, func(w *world) { // there are seventeen sources, so the first is forgotten
		w.duo.scripts = func(AuthRequest) reply { return allows(0) }
		for i := range 17 {
			w.wantReason(w.login("pw", from(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}))).Reason, ReasonApproved)
			time.Sleep(time.Minute)
		}
		w.wrongs(10, from(cafe))
		w.wantReason(w.login("pw", from(netip.AddrFrom4([4]byte{10, 0, 0, 0}))).Reason, ReasonThrottled)
		w.wantReason(w.login("pw", from(netip.AddrFrom4([4]byte{10, 0, 0, 1}))).Reason, ReasonApproved)
	})
	inWorld(t, func(w *world) { // if the client tells no address, the client is the source
		w.duo.scripts = func(AuthRequest) reply { return allows(0) }
		w.wantReason(w.login("pw", from(nowIP)).Reason, ReasonApproved)
		w.wrongs(10, from(cafe))
		w.wantReason(w.wrongs(1, from(nowIP)), ReasonBadPassword)
		w.wantReason(w.wrongs(1, from(nowIP), through(w.at("other", "other"))), ReasonThrottled)
	})
	inWorld(t, func(w *world) { // a login that Duo has not allowed makes no source known
		w.rules(Rule{Need: NeedExempt})
		w.wantReason(w.login("pw").Reason, ReasonExempt)
		w.wrongs(10, from(cafe))
		w.wantReason(w.login("pw").Reason, ReasonThrottled)
	})
}

// together logs in n times at one moment and counts the results.
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

// TestThrottledTogether: of many logins at one moment, no more reach the directory than of as many one after the other, and
// they lock nobody out for long.
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
	inWorld(t, func(w *world) { // the directory could not answer, so all guesses are given back
		w.ldap.delay, w.ldap.err = time.Second, errNoBind
		if got := w.together(100, "pw"); got[ReasonNoFirstFactor] != 100 {
			t.Errorf("%v", got)
		}
		w.ldap.err = nil
		w.wantReason(w.wrongs(wrongPerUser), ReasonBadPassword)
		w.wantReason(w.wrongs(1), ReasonThrottled)
	})
	inWorld(t, func(w *world) { // right passwords: they wait for each other, and none is refused
		w.ldap.delay = time.Second
		w.answers(allows(time3))
		if got := w.together(10*wrongPerUser, "pw"); got[ReasonApproved] != 10*wrongPerUser {
			t.Errorf("%v", got)
		}
		w.wantReason(w.wrongs(wrongPerUser), ReasonBadPassword)
	})
}

// TestNotThrottled: a login that says nothing about a password does not count.
func TestNotThrottled(t *testing.T) {
	inWorld(t, func(w *world) {
		for range 80 {
			w.ldap.err = errNoBind
			w.wantReason(w.login("pw").Reason, ReasonNoFirstFactor)
			w.ldap.err = nil
			w.wantReason(w.login("").Reason, ReasonBadPassword)
			w.wantReason(w.login(",push").Reason, ReasonBadPassword)
			w.wantReason(w.login("pw", as(" alice")).Reason, ReasonBadName)
		}
	})
}

// TestSourceOf: a /64 of IPv6 counts as one source, because one attacker may use all its addresses.
func TestSourceOf(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1":           "192.0.2.1",
		"::ffff:192.0.2.1":    "192.0.2.1",
		"2001:db8::1":         "2001:db8::/64",
		"2001:db8::ffff:1":    "2001:db8::/64",
		"2001:db8:0:1::1%eth": "2001:db8:0:1::/64",
		"":                    "client vpn",
	} {
		ip, _ := netip.ParseAddr(address)
		if got := guard.SourceOf(ip, "vpn"); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
}

// TestSMSTogether: of many logins at one moment only one sends passcodes by SMS, wherever they come from.
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
