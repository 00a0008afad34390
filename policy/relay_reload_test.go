package policy_test

import (
	"testing"
	"testing/synctest"
	"time"

	. "duoradiusd/policy"
)

// TestAskBackReload: a rule that denies since the reload rejects the answer before the upstream is asked again, or when the
// groups are known.
func TestAskBackReload(t *testing.T) {
	inRelay(t, func(w *world, u *upstream) {
		u.says(back(AskBack{State: "S1"}))
		s := w.login("pw").State
		w.rules(Rule{Need: NeedDeny})
		w.wants(w.login("code", state(s)), deniedNow)
		w.upstreamWasAsked(u, "alice:pw")
	})
	inRelay(t, func(w *world, u *upstream) {
		u.says(back(AskBack{State: "S1"}), yes(Account{Groups: []string{"staff"}}))
		s := w.login("pw").State
		w.rules(Rule{Groups: []string{"staff"}, Need: NeedDeny})
		w.wants(w.login("code", state(s)), deniedNow)
		w.upstreamWasAsked(u, "alice:pw alice:code@S1")
	})
	inRelay(t, func(w *world, u *upstream) { // another Duo user since the reload
		u.says(back(AskBack{State: "S1"}))
		s := w.login("pw").State
		w.settings.Users = []User{{Name: "alice", Duo: Identity{UserID: "DU9"}}}
		w.load()
		w.wants(w.login("code", state(s)), badState)
	})
}

// TestAskBackOutage: if the upstream can't be asked in the second round, the login is rejected, whatever failmode says.
func TestAskBackOutage(t *testing.T) {
	inRelay(t, func(w *world, u *upstream) {
		w.client.Failmode = FailmodeSafe
		u.says(back(AskBack{State: "S1"}), said{err: errNoBind})
		s := w.login("pw").State
		v := w.login("code", state(s))
		w.wants(v, "reject first-factor-unavailable"+later)
		if v.Err != errNoBind {
			t.Errorf("Err %v", v.Err)
		}
		u.says(back(AskBack{State: "S2"}), said{err: errNoBind, after: time.Hour}) // or does not answer
		s = w.login("pw").State
		begun := time.Now()
		w.wants(w.login("code", state(s)), "reject first-factor-unavailable"+later)
		if took := time.Since(begun); took != patience {
			t.Errorf("took %v", took)
		}
		if preauths, _ := w.duo.counts(); preauths != 0 {
			t.Error("Duo was asked")
		}
	})
}

// TestAskBackRace: two answers come for one State, and one of them goes on. If both are the same, they are one answer: the
// upstream is asked once, and the phone rings once.
func TestAskBackRace(t *testing.T) {
	inRelay(t, func(w *world, u *upstream) {
		u.says(back(AskBack{State: "S1"}), said{after: time.Second})
		s := w.login("pw").State
		w.answers(allows(time3))
		one, two, other := w.start("code", state(s)), w.start("code", state(s)), w.start("other", state(s))
		other.wants(badState)
		one.wants("accept approved push T1")
		two.wants("accept approved push T1")
		synctest.Wait()
		w.upstreamWasAsked(u, "alice:pw alice:code@S1")
	})
}
