package policy

import (
	"context"
	"sync/atomic"
)

// crewIdle is how many goroutines of a Crew wait for work, at most.
const crewIdle = 64

// Crew runs functions on goroutines that have run others before. A new one's stack is copied again and again while it
// grows on the way to Duo: a twelfth of the processor time of a push.
type Crew struct {
	work chan func()
	idle atomic.Int32
	ctx  context.Context
}

// NewCrew returns a Crew whose goroutines wait for no more work once ctx has ended.
func NewCrew(ctx context.Context) *Crew { return &Crew{work: make(chan func()), ctx: ctx} }

// Go runs f, as a go statement does.
func (c *Crew) Go(f func()) {
	select {
	case c.work <- f:
	default:
		go c.run(f)
	}
}

func (c *Crew) run(f func()) {
	for f != nil {
		f()
		f = c.next()
	}
}

// next is nil when there is no more work, or there are enough others who wait for it.
func (c *Crew) next() func() {
	defer c.idle.Add(-1)
	if c.idle.Add(1) > crewIdle {
		return nil
	}
	select {
	case f := <-c.work:
		return f
	case <-c.ctx.Done():
		return nil
	}
}
