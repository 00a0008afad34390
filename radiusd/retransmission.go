package radiusd

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"duoradiusd/internal/display"
)

// retransmissions are how a client asks for the answer to one request.
type retransmissions struct {
	user        string // User-Name as sent
	first, last time.Time
	copies      int
	interval    time.Duration // between its last two copies; 0: there was one only
	previous    time.Duration // between the two before those
	gaveUp      bool          // the client was seen to give up
}

// add notes another copy.
func (a *retransmissions) add(now time.Time) {
	a.copies++
	// Copies at once are the network's doing, not the client's.
	if gap := now.Sub(a.last); gap >= 100*time.Millisecond {
		a.previous, a.interval, a.last = a.interval, gap, now
	}
}

// nextDue is when the next copy would come: at intervals that stay, or grow as they grew (strongSwan's by 1.4).
func (a *retransmissions) nextDue() time.Time {
	wait := float64(a.interval)
	if a.previous > 0 {
		wait *= min(max(wait/float64(a.previous), 1), 2)
	}
	return a.last.Add(time.Duration(wait))
}

// behaviour is what was seen of how one client retransmits, and after how long it gives up. A client that gives up sooner
// than its users find their phones is the commonest trouble there is, and nothing in a packet tells of it.
type behaviour struct {
	mu          sync.Mutex // guards all below
	silent      uint64     // copies of requests in progress
	served      uint64     // copies of requests that had their reply
	gaveUp      uint64
	intervals   samples
	gaveUpAfter samples // how long it asked for what it gave up
}

// samples are the newest of many durations.
type samples struct {
	ring [15]time.Duration
	n    uint64
}

func (s *samples) add(d time.Duration) {
	s.ring[s.n%uint64(len(s.ring))] = d
	s.n++
}

func (s *samples) sorted() []time.Duration {
	list := slices.Clone(s.ring[:min(s.n, uint64(len(s.ring)))])
	slices.Sort(list)
	return list
}

// median is robust against a user who came back after lunch.
func (s *samples) median() time.Duration {
	list := s.sorted()
	if len(list) == 0 {
		return 0
	}
	return list[len(list)/2]
}

// copyServed notes a copy of a request that had its reply.
func (p *behaviour) copyServed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.served++
}

// copied notes that the client asks for a login in progress once more, called with duplicates.mu held.
func (p *behaviour) copied(login *waiting, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent++
	last := login.asking.last
	if login.asking.add(now); login.asking.last != last {
		p.intervals.add(login.asking.interval)
	}
}

// superseded notes that the client sent another login on this one's slot, whereby it gave this one up.
func (p *behaviour) superseded(login *waiting, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	end := now
	if due := login.asking.nextDue(); login.asking.interval > 0 && due.Before(now) {
		end = due
	}
	p.noteGivenUp(login, end)
}

// soonestRetry is how soon a second login of a user says that the client has given up the first.
const soonestRetry = time.Second

// asksAnew notes that a user logs in again while another login of theirs is in progress. As long as a copy of that may come
// the client waits; then the user does it by another device.
func (p *behaviour) asksAnew(login *waiting, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a, end := &login.asking, now
	switch typical := p.intervals.median(); {
	case now.Sub(a.first) < soonestRetry:
		return
	case a.interval > 0:
		if end = a.nextDue(); end.After(now) {
			return
		}
	case typical > 0 && now.Sub(a.first) < 2*typical:
		return
	}
	p.noteGivenUp(login, end)
}

// answered notes that a login gets its reply. A client that asked at intervals and has long stopped listens no more.
func (p *behaviour) answered(login *waiting, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if login.asking.stopped(now) {
		p.noteGivenUp(login, login.asking.nextDue())
	}
}

// stopped reports whether a client that asked at intervals has long stopped.
func (a *retransmissions) stopped(now time.Time) bool {
	return a.interval > 0 && now.Sub(a.last) > 2*a.nextDue().Sub(a.last)
}

// givenUp reports whether the client no longer waits for a login's answer: it was seen to give it up, it has stopped asking,
// or it waits for longer than it does as a rule.
func (p *behaviour) givenUp(login *waiting, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := &login.asking
	return a.gaveUp || a.stopped(now) || p.gaveUp >= fewGaveUp && now.Sub(a.first) > p.gaveUpAfter.median()
}

// noteGivenUp is called with mu held.
func (p *behaviour) noteGivenUp(login *waiting, when time.Time) {
	if login.asking.gaveUp {
		return
	}
	login.asking.gaveUp = true
	p.gaveUp++
	p.gaveUpAfter.add(when.Sub(login.asking.first))
}

// PatienceReport is how a client was seen to ask again, and to give up.
type PatienceReport struct {
	Silent   uint64        `json:"silent"`      // copies of requests in progress
	Served   uint64        `json:"served"`      // copies of requests that had their reply, and got it again
	Interval time.Duration `json:"interval_ns"` // between two copies of a request, as a rule; 0: not known
	Longest  time.Duration `json:"longest_ns"`  // of the latest intervals
	GaveUp   uint64        `json:"gave_up"`     // requests that it gave up before their answer
	After    time.Duration `json:"after_ns"`    // how long it asks before it gives up, as a rule; 0: not known
	Advice   string        `json:"advice,omitempty"`
}

func times(n uint64) string {
	if n == 1 {
		return "once"
	}
	return display.Count(int(n), "time")
}

// fewGaveUp is what a user's own impatience explains.
const fewGaveUp = 3

func (c *Client) patience() PatienceReport {
	p := &c.traffic.behaviour
	p.mu.Lock()
	defer p.mu.Unlock()
	r := PatienceReport{
		Silent: p.silent, Served: p.served, GaveUp: p.gaveUp,
		Interval: p.intervals.median(), After: p.gaveUpAfter.median(),
	}
	if list := p.intervals.sorted(); len(list) > 0 {
		r.Longest = list[len(list)-1]
	}
	switch {
	case r.GaveUp == 0 || r.After >= c.Timeout:
	case r.GaveUp < fewGaveUp:
		r.Advice = fmt.Sprintf("gave up %s, after %s: if its users did not do it themselves, raise its timeout to %s",
			times(r.GaveUp), seconds(r.After), seconds(enough(c.Timeout)))
	default:
		r.Advice = fmt.Sprintf("gives up after %s: raise its timeout to %s", seconds(r.After), seconds(enough(c.Timeout)))
	}
	return r
}

// enough is a round number of seconds that a client must wait for answers that leave within timeout.
func enough(timeout time.Duration) time.Duration {
	return (timeout + 10*time.Second - 1).Truncate(10 * time.Second)
}

func seconds(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.3g s", d.Round(100*time.Millisecond).Seconds())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}
