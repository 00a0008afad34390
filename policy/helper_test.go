package policy

import (
	"context"
	"testing"
)

// listOf returns the approvals that a lists.
func listOf(t testing.TB, a Approvals, user string, most int) []Approval {
	t.Helper()
	list, err := a.List(context.Background(), user, most)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// forgotten forgets a user's approvals and returns how many still counted.
func forgotten(t testing.TB, a Approvals, user string) int {
	t.Helper()
	n, err := a.Forget(context.Background(), user)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// forgottenAll forgets everybody's approvals and returns how many still counted.
func forgottenAll(t testing.TB, a Approvals) int {
	t.Helper()
	n, err := a.ForgetAll(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// cooling reports whether the guard keeps a Duo user's phone silent.
func (w *world) cooling(duo Identity) bool {
	w.Helper()
	hold, err := w.memory.Guard.CoolingDown(context.Background(), Phone{Duo: duo})
	if err != nil {
		w.Fatal(err)
	}
	return hold != ""
}

// kept returns how many keys can be joined, how many phones count as ringing and how many transactions are live.
func (w *world) kept() (keys, ringing, live int) {
	ts := w.memory.transactions
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return len(ts.byKey), len(ts.ringing) / 2, ts.live // each phone has two keys
}
