package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

const titleAlone = "duoradiusd, approvals in memory"

// inRedis measures the row of remembered logins where the daemon keeps its approvals in a Redis on this machine, as one
// of several daemons would.
func (b *bench) inRedis(ctx context.Context) error {
	const (
		row   = "remembered login, approvals in Redis"
		rate  = 500
		limit = 2 * time.Millisecond
	)
	duo, err := b.duo(ctx, 0, false)
	if err != nil {
		return err
	}
	store, err := b.redis(ctx)
	if err != nil {
		return err
	}
	servers, err := b.field(row,
		func() (*server, error) { return b.ours(ctx, titleOurs, configuration(duo, "8h")+store) },
		func() (*server, error) { return b.ours(ctx, titleAlone, configuration(duo, "8h")) },
		func() (*server, error) { return b.freeradius(ctx, guiseCache, nil) },
	)
	if err != nil {
		return err
	}
	for _, s := range servers {
		if err := b.prime(ctx, s, b.people); err != nil {
			return err
		}
	}
	if err := b.turns(ctx, row, servers, same(b.people), b.scale.InFlight); err != nil {
		return err
	}
	seen, err := duo.sightings(ctx)
	if err != nil {
		return err
	}
	if seen.Pushes != 2*len(b.people) { // the two daemons do not share approvals
		return fmt.Errorf("%s: %d pushes for %d users at two daemons that share nothing: not remembered", row, seen.Pushes, len(b.people))
	}
	b.compare(row, titleCache, "at least the logins/s of "+titleCache+" in its own memory", "%.2f",
		func(ours, theirs figure) (float64, bool) { r := versus(ours.Rates, theirs.Rates); return r, r >= 1 })

	people := repeated(b.people, int(rate*b.scale.Pace.Seconds()))
	var with, without, longer []float64
	for turn := range b.scale.Turns {
		b.say("%s: %d logins at %d/s, %d of %d", row, len(people), rate, turn+1, b.scale.Turns)
		var p99 [2]float64
		for i, s := range servers[:2] {
			p, err := calmly(ctx, b, row, func() (pacing, error) { return b.paced(ctx, row, s, people, rate) })
			if err != nil {
				return err
			}
			p99[i] = quantile(p.took, 0.99).Seconds()
		}
		with, without, longer = append(with, p99[0]), append(without, p99[1]), append(longer, p99[0]-p99[1])
	}
	got := seconds(median(longer))
	b.judge(verdict{row, fmt.Sprintf("p99 at most %s longer than in memory, at %d logins/s", milliseconds(limit), rate),
		fmt.Sprintf("%s longer: %s, %s in memory", milliseconds(got), milliseconds(seconds(median(with))), milliseconds(seconds(median(without)))), got <= limit})
	return nil
}

// repeated returns n logins of the people of crowd, who log in one after the other, again and again.
func repeated(crowd []identity, n int) []identity {
	list := make([]identity, n)
	for i := range list {
		list[i] = crowd[i%len(crowd)]
	}
	return list
}

// redis starts a Redis on loopback, and returns the part of a configuration that makes a daemon keep its state there.
func (b *bench) redis(ctx context.Context) (more string, err error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return "", fmt.Errorf("redis-server: %w (apt-get install redis-server)", errMissing)
	}
	dir, err := os.MkdirTemp(b.dir, "redis-")
	if err != nil {
		return "", err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	p, err := b.start(dir, nil, program, "--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--save", "", "--dir", dir)
	if err != nil {
		return "", err
	}
	if _, err := p.says(ctx, "Ready to accept connections"); err != nil {
		return "", err
	}
	key := filepath.Join(dir, "cluster.key")
	if out, err := exec.CommandContext(ctx, b.program, "cluster", "key", key).CombinedOutput(); err != nil {
		return "", fmt.Errorf("cluster key: %w: %s", err, out)
	}
	// The time-out is long, so that a short stop of a busy machine is not an outage of the store, in which approvals
	// do not count.
	return fmt.Sprintf("\n[cluster]\nurl = \"redis://127.0.0.1:%d\"\nkey_file = %q\ntimeout = \"1s\"\n", port, key), nil
}
