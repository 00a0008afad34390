package duo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"duoradiusd/policy"
)

// Health is what the last calls say of Duo.
type Health int

const (
	Up   Health = iota
	Slow        // it answers, but so late that clients may have given up
	Down        // it can't be asked: preauth fails at once until a ping gets through
)

func (h Health) String() string { return [...]string{"up", "slow", "down"}[h] }

const (
	probeInterval = 5 * time.Second
	probeTimeout  = 3 * time.Second
	slowPreauth   = 3 * time.Second // 95 of 100 preauths take less when all is well
	slowSample    = 40              // preauths that are looked at
)

// health is a circuit breaker: in an outage one probe in five seconds waits for Duo, not every login.
type health struct {
	changed func(Health, error)

	mu      sync.Mutex // guards all below
	state   Health
	err     error // of Down
	news    []func()
	telling bool
	probing bool
	late    [slowSample]bool // whether the last preauths took long, in a ring
	seen    int              // preauths since the start
}

// Health returns what is known, and for Down the error that says why.
func (c *Client) Health() (Health, error) {
	c.health.mu.Lock()
	defer c.health.mu.Unlock()
	return c.health.state, c.health.err
}

// spared returns an error while Duo is known to be down.
func (c *Client) spared() error {
	state, err := c.Health()
	if state != Down {
		return nil
	}
	return &Error{Path: preauthPath, Err: fmt.Errorf("not asked, the last probe failed: %w", err), kind: unreachable}
}

// note takes in how a call ended. One that could not be made is no proof yet: only when a ping fails too, Duo is down.
// One that could not be made in time is late all the same.
func (c *Client) note(err error, took time.Duration) {
	failed := errors.Is(err, policy.ErrUnavailable)
	if failed {
		c.suspect()
	}
	if err == nil || failed && took > slowPreauth {
		c.health.timed(took)
	}
}

func (c *Client) suspect() {
	c.health.mu.Lock()
	defer c.health.mu.Unlock()
	if c.health.probing || c.ctx.Err() != nil {
		return
	}
	c.health.probing = true
	c.wg.Go(c.probe)
}

// probe pings until Duo answers or the Client is closed.
func (c *Client) probe() {
	h := &c.health
	for {
		ctx, cancel := context.WithTimeout(c.ctx, probeTimeout)
		_, err := c.Ping(ctx)
		cancel()
		if c.ctx.Err() != nil {
			return
		}
		if !errors.Is(err, policy.ErrUnavailable) {
			h.change(func() { h.state, h.err, h.probing = h.pace(), nil, false })
			return
		}
		h.change(func() { h.state, h.err = Down, err })
		if !sleep(c.ctx, probeInterval) {
			return
		}
	}
}

// change does to, and tells of the state that comes of it when it is another. Whoever tells goes on with the changes
// that others make meanwhile: changed hears of one after the other, in their order, and nobody else waits for it.
func (h *health) change(to func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	was := h.state
	to()
	if is, err := h.state, h.err; is != was && h.changed != nil {
		h.news = append(h.news, func() { h.changed(is, err) })
	}
	if h.telling {
		return
	}
	h.telling = true
	for len(h.news) > 0 {
		tell := h.news[0]
		h.news = h.news[1:]
		h.mu.Unlock()
		tell()
		h.mu.Lock()
	}
	h.telling = false
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

// timed notices when Duo becomes slow, and when it is fast again.
func (h *health) timed(took time.Duration) {
	h.change(func() {
		h.late[h.seen%slowSample] = took > slowPreauth
		h.seen++
		if h.state != Down {
			h.state = h.pace()
		}
	})
}
