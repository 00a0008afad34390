package daemon

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"

	"duoradiusd/policy"
)

// Cleared is what became of a request to clear counts of the guard.
type Cleared struct {
	User    string `json:"user,omitempty"`    // by the one name of whoever was named
	Address string `json:"address,omitempty"` // as the guard counts it
	Cleared int    `json:"cleared"`           // counts
}

// GuardCounts returns what the guard counts: first who is held back, for the longest time first, then the highest counts.
func (d *Daemon) GuardCounts(ctx context.Context) ([]policy.GuardCount, error) {
	list, err := d.runtime.Guard.List(ctx, d.parts.Load().settings.Guesses)
	if err != nil {
		return nil, err
	}
	if list == nil {
		list = []policy.GuardCount{} // which is [] in JSON
	}
	slices.SortFunc(list, func(a, b policy.GuardCount) int {
		return cmp.Or(b.HeldUntil.Compare(a.HeldUntil), cmp.Compare(b.Count, a.Count), strings.Compare(a.Person, b.Person),
			strings.Compare(a.Source, b.Source), strings.Compare(a.Limit, b.Limit))
	})
	return list, nil
}

// ClearUser takes away what the guard counts against a user, in whichever form the name is written.
func (d *Daemon) ClearUser(ctx context.Context, user string) (Cleared, error) {
	what := d.policy.Load().ClearOf(user)
	n, err := d.runtime.Guard.Clear(ctx, what)
	if n > 0 {
		d.log.Info("guard: cleared", "user", what.Person, "counts", n)
	}
	return Cleared{User: what.Person, Cleared: n}, err
}

// ClearAddress takes away what the guard counts against everybody at an address, or at another source as the list of
// counts shows it.
func (d *Daemon) ClearAddress(ctx context.Context, address string) (Cleared, error) {
	source := address
	if ip, err := netip.ParseAddr(address); err == nil {
		source = policy.SourceOf(ip, "")
	}
	n, err := d.runtime.Guard.Clear(ctx, policy.GuardClear{Source: source})
	if n > 0 {
		d.log.Info("guard: cleared", "address", source, "counts", n)
	}
	return Cleared{Address: source, Cleared: n}, err
}
