package memory

import (
	"context"
	"net/netip"
	"testing"

	"duoradiusd/policy"
	"duoradiusd/policy/factor"
)

var (
	home       = netip.MustParseAddr("198.51.100.7")
	smartphone = policy.Device{ID: "DP1", Type: "phone", Name: "smartphone", Capabilities: []string{"auto", "push"}}
	allFactors = []factor.Factor{factor.Push, factor.Phone, factor.Passcode, factor.SMS}
)

// listOf returns the approvals that a lists.
func listOf(t testing.TB, a policy.Approvals, user string, most int) []policy.Approval {
	t.Helper()
	list, err := a.List(context.Background(), user, most)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// forgotten forgets a user's approvals and returns how many still counted.
func forgotten(t testing.TB, a policy.Approvals, user string) int {
	t.Helper()
	n, err := a.Forget(context.Background(), user)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// forgottenAll forgets everybody's approvals and returns how many still counted.
func forgottenAll(t testing.TB, a policy.Approvals) int {
	t.Helper()
	n, err := a.ForgetAll(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return n
}
