package main

import (
	"context"
	"fmt"
)

const (
	titleOurs  = "duoradiusd"
	titleFloor = "bare UDP loop"
	titleCache = "FreeRADIUS + rlm_cache"
)

// remembered measures the row of logins that are accepted by a remembered approval.
func (b *bench) remembered(ctx context.Context) error {
	const row = "remembered login"
	duo, err := b.duo(ctx, 0, false)
	if err != nil {
		return err
	}
	servers, err := b.field(row,
		func() (*server, error) { return b.ours(ctx, titleOurs, configuration(duo, "8h")) },
		func() (*server, error) { return b.rival(ctx, titleFloor, "floor") },
		func() (*server, error) { return b.rival(ctx, "bare UDP loop, batched", "batched") },
		func() (*server, error) { return b.rival(ctx, "layeh's server, checks nothing", "layeh") },
		func() (*server, error) { return b.freeradius(ctx, guiseCache, nil) },
	)
	if err != nil {
		return err
	}
	for _, s := range servers { // the first login of each user leaves the approval that all later logins use
		if err := b.prime(ctx, s, b.people); err != nil {
			return err
		}
	}
	if err := b.turns(ctx, row, servers, same(b.people), b.scale.InFlight); err != nil {
		return err
	}
	seen, err := duo.sightings(ctx)
	if err != nil {
		return err
	}
	if seen.Pushes != len(b.people) {
		return fmt.Errorf("%s: %d pushes for %d users: not remembered", row, seen.Pushes, len(b.people))
	}
	b.compare(row, titleCache, "at least 3 times the logins/s of "+titleCache, "%.2f",
		func(ours, theirs figure) (float64, bool) { r := versus(ours.Rates, theirs.Rates); return r, r >= 3 })
	b.compare(row, titleFloor, "at most 1.7 times the CPU of the bare UDP loop", "%.2f",
		func(ours, theirs figure) (float64, bool) {
			r := versus(ours.CPUs, theirs.CPUs)
			return r, r > 0 && r <= 1.7
		})
	return nil
}
