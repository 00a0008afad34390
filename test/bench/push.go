package main

import (
	"context"
	"fmt"
)

const (
	titleRest = "FreeRADIUS + rlm_rest"
	titlePerl = "FreeRADIUS + rlm_perl, LWP"
	titleKept = "FreeRADIUS + rlm_perl, kept connections"
)

// push measures the row of logins whose push is approved at once. The daemon makes three calls to Duo for a login, the
// rivals make one.
func (b *bench) push(ctx context.Context) error {
	const row, inFlight = "push, answered at once", 64
	duo, err := b.duo(ctx, 0, false)
	if err != nil {
		return err
	}
	old, err := b.duo(ctx, 0, true)
	if err != nil {
		return err
	}
	servers, err := b.field(row,
		func() (*server, error) { return b.ours(ctx, titleOurs, configuration(duo, "0s")) },
		func() (*server, error) { return b.ours(ctx, titleOurs+", HTTP/1.1", configuration(old, "0s")) },
		func() (*server, error) { return b.freeradius(ctx, guiseRest, duo) },
		func() (*server, error) { return b.freeradius(ctx, guisePerl, duo) },
		func() (*server, error) { return b.freeradius(ctx, guiseKept, duo) },
	)
	if err != nil {
		return err
	}
	first := b.fresh(200)
	for _, s := range servers {
		if err := b.prime(ctx, s, first()); err != nil { // so that connections are open before the first turn
			return err
		}
	}
	if err := b.turns(ctx, row, servers, b.fresh(int(10_000*b.scale.Measure.Seconds())), []int{inFlight}); err != nil {
		return err
	}
	if err := allSigned(ctx, duo, old); err != nil {
		return fmt.Errorf("%s: %w", row, err)
	}
	if err := b.allAsked(ctx, row, len(servers)*200, duo, old); err != nil {
		return err
	}
	b.compare(row, titleRest, "at most 0.7 of the CPU of "+titleRest+" for each call of Duo", "%.2f",
		func(ours, theirs figure) (float64, bool) {
			r := versus(ours.CPUs, theirs.CPUs) / 3 // the daemon makes three calls for a login
			return r, r > 0 && r <= 0.7
		})
	b.compare(row, titlePerl, "at most 0.1 of the CPU of "+titlePerl, "%.3f",
		func(ours, theirs figure) (float64, bool) {
			r := versus(ours.CPUs, theirs.CPUs)
			return r, r > 0 && r <= 0.1
		})
	return nil
}

// allAsked returns an error if fewer pushes were begun than logins were accepted. primed is the number of logins that were
// accepted before the first turn.
func (b *bench) allAsked(ctx context.Context, row string, primed int, duos ...*fakeDuo) error {
	pushes := 0
	for _, d := range duos {
		seen, err := d.sightings(ctx)
		if err != nil {
			return err
		}
		pushes += seen.Pushes
	}
	if accepted := b.accepted[row] + primed; pushes < accepted {
		return fmt.Errorf("%s: %d logins were accepted after %d pushes", row, accepted, pushes)
	}
	return nil
}

// allSigned returns an error if one of the Duo servers got a call with a wrong signature, because the server that made
// the call has then not done the whole work.
func allSigned(ctx context.Context, duos ...*fakeDuo) error {
	for _, d := range duos {
		seen, err := d.sightings(ctx)
		if err != nil {
			return err
		}
		if seen.Refused > 0 {
			return fmt.Errorf("%d calls with a wrong signature", seen.Refused)
		}
	}
	return nil
}
