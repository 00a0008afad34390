package main

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// load describes a number of NASes and the logins that they send. In a closed loop, a fixed number of logins is in
// progress all the time. At a rate, logins begin at fixed times, whether or not earlier logins have ended.
type load struct {
	target   netip.AddrPort
	bare     bool // a reply without Message-Authenticator is accepted
	network  byte // the third octet of the NASes' addresses
	sources  int  // the number of sockets
	crowd    []identity
	inFlight int           // logins in progress in a closed loop, all sources together; 0: logins begin at rate
	rate     float64       // logins per second
	count    int           // the total number of logins; 0: logins begin until duration is over
	duration time.Duration // the time in which logins begin
	patience time.Duration // how long replies are waited for after that
	every    time.Duration // a request without a reply is sent again after this time
	twice    int           // one of this many requests is sent twice at the same time; 0: none
	byLogin  []time.Duration

	start, end time.Time
}

// tally holds the results of a load.
type tally struct {
	accepted, refused int
	lost              int // logins without a reply
	late              int // replies for which no login waited, such as the replies to copies
	copies            int
	took              []time.Duration // how long each accepted login took
	begun, last       time.Time       // when the last login began, and when the last was accepted
	elapsed           time.Duration   // the time until the last login was accepted
	starting          time.Duration   // the time until the last login began
	cpu               time.Duration   // the processor time of this process in the same time, which is the load's own
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

// towards returns a load on s with the settings that all rows share.
func towards(s *server, people []identity) load {
	return load{target: s.addr, bare: s.bare, network: 1, sources: 16, crowd: people, patience: 5 * time.Second,
		every: time.Second, twice: 100}
}

// run makes the logins and returns their results.
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

// each calls do for all sources at the same time.
func each(sources []*source, do func(*source)) {
	var wg sync.WaitGroup
	for _, s := range sources {
		wg.Go(func() { do(s) })
	}
	wg.Wait()
}
