package policy_test

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/factor"
	"duoradiusd/policy/guard"
	"duoradiusd/policy/memory"
)

// TestApprovalSurvives: an approval survives with its lifetime, its uses and its idle time, and for nobody else.
func TestApprovalSurvives(t *testing.T) {
	inEnduring(t, func(w *enduring) {
		w.settings.Uses, w.settings.Idle = 4, 40*time.Minute
		w.load()
		w.again(ReasonApproved)
		w.again(ReasonRemembered)
		w.restart()
		w.again(ReasonRemembered)
		w.again(ReasonApproved, from(cafe))
		w.again(ReasonApproved, as("bob"))
		b := w.end()
		w.passes(20 * time.Minute)
		w.begin(b)
		w.again(ReasonRemembered)
		w.restart()
		w.again(ReasonRemembered)
		w.again(ReasonApproved) // all its uses are used up
		b = w.end()
		w.passes(40 * time.Minute)
		w.begin(b)
		w.again(ReasonApproved) // it was idle too long
	})
	inEnduring(t, func(w *enduring) { // its hour goes on while the daemon does not run
		w.again(ReasonApproved)
		w.passes(30 * time.Minute)
		b := w.end()
		w.passes(30*time.Minute - 1)
		w.begin(b)
		w.again(ReasonRemembered)
		w.passes(time.Nanosecond)
		w.again(ReasonApproved)
		b = w.end()
		w.passes(time.Hour)
		if w.begin(b); w.process.Counts().Approvals != 0 {
			t.Error("what has passed is taken up")
		}
		w.again(ReasonApproved)
		w.passes(time.Hour)
		if s, err := memory.Decode(bytes.NewReader(w.save())); err != nil || len(s.Approvals) != 0 {
			t.Errorf("what has passed is saved: %+v, %v", s, err)
		}
	})
	inEnduring(t, func(w *enduring) { // a forgotten approval stays forgotten
		w.again(ReasonApproved)
		forgotten(w, w.process.Approvals, "alice")
		w.restart()
		w.again(ReasonApproved)
	})
}

// TestConfigurationChanged: what was saved for one Duo user, application or client does not count for another.
func TestConfigurationChanged(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(w *enduring)
		want   Reason // for a login with an approval from before the restart
		other  bool   // another user or application: what was under way has ended
	}{
		{"nothing", func(*enduring) {}, ReasonRemembered, false},
		{"another Duo application", func(w *enduring) { w.client.Application = "DI2" }, ReasonApproved, true},
		{"another Duo user", func(w *enduring) { w.settings.Users = []User{{Name: "alice", Duo: Identity{UserID: "DU2"}}} }, ReasonApproved, true},
		{"another service", func(w *enduring) { w.client.Service = "mail" }, ReasonApproved, false},
		{"a shorter life", func(w *enduring) { w.client.Remember = time.Minute }, ReasonApproved, false},
		{"none", func(w *enduring) { w.client.Remember = 0 }, ReasonApproved, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inEnduring(t, func(w *enduring) {
				w.again(ReasonApproved)
				w.passes(time.Minute)
				b := w.end()
				tt.change(w)
				w.begin(b)
				w.again(tt.want)
			})
			inEnduring(t, func(w *enduring) { // while a push rings
				w.answers(never)
				w.wants(w.pending("pw")(), shuttingDown)
				b := w.end()
				w.duo.then("T1", allows(0))
				tt.change(w)
				w.begin(b)
				if tt.other {
					w.answers(denied)
				}
				if v := w.login("pw"); v.Outcome == OutcomeAccept == tt.other {
					t.Errorf("the push: %s", line(v))
				}
			})
			inEnduring(t, func(w *enduring) { // while a challenge waits
				w.client.Mode = ModeChallenge
				s := w.login("pw").State
				b := w.end()
				tt.change(w)
				w.begin(b)
				if !tt.other {
					w.answers(allows(0))
				}
				if v := w.login("123456", state(s)); v.Reason == ReasonBadState != tt.other {
					t.Errorf("the challenge: %s", line(v))
				}
			})
		})
	}
	inEnduring(t, func(w *enduring) { // the application was removed, so nobody can be asked, but the phone still rings
		w.answers(never)
		w.wants(w.pending("pw")(), shuttingDown)
		b := w.end()
		w.client.Application = "DI2"
		w.begin(bytes.ReplaceAll(b, []byte("DI1"), []byte("DI3")))
		w.wants(w.login("pw"), "reject push-pending"+pendingText)
		w.passes(time.Minute)
		w.again(ReasonApproved)
	})
}

