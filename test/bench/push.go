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

// push is the row of logins that Duo approves at once. Ours make three calls each, those of the rivals one.
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
	people := crowd(20_000) // so many that nobody logs in twice at a time
	for _, s := range servers {
		if err := b.prime(ctx, s, people[:200]); err != nil { // connections are made
			return err
		}
	}
	if err := b.turns(ctx, row, servers, people, []int{inFlight}); err != nil {
		return err
	}
	if err := allSigned(ctx, duo, old); err != nil {
		return fmt.Errorf("%s: %w", row, err)
	}
	b.compare(row, titleRest, "at most 0.7 of the CPU of "+titleRest+" for each call of Duo", "%.2f",
		func(ours, theirs figure) (float64, bool) {
			r := versus(ours.CPUs, theirs.CPUs) / 3 // calls
			return r, r > 0 && r <= 0.7
		})
	b.compare(row, titlePerl, "at most 0.1 of the CPU of "+titlePerl, "%.3f",
		func(ours, theirs figure) (float64, bool) {
			r := versus(ours.CPUs, theirs.CPUs)
			return r, r > 0 && r <= 0.1
		})
	return nil
}

// allSigned is an error where one of duos was asked with a wrong signature: its rival did not do the whole work.
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
