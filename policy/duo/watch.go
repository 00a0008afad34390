package duo

import (
	"time"

	"golang.org/x/net/http2"
)

const (
	idleTimeout  = 90 * time.Second
	pingAfter    = 5 * time.Second  // of silence while something is due
	pingTimeout  = 3 * time.Second  // then the connection is dead, and what waits on it is asked again in time
	writeTimeout = 10 * time.Second // for what is handed to the connection at once
	lastWords    = time.Second
)

// watch looks after a connection: one that is dead, one that nobody reads from at the other end, one that is idle. The
// connection's mutex guards it.
type watch struct {
	timer   *time.Timer
	due     time.Time // when it comes
	asked   time.Time // since then something is due and nothing has been heard; zero = nothing is due
	pinged  time.Time // since then a ping is out; zero = none
	used    time.Time // last
	writing time.Time // since then a write is under way; zero = none
}

func (w *watch) begin(tick func()) {
	now := time.Now()
	w.used, w.due = now, now.Add(pingAfter)
	w.timer = time.AfterFunc(pingAfter, tick)
}

// asking: a request begins.
func (c *conn) asking(now time.Time) {
	c.used = now
	if c.asked.IsZero() {
		c.asked = now
		if due := now.Add(pingAfter); c.due.After(due) {
			c.due = due
			c.timer.Reset(pingAfter)
		}
	}
}

// heard: a frame has come, and been taken in.
func (c *conn) heard(now time.Time) {
	if !c.asked.IsZero() {
		c.used = now
	}
	c.pinged, c.asked = time.Time{}, time.Time{}
	if len(c.streams) > 0 {
		c.asked = now
	}
}

// tick is run when something may be due.
func (c *conn) tick() {
	c.mu.Lock()
	now := time.Now()
	err := c.look(now)
	if err == nil && c.err == nil {
		c.timer.Reset(c.due.Sub(now))
	}
	c.mu.Unlock()
	if err != nil {
		c.end(http2.ErrCodeNo, err)
	}
}

// look says why the connection is over, or when to look next.
func (c *conn) look(now time.Time) error {
	w := &c.watch
	w.due = now.Add(pingAfter)
	switch {
	case !w.writing.IsZero() && now.Sub(w.writing) >= writeTimeout:
		return errStuck
	case !w.pinged.IsZero():
		if w.due = w.pinged.Add(pingTimeout); !now.Before(w.due) {
			return errDead
		}
	case !w.asked.IsZero():
		if w.due = w.asked.Add(pingAfter); !now.Before(w.due) {
			c.framer.WritePing(false, [8]byte{})
			c.wake.Signal()
			w.pinged, w.due = now, now.Add(pingTimeout)
		}
	case len(c.streams) == 0:
		if w.due = w.used.Add(idleTimeout); !now.Before(w.due) {
			return errIdle
		}
	}
	return nil
}
