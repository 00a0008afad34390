package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// starting is a server that may be missing.
type starting func() (*server, error)

// field starts servers, and leaves out, with a word, those that are not installed.
func (b *bench) field(row string, list ...starting) (servers []*server, err error) {
	for _, start := range list {
		s, err := start()
		if errors.Is(err, errMissing) {
			b.note(row + ": a FreeRADIUS module, or what its script needs, is not installed (apt-get install freeradius freeradius-rest libwww-perl liblwp-protocol-https-perl): left out")
			continue
		}
		if err != nil {
			return nil, err
		}
		servers = append(servers, s)
	}
	return servers, nil
}

// turns has each of servers carry a load in turn, several rounds.
func (b *bench) turns(ctx context.Context, row string, servers []*server, people []identity, inFlight []int) error {
	got := make(map[*server]map[int]*rounds)
	for _, s := range servers {
		got[s] = make(map[int]*rounds)
		for _, n := range inFlight {
			got[s][n] = &rounds{}
		}
	}
	for round := range b.scale.Rounds {
		b.say("%s: round %d of %d", row, round+1, b.scale.Rounds)
		for _, n := range inFlight {
			did, err := b.alternately(ctx, row, servers, people, n)
			if err != nil {
				return err
			}
			for s, o := range did {
				got[s][n].add(*o)
			}
		}
	}
	for _, n := range inFlight {
		for _, s := range servers {
			b.report.Figures = append(b.report.Figures, got[s][n].figure(row, s, n))
		}
	}
	return nil
}

// alternately has servers take the turns of one round, in an order that is drawn for each slice: what one leaves to be done
// later must not always meet the same other. It returns what each did in all.
func (b *bench) alternately(ctx context.Context, row string, servers []*server, people []identity, inFlight int) (map[*server]*outcome, error) {
	did := make(map[*server]*outcome)
	for _, s := range servers {
		did[s] = &outcome{tally: &tally{}}
	}
	for range b.scale.Slices {
		for _, i := range rand.Perm(len(servers)) {
			s := servers[i]
			o, err := calmly(ctx, b, row, func() (outcome, error) { return b.turn(ctx, row, s, people, inFlight) })
			if err != nil {
				return nil, err
			}
			did[s].add(o)
		}
	}
	return did, nil
}

// turn has s carry so many logins at a time, for a while.
func (b *bench) turn(ctx context.Context, row string, s *server, people []identity, inFlight int) (outcome, error) {
	l := towards(s, people)
	l.inFlight, l.duration = inFlight, b.scale.Measure
	profiled := make(chan error, 1)
	go func() { profiled <- b.profile(ctx, s, row, l.duration) }()
	o, err := b.round(ctx, s, l)
	if err := errors.Join(err, <-profiled); err != nil {
		return outcome{}, err
	}
	if o.accepted == 0 {
		return outcome{}, fmt.Errorf("%s accepted nobody: %d rejects, %d without a reply", s.title, o.refused, o.lost)
	}
	return o, nil
}

// outcome is what became of a load, and what its server took for it.
type outcome struct {
	*tally
	cpu   time.Duration
	grown float64 // MB of memory
}

// usage is what a server has taken since it was started.
type usage struct {
	cpu      time.Duration
	resident float64
}

// add adds what became of another load, one after this.
func (o *outcome) add(p outcome) {
	o.tally.add(p.tally)
	o.elapsed += p.elapsed
	o.tally.cpu += p.tally.cpu
	o.cpu += p.cpu
}

func (s *server) now() usage { return usage{s.cpu(), s.resident()} }

func (s *server) since(before usage, t *tally) outcome {
	now := s.now()
	return outcome{t, now.cpu - before.cpu, now.resident - before.resident}
}

// round puts a load on s.
func (b *bench) round(ctx context.Context, s *server, l load) (outcome, error) {
	before := s.now()
	t, err := l.run(ctx)
	if alive := s.running(); alive != nil {
		return outcome{}, alive
	}
	if err != nil {
		return outcome{}, fmt.Errorf("%s: %w", s.title, err)
	}
	o := s.since(before, t)
	s.forget()
	return o, nil
}

// prime logs everybody in once.
func (b *bench) prime(ctx context.Context, s *server, people []identity) error {
	l := towards(s, people)
	l.inFlight, l.count, l.twice = 32, len(people), 0
	o, err := b.round(ctx, s, l)
	if err != nil {
		return err
	}
	if o.accepted != len(people) {
		return fmt.Errorf("%s accepted %d of %d first logins", s.title, o.accepted, len(people))
	}
	return nil
}
