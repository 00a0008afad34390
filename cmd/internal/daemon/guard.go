package daemon

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"

	"duoradiusd/policy"
	"duoradiusd/policy/guard"
)

// Cleared is the answer to a request to clear counts of the guard.
type Cleared struct {
	User    string `json:"user,omitempty"`    // canonical name of the user
	Address string `json:"address,omitempty"` // the address as the guard counts it
	Cleared int    `json:"cleared"`           // number of counts that were cleared
}

// GuardCounts returns the counts of the guard. First come the persons and sources that are held back, the longest time first;
// then the others, the highest count first.
func (d *Daemon) GuardCounts(ctx context.Context) ([]guard.Count, error) {
	list, err := d.runtime.Guard.List(ctx, d.parts.Load().settings.Guesses)
	if err != nil {
		return nil, err
	}
	if list == nil {
		list = []guard.Count{} // [] in JSON, where nil would be null
	}
	slices.SortFunc(list, func(a, b guard.Count) int {
		return cmp.Or(b.HeldUntil.Compare(a.HeldUntil), cmp.Compare(b.Count, a.Count), strings.Compare(a.Person, b.Person),
			strings.Compare(a.Source, b.Source), strings.Compare(a.Limit, b.Limit))
	})
	return list, nil
}

// ClearUser clears the counts of the guard against a user. user may be any form of the name.
func (d *Daemon) ClearUser(ctx context.Context, user string) (Cleared, error) {
	what := d.policy.Load().ClearOf(user)
	n, err := d.runtime.Guard.Clear(ctx, what)
	if n > 0 {
		d.log.Info("guard: cleared", "user", what.Person, "counts", n)
	}
	return Cleared{User: what.Person, Cleared: n}, err
}

// ClearAddress clears the counts of the guard against everybody at an address, or at another source in the form that the list
// of counts shows.
func (d *Daemon) ClearAddress(ctx context.Context, address string) (Cleared, error) {
	source := address
	if ip, err := netip.ParseAddr(address); err == nil {
		source = guard.SourceOf(ip, "")
	}
	n, err := d.runtime.Guard.Clear(ctx, policy.GuardClear{Source: source})
	if n > 0 {
		d.log.Info("guard: cleared", "address", source, "counts", n)
	}
	return Cleared{Address: source, Cleared: n}, err
}
