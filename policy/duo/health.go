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

// Health is what the last calls say of Duo.
type Health int

const (
	Up   Health = iota // it answers in time
	Slow               // it answers, but so late that clients may have given up
	Down               // it can't be asked: the last ping failed
)

// String returns "up", "slow" or "down".
func (h Health) String() string { return [...]string{"up", "slow", "down"}[h] }

const (
	pingTimeout = 2200 * time.Millisecond // more than fairChance: a ping that hangs is a proof
	failureLife = 5 * time.Second         // so long a failed ping says that Duo is down
	pingPause   = failureLife - pingTimeout
	slowPreauth = 3 * time.Second // 95 of 100 preauths take less when all is well
	slowSample  = 40              // preauths that are looked at
)

// health is a circuit breaker: in an outage a ping waits for Duo, and not every login. A call that fails is no outage yet, for
// it may be one user's name that Duo's front end can't take: only when a ping fails too, Duo is down.
type health struct {
	changed func(Health, error)
	reports failover.Reports

	mu     sync.Mutex // guards all below
	state  Health
	err    error            // of Down
	failed time.Time        // when the last ping failed
	ping   *ping            // under way, or to come while Duo is down; nil = none, and no probe runs
	late   [slowSample]bool // whether the last preauths took long, in a ring
	seen   int              // preauths since the start
}

// ping is one that is under way. All who want to know share it.
type ping struct {
	done chan struct{}
	err  error // valid when done is closed
}

// Health returns what is known, and for Down the error that says why.
func (c *Client) Health() (Health, error) {
	c.health.mu.Lock()
	defer c.health.mu.Unlock()
	return c.health.state, c.health.err
}

// down returns the error of a ping that failed not long ago; nil where there was none. mu is held.
func (h *health) down() error {
	if h.state != Down || time.Since(h.failed) > failureLife {
		return nil
	}
	return h.err
}

// spared returns an error while Duo is known to be down.
func (c *Client) spared() error {
	c.health.mu.Lock()
	defer c.health.mu.Unlock()
	if err := c.health.down(); err != nil {
		return &Error{Path: preauthPath, Err: fmt.Errorf("not asked, the last ping failed: %w", err), kind: policy.ErrUnavailable}
	}
	return nil
}

// Outage implements policy.SecondFactor: nil where Duo answers a ping, an error that matches policy.ErrUnavailable where it
// does not, and another where that can't be told before ctx ends.
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

// note takes in how a call ended, and notices when Duo becomes slow, and when it is fast again. A call that could not be made
// in time is late all the same.
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

// suspect returns the error of a ping that failed not long ago, else the ping that is under way. It begins one where there is
// none; a closed Client has none.
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

// probe pings until Duo answers or the Client is closed. What it answers does not matter; what is wrong then is for the call
// to say.
func (c *Client) probe() {
	h := &c.health
	for {
		_, err := c.time(exchange{ctx: c.ctx, own: true}, pingTimeout, pingPath) // over connections of its own
		closed := c.ctx.Err() != nil
		down := errors.Is(err, policy.ErrUnavailable) && !closed
		h.change(func() {
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
		sleep(c.ctx, pingPause) // when it ends early, the Client is closed, and so does the next ping
	}
}

// change does to, and reports the state that comes of it if that is another one. changed gets one report after the other, in
// their order, and nobody else waits for it.
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

// pace is Slow when more than 5 in 100 of the last preauths were late. A ping says nothing of that. mu is held.
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
