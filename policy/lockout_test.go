package policy_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	. "duoradiusd/policy"
)

// TestNobodyLocksOutAPersonElsewhere: an attacker who knows only a name guesses from ever new addresses. The owner of the
// name, who has logged in from home before, gets in from home each time.
func TestNobodyLocksOutAPersonElsewhere(t *testing.T) {
	inWorld(t, func(w *world) {
		w.duo.scripts = func(AuthRequest) reply { return allows(0) }
		if v := w.login("pw"); v.Reason != ReasonApproved {
			t.Fatal(line(v))
		}
		asked, refused := 0, 0
		for n := range 1800 { // half an hour, a guess a second
			time.Sleep(time.Second)
			w.login("guess", from(netip.AddrFrom4([4]byte{192, 0, byte(n >> 8), byte(n)})))
			if n%30 == 29 {
				if v := w.login("pw"); v.Outcome != OutcomeAccept {
					refused++
				}
			}
		}
		for _, a := range w.ldap.asked {
			if a == "alice:guess" {
				asked++
			}
		}
		if refused != 0 {
			t.Errorf("the right password was refused %d times of 60", refused)
		}
		if most := 10 + 1800/30; asked > most {
			t.Errorf("%d guesses have reached the directory, at most %d may", asked, most)
		}
	})
}

// TestNobodyLocksOutAnAddress: behind one address an attacker guesses passwords for names that do not exist, first sixty
// and then one every ten seconds. Users behind that address who have the right password get in.
func TestNobodyLocksOutAnAddress(t *testing.T) {
	inWorld(t, func(w *world) {
		w.duo.scripts = func(AuthRequest) reply { return allows(0) }
		for n := range 60 {
			w.login("guess", as(fmt.Sprint("nobody", n)))
		}
		refused := 0
		for n := range 300 {
			time.Sleep(2 * time.Second)
			if n%5 == 0 {
				w.login("guess", as(fmt.Sprint("nobody", 60+n)))
			}
			user := fmt.Sprint("user", n)
			w.ldap.passwords[user] = "pw"
			if v := w.login("pw", as(user)); v.Outcome != OutcomeAccept {
				refused++
			}
		}
		if refused != 0 {
			t.Errorf("%d of 300 users with the right password were refused", refused)
		}
	})
}

// TestTypingErrorsLockNobodyOut: there is no attacker. A thousand people behind one address log in within ten minutes, and
// eight in a hundred mistype their password once.
func TestTypingErrorsLockNobodyOut(t *testing.T) {
	inWorld(t, func(w *world) {
		w.duo.scripts = func(AuthRequest) reply { return allows(0) }
		refused := 0
		for n := range 1000 {
			time.Sleep(600 * time.Millisecond)
			user := fmt.Sprint("user", n)
			w.ldap.passwords[user] = "pw"
			if n%25 < 2 {
				w.login("wp", as(user))
			}
			if v := w.login("pw", as(user)); v.Outcome != OutcomeAccept {
				refused++
			}
		}
		if refused != 0 {
			t.Errorf("%d of 1000 users with the right password were refused", refused)
		}
	})
}

// TestPasscodesCannotBeGuessed: an attacker with a stolen password guesses passcodes, a hundred at the same time and a
// hundred one after the other. Duo is asked about ten at most, and about one more every half minute.
func TestPasscodesCannotBeGuessed(t *testing.T) {
	inWorld(t, func(w *world) {
		w.duo.scripts = func(AuthRequest) reply { return denies("deny", "Incorrect passcode. Please try again.", 0) }
		begun, n := time.Now(), 0
		var side []*pending
		for n < 100 {
			n++
			side = append(side, w.start(fmt.Sprintf("pw,%06d", n)))
		}
		for _, p := range side {
			w.notAccepted(<-p.verdict)
		}
		for n < 200 {
			n++
			w.notAccepted(w.login(fmt.Sprintf("pw,%06d", n)))
			time.Sleep(time.Second)
		}
		most := 10 + int(time.Since(begun)/(30*time.Second))
		if _, asked := w.duo.counts(); asked > most {
			t.Errorf("Duo was asked about %d guesses, at most %d may be", asked, most)
		}
	})
}
