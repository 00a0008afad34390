package main

import (
	"context"
	"fmt"
	"time"
)

// latency measures the row of the time that the daemon adds to the time that Duo itself takes.
func (b *bench) latency(ctx context.Context) error {
	const (
		row   = "added latency"
		rate  = 500
		limit = 2 * time.Millisecond
	)
	duo, err := b.duo(ctx, 0, false)
	if err != nil {
		return err
	}
	s, err := b.ours(ctx, titleOurs, configuration(duo, "0s"))
	if err != nil {
		return err
	}
	floor, err := b.rival(ctx, titleFloor, "floor")
	if err != nil {
		return err
	}
	n := int(rate * b.scale.Pace.Seconds())
	people := b.fresh(n)
	if err := b.prime(ctx, s, b.fresh(200)()); err != nil {
		return err
	}
	var p50, p99, floor50, floor99 []float64
	ours, bare := &rounds{}, &rounds{}
	for turn := range b.scale.Turns {
		b.say("%s: %d logins at %d/s, %d of %d", row, n, rate, turn+1, b.scale.Turns)
		f, err := calmly(ctx, b, row, func() (pacing, error) { return b.paced(ctx, row, floor, people(), rate) })
		if err != nil {
			return err
		}
		bare.add(f.outcome)
		floor50, floor99 = append(floor50, quantile(f.took, 0.5).Seconds()), append(floor99, quantile(f.took, 0.99).Seconds())
		p, err := calmly(ctx, b, row, func() (pacing, error) { return b.added(ctx, row, s, duo, people(), rate) })
		if err != nil {
			return err
		}
		ours.add(p.outcome)
		p50, p99 = append(p50, quantile(p.took, 0.5).Seconds()), append(p99, quantile(p.took, 0.99).Seconds())
	}
	b.report.Figures = append(b.report.Figures, ours.figure(row, s, 0), bare.figure(row, floor, 0))
	got := seconds(median(p99))
	b.judge(verdict{row, fmt.Sprintf("p99 under %s at %d logins/s", milliseconds(limit), rate),
		fmt.Sprintf("p50 %s, p99 %s over Duo's own (the floor's: p50 %s, p99 %s)", milliseconds(seconds(median(p50))), milliseconds(got),
			milliseconds(seconds(median(floor50))), milliseconds(seconds(median(floor99)))), got < limit})
	return nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// pacing holds the results of logins that were begun at a fixed rate, and how long each of them took.
type pacing struct {
	outcome
	took []time.Duration
}

// paced has everybody log in once, at a rate.
func (b *bench) paced(ctx context.Context, row string, s *server, people []identity, rate float64) (pacing, error) {
	l := towards(s, people)
	l.rate, l.count, l.byLogin = rate, len(people), make([]time.Duration, len(people))
	o, err := b.profiled(ctx, row, s, l, seconds(float64(len(people))/rate))
	if err != nil {
		return pacing{}, err
	}
	if o.accepted != len(people) {
		return pacing{}, fmt.Errorf("%s accepted %d of %d logins", s.title, o.accepted, len(people))
	}
	return pacing{o, l.byLogin}, nil
}

// added is paced, less what Duo itself took.
func (b *bench) added(ctx context.Context, row string, s *server, duo *fakeDuo, people []identity, rate float64) (pacing, error) {
	if err := duo.forget(ctx); err != nil {
		return pacing{}, err
	}
	p, err := b.paced(ctx, row, s, people, rate)
	if err != nil {
		return pacing{}, err
	}
	seen, err := duo.sightings(ctx)
	if err != nil {
		return pacing{}, err
	}
	if seen.Pushes != len(people) {
		return pacing{}, fmt.Errorf("%s: %d pushes for %d logins", row, seen.Pushes, len(people))
	}
	for i, who := range people {
		p.took[i] -= seen.OwnTimes[who.name]
	}
	return p, nil
}
