package main

import (
	"context"
	"fmt"
	"time"
)

// latency measures how much longer a login takes than Duo itself takes for it. Two servers that do less are measured beside
// the daemon: one asks nobody, and one asks Duo by its SDK and does nothing else.
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
	ours, err := b.ours(ctx, titleOurs, configuration(duo, "0s"))
	if err != nil {
		return err
	}
	floor, err := b.rival(ctx, titleFloor, "floor")
	if err != nil {
		return err
	}
	sdk, err := b.rival(ctx, titleSDK, "sdk", "-duo", duo.addr, "-ca", duo.ca)
	if err != nil {
		return err
	}
	n := int(rate * b.scale.Pace.Seconds())
	people := b.fresh(n)
	for _, s := range []*server{ours, sdk} {
		if err := b.prime(ctx, s, b.fresh(200)()); err != nil {
			return err
		}
	}
	runs := []*latencies{{server: floor}, {server: sdk, duo: duo}, {server: ours, duo: duo}}
	for turn := range b.scale.Turns {
		b.say("%s: %d logins at %d/s, %d of %d", row, n, rate, turn+1, b.scale.Turns)
		for _, l := range runs {
			p, err := calmly(ctx, b, row, func() (pacing, error) { return b.added(ctx, row, l.server, l.duo, people(), rate) })
			if err != nil {
				return err
			}
			l.add(p)
		}
	}
	for _, l := range runs {
		b.report.Figures = append(b.report.Figures, l.rounds.figure(row, l.server, 0))
	}
	got := seconds(median(runs[2].p99))
	b.judge(verdict{row, fmt.Sprintf("p99 under %s at %d logins/s", milliseconds(limit), rate),
		fmt.Sprintf("%s over Duo's own (Duo's SDK alone: %s; a floor that asks nobody: %s)", runs[2], runs[1], runs[0]), got < limit})
	return nil
}

// latencies holds how long the logins of one server took, by turn.
type latencies struct {
	server   *server
	duo      *fakeDuo // whose own time does not count; nil: nobody is asked
	rounds   rounds
	p50, p99 []float64
}

func (l *latencies) add(p pacing) {
	l.rounds.add(p.outcome)
	l.p50, l.p99 = append(l.p50, quantile(p.took, 0.5).Seconds()), append(l.p99, quantile(p.took, 0.99).Seconds())
}

func (l *latencies) String() string {
	return fmt.Sprintf("p50 %s, p99 %s", milliseconds(seconds(median(l.p50))), milliseconds(seconds(median(l.p99))))
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// pacing holds the results of logins that were begun at a fixed rate, and how long each of them took.
type pacing struct {
	outcome
	took []time.Duration
}

// paced lets each of people log in once, at a rate in logins per second.
func (b *bench) paced(ctx context.Context, row string, s *server, people []identity, rate float64) (pacing, error) {
	l := towards(s, people)
	l.rate, l.count, l.byLogin = rate, len(people), make([]time.Duration, len(people))
	o, err := b.profiled(ctx, row+", at a rate", s, l, seconds(float64(len(people))/rate))
	if err != nil {
		return pacing{}, err
	}
	if o.accepted != len(people) {
		return pacing{}, fmt.Errorf("%s accepted %d of %d logins", s.title, o.accepted, len(people))
	}
	return pacing{o, l.byLogin}, nil
}

// added does what paced does, and subtracts from the time of each login the time that Duo itself took. If duo is nil, nobody
// is asked.
func (b *bench) added(ctx context.Context, row string, s *server, duo *fakeDuo, people []identity, rate float64) (pacing, error) {
	if duo == nil {
		return b.paced(ctx, row, s, people, rate)
	}
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
	if seen.Pushes < len(people) { // Duo's SDK alone pushes again for a copy of a request
		return pacing{}, fmt.Errorf("%s: %d pushes for %d logins", row, seen.Pushes, len(people))
	}
	for i, who := range people {
		p.took[i] -= seen.OwnTimes[who.name]
	}
	return p, nil
}
