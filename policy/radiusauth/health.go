package radiusauth

import (
	"net/netip"
	"sync"
	"time"
)

// avoidFor is how long a server that was silent is asked after all others.
const avoidFor = time.Minute

// health is what earlier requests have shown of a server.
type health struct {
	down         bool
	err          error     // why
	since        time.Time // when down last changed
	askLastUntil time.Time // last in the order before that
	lastReply    time.Time // the last
}

// ServerHealth is what earlier requests have shown of one server.
type ServerHealth struct {
	Server string         // as configured
	Addr   netip.AddrPort // in use; invalid while its name is not known
	Down   bool           // the last request that it could have answered was not
	Err    error          // why
	Since  time.Time      // when Down last changed; zero: never

	Requests, Retransmissions, Replies, Silences uint64

	Discarded map[string]uint64 // replies that were ignored, by what was wrong with them
}

// Health returns the health of each server, in the order of the configuration.
func (u *Upstream) Health() (list []ServerHealth) {
	for _, s := range u.servers {
		s.mu.Lock()
		h := ServerHealth{Server: s.name, Addr: s.resolution.addr, Down: s.health.down, Err: s.health.err, Since: s.health.since}
		s.mu.Unlock()
		h.Requests, h.Retransmissions = s.requests.Load(), s.retransmissions.Load()
		h.Replies, h.Silences = s.replies.Load(), s.silences.Load()
		h.Discarded = make(map[string]uint64)
		for f := replyValid + 1; f < replyStatuses; f++ {
			if n := s.discarded[f].Load(); n > 0 {
				h.Discarded[f.String()] = n
			}
		}
		list = append(list, h)
	}
	return list
}

// answered notes that a valid reply came.
func (s *server) answered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.health.lastReply = time.Now()
	s.health.askLastUntil = time.Time{}
	if s.health.down {
		s.health.down, s.health.err, s.health.since = false, nil, time.Now()
		s.upstream.reports.add(s.name, nil)
	}
}

// unanswered notes that a request to addr, sent at the time since, got no answer. If the server has answered another
// request in the meantime it works, and only ignored this one.
func (s *server) unanswered(addr netip.AddrPort, since time.Time, err error) {
	s.silences.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.health.lastReply.After(since) || s.closed {
		return
	}
	s.health.askLastUntil = time.Now().Add(avoidFor)
	s.replaceSockets()
	s.avoidAddress(addr)
	if !s.health.down {
		s.health.since = time.Now()
		s.upstream.reports.add(s.name, err)
	}
	s.health.down, s.health.err = true, err
}

// isDue reports whether the server is to be asked before those that are known to be silent. When a server was silent long
// enough ago, one login tries it again. The other logins do not wait for it in the meantime.
func (s *server) isDue(now time.Time, timeout time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Before(s.health.askLastUntil) {
		return false
	}
	if s.health.down {
		s.health.askLastUntil = now.Add(timeout)
	}
	return true
}

// reports calls OnHealth for one change after the other, in their order. Whoever calls it also delivers what others add in
// the meantime.
type reports struct {
	tell func(server string, err error)

	mu      sync.Mutex // guards all below
	list    []func()
	telling bool
}

func (n *reports) add(server string, err error) {
	if n.tell == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, func() { n.tell(server, err) })
}

// flush delivers the reports. The caller holds no lock.
func (n *reports) flush() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.telling {
		return
	}
	n.telling = true
	for len(n.list) > 0 {
		tell := n.list[0]
		n.list = n.list[1:]
		n.mu.Unlock()
		tell()
		n.mu.Lock()
	}
	n.telling = false
}
