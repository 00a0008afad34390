package main

import (
	"context"
	"fmt"
	"time"
)

const (
	pushTakes   = 2 * time.Second  // the time between a push and the user's answer
	answeredIn2 = 30 * time.Second // all logins must be accepted within this time from the first request, over HTTP/2
	answeredIn1 = 10 * time.Second // the same for the smaller number of logins over HTTP/1.1
	pendingPeak = 800              // the memory that the daemon may use, in MB

	maxConnections = 2048 // the most connections that the daemon opens to one application
)

// pending measures the row of many pushes that wait for their users at the same time.
func (b *bench) pending(ctx context.Context) error {
	if err := b.waiting(ctx, "pending pushes, HTTP/2", b.scale.Pending, false); err != nil {
		return err
	}
	return b.waiting(ctx, "pending pushes, HTTP/1.1", b.scale.Pending1, true)
}

// worst holds the worst result of each kind from several tries, in each of which many pushes were begun at the same
// time.
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

// waited holds the results of pushes that waited at the same time.
type waited struct {
	outcome
	server *server
	duo    time.Duration // the processor time of the Duo server
	seen   sightings
}

// wait makes each of people begin a push within one second, at a daemon that was just started and has no connection
// yet.
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
			w.connections <= maxConnections+1 && w.handshakes <= maxConnections+maxConnections/20}) // one more connection is the one that asks for the counts
		return
	}
	per := float64(w.connections) * 100 / float64(n)
	b.judge(verdict{row, "at most 1.5 connections per 100",
		fmt.Sprintf("%.2f (%d, after %d handshakes)", per, w.connections, w.handshakes), per <= 1.5})
}
