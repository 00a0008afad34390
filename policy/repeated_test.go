package policy

import (
	"testing"
	"time"
)

// TestLostReplyRingsOnce: UDP loses the Access-Accept, and the client sends the login again as a new request. The user has
// approved this login already: it gets the same answer once more, and a third one is asked afresh.
//
// Issue 18 mends it.
func TestLostReplyRingsOnce(t *testing.T) {
	t.Skip("not mended yet: issue 18 gives the same request the same answer once")
	inWorld(t, func(w *world) {
		w.duo.scripts = func(AuthRequest) reply { return allows(time3) }
		w.wants(w.login("pw"), "accept approved push T1")
		time.Sleep(2 * time.Second)
		v := w.login("pw")
		if _, pushes := w.duo.counts(); v.Outcome != OutcomeAccept || pushes != 1 {
			t.Errorf("the repeated request: %s, %d pushes", line(v), pushes)
		}
		w.login("pw")
		if _, pushes := w.duo.counts(); pushes != 2 {
			t.Errorf("a third request: %d pushes, want 2", pushes)
		}
	})
}
