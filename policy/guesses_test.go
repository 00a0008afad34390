package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/canonical"
	"duoradiusd/policy/guard"
)

// TestGuessesOfSpellings: one person has one budget, however the name is written.
func TestGuessesOfSpellings(t *testing.T) {
	inWorld(t, func(w *world) {
		w.settings.Names = canonical.Names{Case: canonical.CaseKeep}
		w.load()
		names := []string{"alice", "Alice", `CORP\alice`, "ALICE@example.com", "álice"}
		for n := range wrongPerUser {
			w.wantReason(w.wrongs(1, as(names[n%len(names)])), ReasonBadPassword)
		}
		for _, name := range names {
			w.wantReason(w.wrongs(1, as(name)), ReasonThrottled)
		}
		if n, err := w.process.Guard.Clear(w.Context(), w.policy.ClearOf(`OTHER\ALICE`)); n != 1 || err != nil {
			t.Errorf("%d counts cleared, %v", n, err)
		}
		w.wantReason(w.wrongs(1), ReasonBadPassword)
	})
}

// TestWrongPasscodes: an attacker who has a password may guess passcodes. They have a limit of their own, apart from that
// of passwords. It applies in every mode, with every first factor, and inside challenges.
func TestWrongPasscodes(t *testing.T) {
	const tooMany = "reject throttled: Too many wrong passcodes. Try again in 30 seconds."
	for name, set := range map[string]func(c *Client){
		"auto":                      func(c *Client) {},
		"passcode":                  func(c *Client) { c.Mode = ModePasscode },
		"challenge":                 func(c *Client) { c.Mode = ModeChallenge },
		"no first factor":           func(c *Client) { c.FirstFactor, c.Delimiter = nil, "" },
		"no first factor, passcode": func(c *Client) { c.FirstFactor, c.Mode = nil, ModePasscode },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				set(w.client)
				field := "pw,"
				if w.client.FirstFactor == nil {
					field = ""
				}
				w.duo.scripts = func(r AuthRequest) reply {
					if r.Passcode == rightCode {
						return allows(0)
					}
					return denies("deny", "Incorrect passcode.", 0)
				}
				for range wrongPerUser {
					w.wants(w.login(field+wrongCode), "reject denied passcode: Incorrect passcode.")
				}
				w.wants(w.login(field+wrongCode), tooMany)
				w.wants(w.login(field+rightCode), tooMany)
				if v := w.login(field + rightCode); !strings.Contains(v.Err.Error(), `guard: wrong_passcodes = 10 is used up for "alice"`) {
					t.Errorf("the log says %v", v.Err)
				}
				w.wantReason(w.login(field+wrongCode, as("bob")).Reason, ReasonDenied)
				time.Sleep(wrongRefill)
				w.wantReason(w.login(field+rightCode).Reason, ReasonApproved) // this resets the count
				for range wrongPerUser {
					w.wantReason(w.login(field+wrongCode).Reason, ReasonDenied)
				}
				w.wants(w.login(field+wrongCode), tooMany)
			})
		})
	}
	inWorld(t, func(w *world) { // inside challenges
		w.client.Mode = ModeChallenge
		w.duo.scripts = func(r AuthRequest) reply { return denies("deny", "Incorrect passcode.", 0) }
		for range 5 {
			s := w.login("pw").State
			for range 2 {
				v := w.login(wrongCode, state(s))
				if v.Outcome != OutcomeChallenge || !v.Delayed {
					t.Errorf("%s, held back: %v", line(v), v.Delayed)
				}
				s = v.State
			}
		}
		w.wants(w.login(wrongCode, state(w.login("pw").State)), tooMany)
		w.wants(w.login("pw,"+wrongCode), tooMany)
	})
	inWorld(t, func(w *world) { // an allow of a push resets it, and a right password does not
		w.answers(wrong, wrong, wrong, wrong, wrong, wrong, wrong, wrong, wrong, wrong, allows(0), wrong)
		for range wrongPerUser {
			w.wantReason(w.login("pw,"+wrongCode).Reason, ReasonDenied)
		}
		w.wantReason(w.login("pw,"+wrongCode).Reason, ReasonThrottled)
		w.wantReason(w.login("pw").Reason, ReasonApproved)
		w.wantReason(w.login("pw,"+wrongCode).Reason, ReasonDenied)
	})
	inWorld(t, func(w *world) { // Duo could not be asked
		for range 3 * wrongPerUser {
			w.answers(reply{err: errDown})
			w.wantReason(w.login("pw,"+wrongCode).Reason, ReasonDuoUnavailable)
		}
	})
	inWorld(t, func(w *world) { // 500 within two seconds
		w.duo.scripts = func(r AuthRequest) reply { return denies("deny", "Incorrect passcode.", 300*time.Millisecond) }
		got := map[Reason]int{}
		var list []*pending
		for i := range 500 {
			time.Sleep(4 * time.Millisecond)
			list = append(list, w.start(fmt.Sprintf("pw,%06d", i)))
		}
		for _, p := range list {
			got[(<-p.verdict).Reason]++
		}
		if _, auths := w.duo.counts(); auths != wrongPerUser || got[ReasonDenied] != auths || got[ReasonThrottled] != 500-auths {
			t.Errorf("Duo was asked %d times: %v", auths, got)
		}
	})
}

