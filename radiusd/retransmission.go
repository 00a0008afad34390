package radiusd

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"duoradiusd/internal/display"
)

// retransmissions records how often and when a client has sent copies or retries of one login.
type retransmissions struct {
	user        string // User-Name as sent
	first, last time.Time
	copies      int
	interval    time.Duration // between the last two tries; 0: there was no copy yet
	previous    time.Duration // the interval before that one
	gaveUp      bool          // the client has given up this login
}

// add notes another copy or retry of the login.
func (a *retransmissions) add(now time.Time) {
	a.copies++
	// If copies arrive almost together, the network has made them, not the client.
	if gap := now.Sub(a.last); gap >= 100*time.Millisecond {
		a.previous, a.interval, a.last = a.interval, gap, now
	}
}

// nextDue returns when the next copy should come. It assumes that the interval stays the same or grows by the same factor
// as before (strongSwan's grows by 1.4).
func (a *retransmissions) nextDue() time.Time {
	wait := float64(a.interval)
	if a.previous > 0 {
		wait *= min(max(wait/float64(a.previous), 1), 2)
	}
	return a.last.Add(time.Duration(wait))
}

// behaviour records how one client retransmits and after how long it gives up. The most common problem is a client that
// gives up before its users have answered on their phones. No packet says so, so the server must derive it from the times
// of the copies.
type behaviour struct {
	mu          sync.Mutex // guards all below
	silent      uint64     // copies of requests in progress
	served      uint64     // copies of answered requests
	gaveUp      uint64
	intervals   samples
	gaveUpAfter samples // for each login that the client gave up: how long it had asked
}

// samples holds the newest of many durations.
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

// median returns the middle duration, or 0 if there is none. One very long duration hardly changes it, unlike a mean.
func (s *samples) median() time.Duration {
	list := s.sorted()
	if len(list) == 0 {
		return 0
	}
	return list[len(list)/2]
}

// copyServed counts a copy of an answered request.
func (p *behaviour) copyServed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.served++
}

// copied notes that the client has sent a copy or a retry of a login in progress. The caller holds duplicates.mu.
func (p *behaviour) copied(login *waiting, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent++
	last := login.asking.last
	if login.asking.add(now); login.asking.last != last {
		p.intervals.add(login.asking.interval)
	}
}

// superseded notes that the client has given up login, because it has sent another login on the same slot.
func (p *behaviour) superseded(login *waiting, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	end := now
	if due := login.asking.nextDue(); login.asking.interval > 0 && due.Before(now) {
		end = due
	}
	p.noteGivenUp(login, end)
}

// soonestRetry is the shortest time between a user's two logins after which the second one can mean that the client has
// given up the first.
const soonestRetry = time.Second

// asksAnew notes that a user logs in again while login, the same user's earlier login, is in progress. This usually means
// that the client has given up login. But if the next copy of login is not due yet, the client may still wait, and the user
// may have logged in from a second device.
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

// answered notes that a login gets its reply. If the client sent copies at intervals and stopped long ago, it has given up
// before this reply.
func (p *behaviour) answered(login *waiting, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if login.asking.stopped(now) {
		p.noteGivenUp(login, login.asking.nextDue())
	}
}

// stopped reports whether a client that sent copies at intervals stopped long ago.
func (a *retransmissions) stopped(now time.Time) bool {
	return a.interval > 0 && now.Sub(a.last) > 2*a.nextDue().Sub(a.last)
}

// givenUp reports whether the client no longer waits for a login's answer. It returns true if the client was seen to give
// up this login, if it has stopped sending copies, or if this login has taken longer than the client usually waits.
func (p *behaviour) givenUp(login *waiting, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := &login.asking
	return a.gaveUp || a.stopped(now) || p.gaveUp >= fewGaveUp && now.Sub(a.first) > p.gaveUpAfter.median()
}

// noteGivenUp notes that the client gave up login at the time when. The caller holds mu.
func (p *behaviour) noteGivenUp(login *waiting, when time.Time) {
	if login.asking.gaveUp {
		return
	}
	login.asking.gaveUp = true
	p.gaveUp++
	p.gaveUpAfter.add(when.Sub(login.asking.first))
}

// PatienceReport describes how a client retransmits and gives up.
type PatienceReport struct {
	Silent   uint64        `json:"silent"`      // copies of requests in progress
	Served   uint64        `json:"served"`      // copies of answered requests; each got the kept reply
	Interval time.Duration `json:"interval_ns"` // the median time between two copies of a request; 0: not known
	Longest  time.Duration `json:"longest_ns"`  // the longest of the latest intervals
	GaveUp   uint64        `json:"gave_up"`     // logins that the client gave up before their answer
	After    time.Duration `json:"after_ns"`    // the median time after which the client gives up; 0: not known
	Advice   string        `json:"advice,omitempty"`
}

func times(n uint64) string {
	if n == 1 {
		return "once"
	}
	return display.Count(int(n), "time")
}

// fewGaveUp is the number of given-up logins from which the client's timeout is the likely cause. Impatient users can
// explain a smaller number.
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
		r.Advice = fmt.Sprintf("gave up %s, after %s: raise its timeout to %s, unless its users ended these logins themselves",
			times(r.GaveUp), seconds(r.After), seconds(enough(c.Timeout)))
	default:
		r.Advice = fmt.Sprintf("gives up after %s: raise its timeout to %s", seconds(r.After), seconds(enough(c.Timeout)))
	}
	return r
}

// enough returns the timeout that an administrator should set at the client: timeout rounded up to a multiple of 10
// seconds.
func enough(timeout time.Duration) time.Duration {
	return (timeout + 10*time.Second - 1).Truncate(10 * time.Second)
}

func seconds(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.3g s", d.Round(100*time.Millisecond).Seconds())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}
