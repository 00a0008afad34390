package main

import (
	"context"
	"fmt"
	"time"
)

const (
	pushTakes   = 2 * time.Second  // until the user answers
	answeredIn2 = 30 * time.Second // all, from the first request on: over HTTP/2...
	answeredIn1 = 10 * time.Second // ...and the fewer over HTTP/1.1
	pendingPeak = 800              // MB

	maxConnections = 2048 // that the daemon opens to one application
)

// pending is the row of many pushes that wait at the same time.
func (b *bench) pending(ctx context.Context) error {
	if err := b.waiting(ctx, "pending pushes, HTTP/2", b.scale.Pending, false); err != nil {
		return err
	}
	return b.waiting(ctx, "pending pushes, HTTP/1.1", b.scale.Pending1, true)
}

// worst is the worst of several times that n pushes were begun at once.
type worst struct {
	accepted, pushes        int
	starting, slowest       time.Duration
	peak                    float64
	connections, handshakes int
}

func (w *worst) add(t *tally, seen sightings, peak float64) {
	w.accepted = min(w.accepted, t.accepted)
	w.pushes = max(w.pushes, seen.Pushes)
	w.starting = max(w.starting, t.starting)
	w.slowest = max(w.slowest, t.elapsed)
	w.peak = max(w.peak, peak)
	w.connections = max(w.connections, seen.Connections)
	w.handshakes = max(w.handshakes, seen.Handshakes)
}

func (b *bench) waiting(ctx context.Context, row string, n int, http1 bool) error {
	duo, err := b.duo(ctx, pushTakes, http1)
	if err != nil {
		return err
	}
	people := crowd(n)
	sum := worst{accepted: n}
	all, beside := &rounds{}, &rounds{}
	var last *server
	for again := range b.scale.Again {
		b.say("%s: %d begun within a second, %d of %d", row, n, again+1, b.scale.Again)
		w, err := calmly(ctx, b, row, func() (w waited, err error) {
			w, err = b.wait(ctx, duo, people, last)
			last = w.server
			return w, err
		})
		if err != nil {
			return err
		}
		all.add(w.outcome)
		beside.add(outcome{tally: w.tally, cpu: w.duo})
		sum.add(w.tally, w.seen, last.peak())
	}
	b.report.Figures = append(b.report.Figures, all.figure(row, last, n),
		beside.figure(row, &server{process: duo.process, title: "(Duo, beside it)"}, n))
	b.judgeWait(row, sum, n, http1)
	return nil
}

// waited is what became of pushes that waited at the same time.
type waited struct {
	outcome
	server *server
	duo    time.Duration // processor time
	seen   sightings
}

// wait has everybody begin a push within a second, on a daemon that is cold: it has no connection yet.
func (b *bench) wait(ctx context.Context, duo *fakeDuo, people []identity, last *server) (w waited, err error) {
	if last != nil {
		last.stop()
	}
	if w.server, err = b.ours(ctx, titleOurs, configuration(duo, "0s")); err != nil {
		return w, err
	}
	if err := duo.forget(ctx); err != nil {
		return w, err
	}
	n := len(people)
	l := towards(w.server, people)
	l.rate, l.count, l.sources = float64(n), n, max(n/150, 1)
	l.every, l.patience = 5*time.Second, 40*time.Second
	before := duo.cpu()
	if w.outcome, err = b.round(ctx, w.server, l); err != nil {
		return w, err
	}
	w.duo = duo.cpu() - before
	w.seen, err = duo.sightings(ctx)
	return w, err
}

func (b *bench) judgeWait(row string, w worst, n int, http1 bool) {
	answeredIn := answeredIn2
	if http1 {
		answeredIn = answeredIn1
	}
	b.judge(verdict{row, fmt.Sprintf("%d begun in 1 s, all answered within %.0f s", n, answeredIn.Seconds()),
		fmt.Sprintf("%d, begun in %.1f s, the last answered after %.1f s", w.accepted, w.starting.Seconds(), w.slowest.Seconds()),
		w.accepted == n && w.slowest <= answeredIn})
	b.judge(verdict{row, "one push each", fmt.Sprintf("%d pushes for %d logins", w.pushes, n), w.pushes == n})
	b.judge(verdict{row, fmt.Sprintf("under %d MB", pendingPeak),
		fmt.Sprintf("%.0f MB, %.1f KB a login", w.peak, w.peak*1000/float64(n)), w.peak < pendingPeak})
	if http1 {
		b.judge(verdict{row, fmt.Sprintf("at most %d connections, no more handshakes", maxConnections),
			fmt.Sprintf("%d connections, %d handshakes", w.connections, w.handshakes),
			w.connections <= maxConnections+1 && w.handshakes <= maxConnections+maxConnections/20}) // one is ours, to ask
		return
	}
	per := float64(w.connections) * 100 / float64(n)
	b.judge(verdict{row, "at most 1.5 connections per 100",
		fmt.Sprintf("%.2f (%d, after %d handshakes)", per, w.connections, w.handshakes), per <= 1.5})
}
