package main

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// load is a number of NASes and what they send. It has logins in flight all the time (a closed loop), or begins them
// at a rate whatever becomes of those before.
type load struct {
	target   netip.AddrPort
	bare     bool // replies need no Message-Authenticator
	network  byte // of the NASes' addresses
	sources  int  // sockets
	crowd    []identity
	inFlight int           // of a closed loop, all sources together; 0: rate says
	rate     float64       // logins a second
	count    int           // logins in all; 0: duration says
	duration time.Duration // in which logins begin
	patience time.Duration // for replies after that
	every    time.Duration // what is not answered is sent again after this
	twice    int           // one in so many requests is sent twice at once; 0: none
	byLogin  []time.Duration

	start, end time.Time
}

// tally is what became of a load.
type tally struct {
	accepted, refused int
	lost              int // never answered
	late              int // replies that nobody waited for: copies are answered too
	copies            int
	took              []time.Duration // by those that were accepted
	begun, last       time.Time       // when the last login began, and when the last was accepted
	elapsed           time.Duration   // until the last was accepted
	starting          time.Duration   // until the last began
	cpu               time.Duration   // processor time of this process meanwhile: the load's own
}

func (t *tally) add(u *tally) {
	t.accepted += u.accepted
	t.refused += u.refused
	t.lost += u.lost
	t.late += u.late
	t.copies += u.copies
	t.took = append(t.took, u.took...)
	t.begun, t.last = later(t.begun, u.begun), later(t.last, u.last)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// towards is a load on s with what all rows have in common.
func towards(s *server, people []identity) load {
	return load{target: s.addr, bare: s.bare, network: 1, sources: 16, crowd: people, patience: 5 * time.Second,
		every: time.Second, twice: 100}
}

// run makes the logins.
func (l load) run(ctx context.Context) (*tally, error) {
	l.sources = max(l.sources, 1)
	sources := make([]*source, l.sources)
	for i := range sources {
		s, err := l.open(i)
		if err != nil {
			return nil, err
		}
		defer s.conn.Close()
		s.load = &l
		sources[i] = s
	}
	each(sources, (*source).prepare)
	before := ownCPU()
	l.start = time.Now()
	l.end = l.start.Add(l.duration)
	if l.rate > 0 && l.count > 0 {
		l.end = l.start.Add(time.Duration(float64(l.count) / l.rate * float64(time.Second)))
	}
	if l.rate == 0 && l.count > 0 {
		l.end = l.start.Add(time.Minute)
	}
	each(sources, func(s *source) { s.err = s.run(ctx) })
	sum := &tally{cpu: ownCPU() - before}
	each(sources, (*source).verify)
	for _, s := range sources {
		if s.err != nil {
			return nil, s.err
		}
		sum.add(&s.tally)
	}
	sum.starting = sum.begun.Sub(l.start)
	if sum.elapsed = sum.last.Sub(l.start); sum.accepted == 0 {
		sum.elapsed = time.Since(l.start)
	}
	return sum, nil
}

// each has all sources do something at the same time.
func each(sources []*source, do func(*source)) {
	var wg sync.WaitGroup
	for _, s := range sources {
		wg.Go(func() { do(s) })
	}
	wg.Wait()
}
