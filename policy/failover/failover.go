// Package failover asks the servers of one first factor in order until one of them answers.
//
// A server that could not be asked is asked last for a while (Config.Avoid). Then one login tries it in its place again, and
// the other logins do not wait for it in the meantime. Each server gets at most Config.Timeout, and never more of the login's
// time than leaves the servers after it their share. An answer ends the matter, also when it is a no: a wrong password that
// is tried at every server would lock the account.
package failover

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Config is what a Group needs to know. All durations must be positive.
type Config struct {
	Servers  []string      // names for reports, in the order in which they are asked
	Timeout  time.Duration // one server's time within a login
	Patience time.Duration // a server that was given less time than this is not to blame for its silence
	Avoid    time.Duration // how long a server that could not be asked is asked last

	// OnHealth is called when a server can't be asked, and with a nil error when it answers again. It gets one call after
	// the other, in their order. It may be nil.
	OnHealth func(server string, err error)
}

// Group is the servers of one first factor. Several goroutines may use it at once.
type Group struct {
	config  Config
	reports Reports

	mu      sync.Mutex // guards servers
	servers []server
}

// server is what earlier logins have shown of one server.
type server struct {
	Health
	answered time.Time // when the last answer came
	retry    time.Time // until then it is asked last
}

// Health is what earlier logins have shown of one server.
type Health struct {
	Down  bool      // the last login that gave it enough time could not ask it
	Err   error     // the last error, also after the server has answered again; nil: none
	Since time.Time // when Down last changed, or when the first answer came; zero: it was never asked
}

// New returns the group of c.Servers.
func New(c Config) *Group { return &Group{config: c, servers: make([]server, len(c.Servers))} }

// Turn is one server's turn within a login.
type Turn struct {
	Server int  // its number in Config.Servers
	More   bool // other servers can be asked after this one

	// OnBlame is called if the server is to blame for an error. The callback of Each may set it.
	OnBlame func()
}

// Any lets Each ask every server of the group.
const Any = -1

// Each calls ask for one server after the other, until ask reports that the matter is done: the server has answered, or no
// server can be asked this question. It returns the last error of a matter that is done; otherwise it returns the errors of
// all servers in one. only is the number of the only server that may be asked, or Any. The callback calls Answered itself.
func (g *Group) Each(ctx context.Context, only int, ask func(context.Context, *Turn) (done bool, err error)) error {
	defer g.Flush()
	order := []int{only}
	if only == Any {
		order = g.order(time.Now())
	}
	var all error
	for i, n := range order {
		if ctx.Err() != nil {
			return join(all, context.Cause(ctx))
		}
		t := &Turn{Server: n, More: i+1 < len(order)}
		begun := time.Now()
		turn, cancel := context.WithTimeout(ctx, g.share(ctx, len(order)-i))
		done, err := ask(turn, t)
		timedOut := turn.Err() != nil
		cancel()
		if done {
			return err
		}
		all = join(all, err)
		if !timedOut || time.Since(begun) >= g.config.Patience {
			g.failed(t, begun, err)
		}
	}
	return all
}

func join(all, err error) error {
	if all == nil {
		return err
	}
	return fmt.Errorf("%w; %w", all, err)
}

// order returns the numbers of the servers in the order in which they are to be asked. Of the servers that are down, one
// that comes first and is due for another try is given to this login only.
func (g *Group) order(now time.Time) []int {
	g.mu.Lock()
	defer g.mu.Unlock()
	var first, last []int
	for i := range g.servers {
		s := &g.servers[i]
		if s.Down && now.Before(s.retry) {
			last = append(last, i)
			continue
		}
		if s.Down && len(first) == 0 {
			s.retry = now.Add(g.config.Timeout)
		}
		first = append(first, i)
	}
	return append(first, last...)
}

// share returns how long the next of n servers may take.
func (g *Group) share(ctx context.Context, n int) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return min(g.config.Timeout, time.Until(deadline)/time.Duration(n))
	}
	return g.config.Timeout
}

// failed notes that a server did not answer a login that asked it at the time begun. A server that has answered another
// login in the meantime works, and is not to blame.
func (g *Group) failed(t *Turn, begun time.Time, err error) {
	g.mu.Lock()
	s := &g.servers[t.Server]
	if s.answered.After(begun) {
		g.mu.Unlock()
		return
	}
	now := time.Now()
	if !s.Down {
		s.Since = now
		g.report(t.Server, err)
	}
	s.Down, s.Err, s.retry = true, err, now.Add(g.config.Avoid)
	g.mu.Unlock()
	if t.OnBlame != nil {
		t.OnBlame()
	}
}

// Answered notes that server number i has answered.
func (g *Group) Answered(i int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := &g.servers[i]
	s.answered = time.Now()
	if s.Down {
		g.report(i, nil)
	}
	if s.Down || s.Since.IsZero() {
		s.Since = s.answered
	}
	s.Down, s.retry = false, time.Time{}
}

// Retry lets the next login ask server number i in its place again, because something about the server has changed.
func (g *Group) Retry(i int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.servers[i].retry = time.Time{}
}

// Health returns the health of server number i.
func (g *Group) Health(i int) Health {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.servers[i].Health
}

// report queues a change. mu is held.
func (g *Group) report(i int, err error) {
	if tell := g.config.OnHealth; tell != nil {
		name := g.config.Servers[i]
		g.reports.Add(func() { tell(name, err) })
	}
}

// Flush makes the calls of OnHealth that wait. Each does that itself; whoever calls Answered outside of Each calls Flush
// when it holds no lock.
func (g *Group) Flush() { g.reports.Flush() }
