package main

import (
	"context"
	"fmt"
	"time"
)

// latency is the row of what the daemon adds to what Duo itself takes.
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
	people := crowd(n)
	if err := b.prime(ctx, s, people[:min(n, 200)]); err != nil {
		return err
	}
	var p50, p99, floor50, floor99 []float64
	ours, bare := &rounds{}, &rounds{}
	for again := range b.scale.Again {
		b.say("%s: %d logins at %d/s, %d of %d", row, n, rate, again+1, b.scale.Again)
		f, err := b.paced(ctx, floor, people, rate, bare)
		if err != nil {
			return err
		}
		floor50, floor99 = append(floor50, quantile(f, 0.5).Seconds()), append(floor99, quantile(f, 0.99).Seconds())
		if err := duo.forget(ctx); err != nil {
			return err
		}
		took, err := b.paced(ctx, s, people, rate, ours)
		if err != nil {
			return err
		}
		seen, err := duo.sightings(ctx)
		if err != nil {
			return err
		}
		added := make([]time.Duration, n)
		for i, who := range people {
			added[i] = took[i] - seen.OwnTimes[who.name]
		}
		p50, p99 = append(p50, quantile(added, 0.5).Seconds()), append(p99, quantile(added, 0.99).Seconds())
	}
	b.report.Figures = append(b.report.Figures, ours.figure(row, s, 0), bare.figure(row, floor, 0))
	got := seconds(median(p99))
	b.judge(verdict{row, fmt.Sprintf("p99 under %s at %d logins/s", milliseconds(limit), rate),
		fmt.Sprintf("p50 %s, p99 %s over Duo's own (the floor's: p50 %s, p99 %s)", milliseconds(seconds(median(p50))), milliseconds(got),
			milliseconds(seconds(median(floor50))), milliseconds(seconds(median(floor99)))), got < limit})
	return nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// paced has everybody log in once, at a rate, and returns how long it took each.
func (b *bench) paced(ctx context.Context, s *server, people []identity, rate float64, into *rounds) ([]time.Duration, error) {
	l := towards(s, people)
	l.rate, l.count, l.byLogin = rate, len(people), make([]time.Duration, len(people))
	t, cpu, err := b.round(ctx, s, l)
	if err != nil {
		return nil, err
	}
	if t.accepted != len(people) {
		return nil, fmt.Errorf("%s accepted %d of %d logins", s.title, t.accepted, len(people))
	}
	into.add(t, cpu)
	return l.byLogin, nil
}