// TestGuessLimitsOff: 0 turns a limit off, and a new configuration takes effect at once.
func TestGuessLimitsOff(t *testing.T) {
	inWorld(t, func(w *world) {
		w.duo.scripts = func(r AuthRequest) reply { return denies("deny", "", 0) }
		w.settings.Guesses = guard.GuessLimits{Refill: wrongRefill}
		w.load()
		begun := time.Now()
		for n := range 3 * wrongPerAddress {
			w.wantReason(w.wrongs(1), ReasonBadPassword)
			w.wantReason(w.wrongs(1, as(fmt.Sprint("user", n))), ReasonBadPassword)
			w.wantReason(w.login("pw,"+wrongCode).Reason, ReasonDenied)
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("they waited %v", took)
		}
		w.settings.Guesses = guard.GuessLimits{WrongPasswords: 2, Refill: time.Minute}
		w.load()
		w.wantReason(w.wrongs(2), ReasonBadPassword)
		w.wants(w.login("pw"), "reject throttled: Too many wrong passwords. Try again in 60 seconds.")
		w.settings.Guesses.WrongPasswords = 3
		w.load()
		w.wantReason(w.wrongs(1), ReasonBadPassword)
		w.wantReason(w.wrongs(1), ReasonThrottled)
	})
}

// TestCredits: each person who logs in gives a source one wrong guess back, once a day.
func TestCredits(t *testing.T) {
	inWorld(t, func(w *world) {
		w.duo.scripts = func(AuthRequest) reply { return allows(0) }
		w.settings.Guesses.Refill = 24 * time.Hour
		w.load()
		source := func() (n int) {
			for _, c := range w.counts() {
				if c.Limit == guard.LimitPerSource {
					n = c.Count
				}
			}
			return n
		}
		for n := range 5 {
			w.wrongs(1, as(fmt.Sprint("user", n)))
		}
		for range 3 {
			w.wantReason(w.login("pw").Reason, ReasonApproved)
		}
		w.wantReason(w.login("pw", as("bob")).Reason, ReasonApproved)
		if n := source(); n != 3 {
			t.Errorf("of five wrong guesses %d count after two persons have logged in", n)
		}
		time.Sleep(24 * time.Hour) // one is allowed again after some time
		w.wantReason(w.login("pw").Reason, ReasonApproved)
		if n := source(); n != 1 {
			t.Errorf("a day later %d count", n)
		}
	})
}

func (w *world) counts() []guard.Count {
	w.Helper()
	list, err := w.process.Guard.List(w.Context(), w.settings.Guesses)
	if err != nil {
		w.Error(err)
	}
	return list
}

// TestGuardClear: what the administrator sees, and can remove.
func TestGuardClear(t *testing.T) {
	inWorld(t, func(w *world) {
		w.duo.scripts = func(r AuthRequest) reply { return denies("deny", "", 0) }
		w.settings.Guard = guard.PushLimits{Pushes: 1, Window: time.Hour, Cooldown: time.Hour}
		w.load()
		w.wantReason(w.login("pw", as("bob")).Reason, ReasonDenied)
		w.wrongs(11)
		w.wrongs(50, as("carol"), from(cafe))
		until := time.Now().Add(wrongRefill)
		want := []guard.Count{
			{Limit: "wrong_passwords", Person: "alice", Source: "", Count: 10, HeldUntil: until},
			{Limit: "wrong_passwords", Person: "carol", Source: "", Count: 10, HeldUntil: until},
			{Limit: "wrong_per_source", Person: "", Source: "198.51.100.7", Count: 10, HeldUntil: time.Time{}},
			{Limit: "wrong_per_source", Person: "", Source: "203.0.113.9", Count: 10, HeldUntil: time.Time{}},
			{Limit: "pushes", Person: "bob", Source: "", Count: 0, HeldUntil: time.Now().Add(time.Hour)},
		}
		if got := w.counts(); !slices.Equal(got, want) {
			t.Errorf("\n got %+v\nwant %+v", got, want)
		}
		clear := func(what GuardClear, want int) {
			t.Helper()
			if n, err := w.process.Guard.Clear(w.Context(), what); n != want || err != nil {
				t.Errorf("%+v: %d cleared, %v", what, n, err)
			}
		}
		clear(GuardClear{}, 0)
		clear(GuardClear{Person: "nobody", Source: "192.0.2.1"}, 0)
		clear(GuardClear{Person: "alice"}, 1)
		clear(GuardClear{Source: "203.0.113.9"}, 1)
		clear(GuardClear{Person: "bob", Duo: Identity{Username: "bob"}}, 1)
		clear(GuardClear{Person: "bob", Duo: Identity{Username: "bob"}}, 0)
		if got := w.counts(); len(got) != 2 || got[0] != want[1] || got[1] != want[2] {
			t.Errorf("left: %+v", got)
		}
		w.wantReason(w.wrongs(1), ReasonBadPassword)
	})
}
