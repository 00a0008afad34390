package memory

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/factor"
	"duoradiusd/policy/guard"
)

// TestFewerEntries: the approvals that were used last stay.
func TestFewerEntries(t *testing.T) {
	now := time.Now()
	m, less := New(5000), New(3)
	for i := range 5000 {
		m.approvals.add(policy.ApprovalKey{User: fmt.Sprint(i)}, factor.Push, now, time.Hour)
	}
	m.approvals.UseAtOnce(policy.ApprovalKey{User: "17"}, now, policy.ApprovalLimits{Lifetime: time.Hour, Factors: allFactors})
	var b bytes.Buffer
	if err := m.Save(&b); err != nil {
		t.Fatal(err)
	}
	if _, err := less.Restore(&b, nil, nothing, guard.PushLimits{}); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, a := range listOf(t, less.approvals, "", 0) {
		names = append(names, a.User)
	}
	if fmt.Sprint(names) != "[17 4999 4998]" {
		t.Errorf("got %q", names)
	}
}

// TestBoundedSave: if there are too many approvals for a file, those that were used last are saved.
func TestBoundedSave(t *testing.T) {
	a, long := newApprovals(10, new(atomic.Uint64), new(atomic.Uint64)), string(make([]byte, maxSaved/4))
	for i := range 5 {
		a.add(policy.ApprovalKey{User: fmt.Sprint(i), Service: long}, factor.Push, time.Now(), time.Hour)
	}
	var names string
	for _, list := range a.save() {
		for _, s := range list {
			names += s.User
		}
	}
	if names != "234" {
		t.Errorf("got %s", names)
	}
}
