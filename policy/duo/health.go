package duo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/failover"
)

// Health says how Duo has answered lately.
type Health int

const (
	Up   Health = iota // Duo answers in time
	Slow               // Duo answers, but so late that clients may have given up
	Down               // Duo can't be asked: the last ping failed
)

// String returns "up", "slow" or "down".
func (h Health) String() string { return [...]string{"up", "slow", "down"}[h] }

const (
	pingTimeout = 2200 * time.Millisecond   // more than fairChance, so that silence counts as an outage
	failureLife = 5 * time.Second           // Duo counts as down for this time after a failed ping
	pingPause   = failureLife - pingTimeout // pause between pings while Duo is down
	slowPreauth = 3 * time.Second           // a preauth that takes longer is late
	slowSample  = 40                        // how many of the last preauths are looked at
)

// health is a circuit breaker: in an outage one ping waits for Duo, and logins fail at once. A failed call alone is no outage,
// because the cause may be this call, such as a user name that Duo's front end can't process. Duo is down if a ping fails too,
// and no other call is answered meanwhile: where thousands log in at once, a ping may be late because this machine is busy.
type health struct {
	changed func(Health, error)
	reports failover.Reports

	mu     sync.Mutex // guards all below
	state  Health
	err    error            // why Duo is down
	failed time.Time        // when the last ping failed
	heard  time.Time        // when Duo last answered a call that is no ping
	ping   *ping            // the ping under way, or the next one while Duo is down; nil = probe does not run
	late   [slowSample]bool // ring: whether each of the last preauths was late
	seen   int              // number of preauths since the start
}

// ping is a ping under way. All logins share it.
type ping struct {
	done chan struct{}
	err  error // valid when done is closed
}

// Health returns Duo's health and, for Down, the error that says why.
func (c *Client) Health() (Health, error) {
	c.health.mu.Lock()
	defer c.health.mu.Unlock()
	return c.health.state, c.health.err
}

// down returns the error of a ping that failed within failureLife; nil if there was none. mu is held.
func (h *health) down() error {
	if h.state != Down || time.Since(h.failed) > failureLife {
		return nil
	}
	return h.err
}

// spared returns an error if Duo is known to be down, so that a login need not wait for it.
func (c *Client) spared() error {
	c.health.mu.Lock()
	defer c.health.mu.Unlock()
	if err := c.health.down(); err != nil {
		return &Error{Path: preauthPath, Err: fmt.Errorf("not asked, because the last ping failed: %w", err), kind: policy.ErrUnavailable}
	}
	return nil
}

// Outage implements policy.SecondFactor. It returns nil if Duo answers a ping, an error that matches policy.ErrUnavailable if
// the ping fails with an error of the list of outages, and another error if neither is known before ctx ends.
func (c *Client) Outage(ctx context.Context) error {
	p, err := c.suspect()
	if err != nil {
		return err
	}
	if p == nil {
		return &Error{Path: pingPath, Err: errors.New("the client is closed")}
	}
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return &Error{Path: pingPath, Err: context.Cause(ctx), kind: policy.ErrCutShort}
	}
}

// note records how a call ended and how long it took, and so finds out whether Duo is slow. A call that failed with an outage
// after a long time counts as late. A failed call starts a ping.
func (c *Client) note(err error, took time.Duration) {
	failed := errors.Is(err, policy.ErrUnavailable)
	if failed {
		c.suspect()
	}
	if err != nil && (!failed || took <= slowPreauth) {
		return
	}
	h := &c.health
	h.change(func() {
		h.late[h.seen%slowSample] = took > slowPreauth
		h.seen++
		if h.state != Down {
			h.state = h.pace()
		}
	})
}

// hear records that Duo has answered a call.
func (h *health) hear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.heard = time.Now()
}

// suspect returns the error of a ping that failed within failureLife. Otherwise it returns the ping under way, and begins one if
// there is none. A closed Client has no ping.
func (c *Client) suspect() (*ping, error) {
	h := &c.health
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.down(); err != nil {
		return nil, err
	}
	if h.ping == nil && c.ctx.Err() == nil {
		h.ping = &ping{done: make(chan struct{})}
		c.wg.Go(c.probe)
	}
	return h.ping, nil
}

// probe pings until Duo answers or the Client is closed. Any answer ends it, also an error: then the calls themselves report
// what is wrong.
func (c *Client) probe() {
	h := &c.health
	for {
		began := time.Now()
		_, err := c.time(exchange{ctx: c.ctx, own: true}, pingTimeout, pingPath) // over connections of its own
		closed, down := c.ctx.Err() != nil, false
		h.change(func() {
			if h.heard.After(began) && errors.Is(err, policy.ErrUnavailable) {
				err = &Error{Path: pingPath, Err: errors.New("no answer in time, but Duo answered another call meanwhile")}
			}
			down = errors.Is(err, policy.ErrUnavailable) && !closed
			switch {
			case down:
				h.state, h.err, h.failed = Down, err, time.Now()
			case !closed:
				h.state, h.err = h.pace(), nil
			}
			h.ping.err = err
			close(h.ping.done)
			h.ping = nil
			if down {
				h.ping = &ping{done: make(chan struct{})}
			}
		})
		if !down {
			return
		}
		sleep(c.ctx, pingPause) // ends early if the Client is closed; the next ping then fails at once
	}
}

// change calls to, and reports a new state. changed is called once at a time, in order, and without mu: no login waits for it.
func (h *health) change(to func()) {
	h.mu.Lock()
	was := h.state
	to()
	if is, err := h.state, h.err; is != was && h.changed != nil {
		h.reports.Add(func() { h.changed(is, err) })
	}
	h.mu.Unlock()
	h.reports.Flush()
}

// pace returns Slow if more than 5 in 100 of the last preauths were late, otherwise Up. Pings do not count. mu is held.
func (h *health) pace() Health {
	late := 0
	for _, l := range h.late {
		if l {
			late++
		}
	}
	if h.seen >= slowSample && late*100 > slowSample*5 {
		return Slow
	}
	return Up
}