// TestGuardSurvives: the guard's counts are the same after a restart.
func TestGuardSurvives(t *testing.T) {
	inEnduring(t, func(w *enduring) {
		for range 3 {
			w.restart()
			w.answers(denied)
			w.wants(w.login("pw"), fmt.Sprintf("reject denied push T%d: Login request denied.", w.duo.txids))
		}
		w.restart()
		w.wants(w.login("pw"), cooling)
		w.passes(10 * time.Minute)
		w.again(ReasonApproved)
	})
	inEnduring(t, func(w *enduring) {
		w.wantReason(w.wrongs(10), ReasonBadPassword)
		w.restart()
		w.wantReason(w.wrongs(1), ReasonThrottled)
		w.passes(wrongRefill)
		w.wantReason(w.wrongs(1), ReasonBadPassword)
		w.wantReason(w.wrongs(1), ReasonThrottled)
	})
	inEnduring(t, func(w *enduring) {
		for i := range 50 {
			w.wrongs(1, as(fmt.Sprint("u", i)))
		}
		w.restart()
		begun := time.Now()
		if w.wrongs(2, as("bob")); time.Since(begun) != time.Second {
			t.Errorf("two strangers waited %v", time.Since(begun))
		}
	})
	inEnduring(t, func(w *enduring) { // known sources
		w.again(ReasonApproved)
		w.wantReason(w.wrongs(11, from(cafe)), ReasonThrottled)
		w.restart()
		w.wantReason(w.wrongs(1, from(cafe)), ReasonThrottled)
		w.wantReason(w.wrongs(1), ReasonBadPassword)
	})
}

// TestUpgrade: a field that one version has and another has not does no harm. A field of another type is an error.
func TestUpgrade(t *testing.T) {
	type approval struct {
		ApprovalKey
		Color    string
		Factor   factor.Factor
		At       int64
		Lifetime time.Duration
	}
	restore := func(values ...any) (int, error) {
		var b bytes.Buffer
		enc := gob.NewEncoder(&b)
		for _, v := range values {
			if err := enc.Encode(v); err != nil {
				t.Fatal(err)
			}
		}
		m := newProcess(10)
		_, err := m.Restore(&b, nil, func(Transaction) bool { return false }, guard.PushLimits{})
		return m.Counts().Approvals, err
	}
	type transaction struct {
		Transaction
		Mood string
	}
	none := []transaction{}
	counts := struct {
		Moods   map[string]int
		Written time.Time
	}{map[string]int{"a": 1}, time.Now()}
	key := ApprovalKey{User: "alice", IP: home}
	list := []approval{{key, "red", factor.Push, time.Now().UnixNano(), time.Hour}, {key, "red", "", time.Now().UnixNano(), time.Hour}}
	if n, err := restore([]transaction{{Transaction{ID: "old"}, "good"}}, none, counts, list, []approval{}); err != nil || n != 1 {
		t.Errorf("%d approvals, %v", n, err)
	}
	for name, values := range map[string][]any{
		"approvals of another kind": {none, counts, map[string]bool{"alice": true}},
		"no end":                    {none, counts, list},
		"nothing":                   {},
		"counts of another kind":    {none, "counts", list, []approval{}},
		"no transactions":           {counts, list, []approval{}},
	} {
		if n, err := restore(values...); err == nil || n != 0 {
			t.Errorf("%s: %d approvals, %v", name, n, err)
		}
	}
}

// TestChanges: it reports once when there is something to save, and does not report when there is nothing.
func TestChanges(t *testing.T) {
	inEnduring(t, func(w *enduring) {
		w.client.ProbeUsers = []string{"test01"}
		w.load()
		before := w.process.Changes()
		w.login("x", as("test01"))
		w.login("x", as("\x00"))
		w.process.Alive()
		w.process.Counts()
		w.passes(time.Hour)
		if now := w.process.Changes(); now != before {
			t.Errorf("%d changes of nothing", now-before)
		}
		var reject func() Verdict
		for _, step := range []struct {
			name string
			do   func()
		}{
			{"a wrong password", func() { w.wrongs(1) }},
			{"a push that is under way", func() { w.answers(timedOut); reject = w.pending("pw") }},
			{"its answer", func() { reject(); w.passes(2 * time.Minute) }},
			{"an approval", func() { w.again(ReasonApproved) }},
			{"its use", func() { w.again(ReasonRemembered) }},
		} {
			before := w.process.Changes()
			if step.do(); w.process.Changes() == before {
				t.Errorf("%s is no change", step.name)
			}
		}
	})
}

// TestSaveWhileLogins saves while logins run, for the race detector.
func TestSaveWhileLogins(t *testing.T) {
	w := newWorld(t)
	w.client.Remember, w.client.FirstFactor = time.Hour, nil
	w.duo.scripts = func(AuthRequest) reply { return allows(time.Microsecond) }
	w.load()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 200 {
				a := w.attempt("", as(fmt.Sprintf("u%d-%d", i, j)), from(netip.AddrFrom4([4]byte{10, 0, byte(i), byte(j)})))
				if v := w.policy.Decide(t.Context(), a); v.Outcome != OutcomeAccept {
					t.Error(line(v))
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		var b bytes.Buffer
		if err := w.process.Save(&b); err != nil {
			t.Fatal(err)
		}
		next := newProcess(100)
		if err := next.restore(&b, func(string) SecondFactor { return nil }, guard.PushLimits{}); err != nil {
			t.Fatal(err)
		}
		next.Close()
	}
	w.process.Close()
}
