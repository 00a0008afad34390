package policy_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/memory"
)

// TestClockSetBack: what was saved while the clock was ahead is not used in anybody's favour, but still restricts.
func TestClockSetBack(t *testing.T) {
	inEnduring(t, func(w *enduring) {
		w.settings.Guard.Pushes = 1
		w.load()
		w.passes(24 * time.Hour)
		w.again(ReasonApproved)
		w.answers(denied)
		w.login("pw", as("bob"))
		w.wrongs(20, as("carol"))
		for i := range 50 {
			w.wrongs(1, as(fmt.Sprint("u", i)), from(cafe))
		}
		b := w.end()
		back := edit(t, b, func(s *memory.Snapshot) { // this is the same as if the state had been written a day later
			s.Written = s.Written.Add(time.Minute + time.Second)
			for i := range s.Pushes {
				s.Pushes[i].Until = s.Pushes[i].Until.AddDate(30, 0, 0)
			}
			for i := range s.Guesses.Persons {
				s.Guesses.Persons[i].Settled = s.Guesses.Persons[i].Settled.AddDate(30, 0, 0)
			}
			for i := range s.Guesses.Sources {
				s.Guesses.Sources[i].Settled = s.Guesses.Sources[i].Settled.AddDate(30, 0, 0)
			}
		})
		w.process = newProcess(100)
		if err := w.process.restore(bytes.NewReader(back), w.second, w.settings.Guard); err == nil {
			t.Error("what was remembered is of tomorrow, and counts")
		}
		w.load()
		if w.process.Counts().Approvals != 0 {
			t.Error("an approval of tomorrow counts")
		}
		w.wants(w.login("pw", as("bob")), cooling)
		w.wantReason(w.wrongs(1, as("carol")), ReasonThrottled)
		begun := time.Now()
		if w.wrongs(2, as("dave"), from(cafe)); time.Since(begun) != time.Second {
			t.Errorf("two strangers waited %v", time.Since(begun))
		}
		w.passes(10 * time.Minute) // never longer than from the time of the restart
		w.again(ReasonApproved, as("bob"))
		w.wantReason(w.wrongs(10, as("carol")), ReasonBadPassword)
		w.passes(50 * wrongRefill)
		begun = time.Now()
		if w.wrongs(2, as("erin"), from(cafe)); time.Since(begun) != 0 {
			t.Errorf("two strangers waited %v", time.Since(begun))
		}
	})
}

// TestTimesAhead: the clock was wrong for a while, and right when the state was saved. The times from that while lock out
// no user, keep no phone busy, and allow nothing.
func TestTimesAhead(t *testing.T) {
	inEnduring(t, func(w *enduring) {
		w.again(ReasonApproved)
		w.client.Mode = ModeChallenge
		w.ldap.passwords["carol"] = "pw"
		s := w.login("pw", as("carol")).State
		w.client.Mode = ModeAuto
		w.answers(reply{begins: time.Hour, after: time.Hour})
		w.pending("pw", as("bob"))()
		b := edit(t, w.end(), func(s *memory.Snapshot) {
			ahead := func(at *time.Time) {
				if !at.IsZero() {
					*at = at.AddDate(30, 0, 0)
				}
			}
			s.Approvals[0][0].At += int64(30 * 365 * 24 * time.Hour)
			ahead(&s.Challenges[0].Ends)
			for i := range s.Transactions {
				ahead(&s.Transactions[i].Start)
				ahead(&s.Transactions[i].Ended)
				ahead(&s.Transactions[i].Quiet)
			}
		})
		w.begin(b)
		w.wants(w.login("1", as("carol"), state(s)), badState)
		w.wants(w.login("pw", as("bob")), "reject push-pending"+pendingText)
		w.passes(time.Minute)
		w.again(ReasonApproved, as("bob"))
		w.again(ReasonApproved)
	})
	ahead := func(s *memory.Snapshot) {
		for i := range s.Transactions {
			t := &s.Transactions[i]
			t.Ended = t.Ended.AddDate(30, 0, 0)
			if !t.Quiet.IsZero() {
				t.Quiet = t.Quiet.AddDate(30, 0, 0)
			}
		}
		for i := range s.Pushes {
			s.Pushes[i].Failed[0] = s.Pushes[i].Failed[0].AddDate(30, 0, 0)
		}
	}
	inEnduring(t, func(w *enduring) { // an answer that nobody got is kept for its lateAnswer, and not for years
		w.answers(allows(time3))
		w.wants(w.pending("pw")(), shuttingDown)
		w.passes(time3)
		w.begin(edit(t, w.end(), ahead))
		w.passes(lateAnswer)
		w.answers(denied)
		w.wants(w.login("pw"), "reject denied push T2: Login request denied.")
	})
	inEnduring(t, func(w *enduring) { // a push whose answer was lost keeps the phone busy for a minute
		w.answers(reply{err: errDown, after: time3})
		w.login("pw")
		w.begin(edit(t, w.end(), ahead))
		w.wants(w.login("pw"), "reject push-pending"+pendingText)
		w.passes(time.Minute)
		w.again(ReasonApproved)
	})
	inEnduring(t, func(w *enduring) { // a denied push counts for the time of the window
		w.settings.Guard.Pushes = 2
		w.load()
		w.answers(denied)
		w.login("pw")
		w.begin(edit(t, w.end(), ahead))
		w.passes(10 * time.Minute)
		w.answers(denied)
		w.login("pw")
		w.again(ReasonApproved)
	})
}
