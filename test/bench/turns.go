package main

import (
	"context"
	"errors"
	"fmt"
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

// turns has each of servers carry a load in turn, several rounds, each beginning with another one.
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
		for i := range servers {
			s := servers[(i+round)%len(servers)]
			for _, n := range inFlight {
				l := towards(s, people)
				l.inFlight, l.duration = n, b.scale.Measure
				profiled := make(chan error, 1)
				go func() { profiled <- b.profile(ctx, s, row, l.duration) }()
				t, cpu, err := b.round(ctx, s, l)
				if err := errors.Join(err, <-profiled); err != nil {
					return err
				}
				if t.accepted == 0 {
					return fmt.Errorf("%s accepted nobody: %d rejects, %d without a reply", s.title, t.refused, t.lost)
				}
				got[s][n].add(t, cpu)
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

// round puts a load on s and returns what became of it, and the processor time that s took for it.
func (b *bench) round(ctx context.Context, s *server, l load) (*tally, time.Duration, error) {
	before := s.cpu()
	t, err := l.run(ctx)
	if alive := s.running(); alive != nil {
		return nil, 0, alive
	}
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", s.title, err)
	}
	took := s.cpu() - before
	s.forget()
	return t, took, nil
}

// prime logs everybody in once.
func (b *bench) prime(ctx context.Context, s *server, people []identity) error {
	l := towards(s, people)
	l.inFlight, l.count, l.twice = 32, len(people), 0
	t, _, err := b.round(ctx, s, l)
	if err != nil {
		return err
	}
	if t.accepted != len(people) {
		return fmt.Errorf("%s accepted %d of %d first logins", s.title, t.accepted, len(people))
	}
	return nil
}
