package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// starting starts a server. It returns errMissing if the server is not installed.
type starting func() (*server, error)

// field starts servers. It leaves out those that are not installed, and prints which.
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

// turns gives each server a load, one server after the other, for several rounds. people returns who logs in during the next
// turn.
func (b *bench) turns(ctx context.Context, row string, servers []*server, people func() []identity, inFlight []int) error {
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
				b.accepted[row] += o.accepted
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

// alternately gives the servers the turns of one round. The order is random in each slice, so that work that one server
// does after its turn does not always disturb the same other server. It returns the total result of each server.
func (b *bench) alternately(ctx context.Context, row string, servers []*server, people func() []identity, inFlight int) (map[*server]*outcome, error) {
	did := make(map[*server]*outcome)
	for _, s := range servers {
		did[s] = &outcome{tally: &tally{}}
	}
	for range b.scale.Slices {
		for _, i := range rand.Perm(len(servers)) {
			s := servers[i]
			o, err := calmly(ctx, b, row, func() (outcome, error) { return b.turn(ctx, row, s, people(), inFlight) })
			if err != nil {
				return nil, err
			}
			did[s].add(o)
		}
	}
	return did, nil
}

// profiled does what round does, and writes a profile of s if profiles are wanted. takes is how long the load lasts.
func (b *bench) profiled(ctx context.Context, row string, s *server, l load, takes time.Duration) (outcome, error) {
	profiled := make(chan error, 1)
	go func() { profiled <- b.profile(ctx, s, row, takes) }()
	o, err := b.round(ctx, s, l)
	return o, errors.Join(err, <-profiled)
}

// same returns a function for turns by which the same users log in during each turn.
func same(people []identity) func() []identity { return func() []identity { return people } }

// fresh returns a function for turns by which n users log in during each turn who have not logged in before in this run. A
// user who comes again within half a minute may get the answer of the earlier login, without a call of Duo.
func (b *bench) fresh(n int) func() []identity {
	return func() []identity {
		b.named += n
		return crowdFrom(b.named-n, n)
	}
}

// turn gives s a closed loop with inFlight logins in progress for the time of one turn.
func (b *bench) turn(ctx context.Context, row string, s *server, people []identity, inFlight int) (outcome, error) {
	l := towards(s, people)
	l.inFlight, l.duration = inFlight, b.scale.Measure
	o, err := b.profiled(ctx, row, s, l, l.duration)
	if err != nil {
		return outcome{}, err
	}
	if o.accepted == 0 {
		return outcome{}, fmt.Errorf("%s accepted nobody: %d rejects, %d without a reply", s.title, o.refused, o.lost)
	}
	return o, nil
}

// outcome holds the results of a load, and the processor time and memory that the server used for it.
type outcome struct {
	*tally
	cpu   time.Duration
	grown float64 // how much the memory has grown, in MB
}

// usage holds the processor time and memory that a server has used since it was started.
type usage struct {
	cpu      time.Duration
	resident float64
}

// add adds the results of a later load.
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

// round runs a load against s.
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

// prime makes each of people log in once.
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
