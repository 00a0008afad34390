package policy_test

import (
	"testing"
	"testing/synctest"
	"time"

	"duoradiusd/policy/memory"
)

// TestCounts: a push that two retries join counts as one transaction and two joins, and as none when it is over.
func TestCounts(t *testing.T) {
	inWorld(t, func(w *world) {
		w.answers(allows(10 * time.Second))
		logins := []*pending{w.start("pw")}
		for range 2 {
			time.Sleep(time.Second)
			logins = append(logins, w.start("pw"))
		}
		synctest.Wait()
		if got, want := w.process.Counts(), (memory.Counts{Transactions: 1, Kept: 1, Joins: 2}); got != want {
			t.Errorf("while the phone rings: %+v, want %+v", got, want)
		}
		for _, l := range logins {
			l.wants("accept approved push T1")
		}
		if got, want := w.process.Counts(), (memory.Counts{Kept: 1, Joins: 2}); got != want {
			t.Errorf("afterwards: %+v, want %+v", got, want)
		}
	})
}
