package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// listed measures the row of a configuration with very many [[user]] tables.
func (b *bench) listed(ctx context.Context) error {
	const (
		row      = "configuration"
		few      = 10
		loadTime = time.Second
		constant = 1.25 // with many users, a login may take this many times the processor time of a login with few users
	)
	many := b.scale.Listed
	duo, err := b.duo(ctx, 0, false)
	if err != nil {
		return err
	}
	var small, large *server
	var took []float64
	for again := range 3 {
		b.say("%s: %d users, %d of 3", row, many, again+1)
		if large != nil {
			large.stop()
		}
		var empty, whole time.Duration
		if small, empty, err = b.timed(ctx, fmt.Sprintf("%s, %d users", titleOurs, few), users(duo, few)); err != nil {
			return err
		}
		if again < 2 {
			small.stop()
		}
		if large, whole, err = b.timed(ctx, fmt.Sprintf("%s, %d users", titleOurs, many), users(duo, many)); err != nil {
			return err
		}
		took = append(took, (whole - empty).Seconds())
	}
	people := crowd(many)
	people = append(people[:few:few], people[many-few:]...) // the first and the last users of the configuration
	for _, s := range []*server{small, large} {
		if err := b.prime(ctx, s, people); err != nil {
			return err
		}
	}
	if err := b.turns(ctx, row, []*server{small, large}, same(people), []int{64}); err != nil {
		return err
	}
	got := seconds(median(took))
	b.judge(verdict{row, fmt.Sprintf("%d users load in under %s", many, loadTime), fmt.Sprintf("%.2f s", got.Seconds()), got < loadTime})
	figures := b.report.Figures[len(b.report.Figures)-2:]
	r := versus(figures[1].CPUs, figures[0].CPUs)
	b.judge(verdict{row, "lookups constant: CPU per login within a quarter", fmt.Sprintf("%.2f of that with %d users", r, few),
		r > 0 && r <= constant})
	return nil
}

// timed starts the daemon and returns how long it took until the daemon listened.
func (b *bench) timed(ctx context.Context, title, config string) (*server, time.Duration, error) {
	start := time.Now()
	s, err := b.ours(ctx, title, config)
	return s, time.Since(start), err
}

// users returns a configuration with n users.
func users(duo *fakeDuo, n int) string {
	var b strings.Builder
	b.WriteString(configuration(duo, "8h"))
	for _, who := range crowd(n) {
		fmt.Fprintf(&b, "\n[[user]]\nname = %q\nduo_username = %q\n", who.name, who.name)
	}
	return b.String()
}
