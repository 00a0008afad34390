package radiusauth

import (
	"net/netip"
	"sync"
	"time"
)

// lastFor is how long a server that was silent is asked after all others.
const lastFor = time.Minute

// health is what is remembered of a server's answers.
type health struct {
	down  bool
	err   error     // why
	since time.Time // of down or of its end
	until time.Time // last in the order before that
	reply time.Time // the last
}

// ServerHealth is what is known of one server.
type ServerHealth struct {
	Server string         // as configured
	Addr   netip.AddrPort // in use; invalid while its name is not known
	Down   bool           // the last request that it could have answered was not
	Err    error          // why
	Since  time.Time      // of that state; zero: from the start

	Requests, Retransmissions, Replies, Silences uint64

	Discarded map[string]uint64 // replies that were not taken, by what was wrong
}

// Health returns what is known of each server, in the order of the configuration.
func (u *Upstream) Health() (list []ServerHealth) {
	for _, s := range u.servers {
		s.mu.Lock()
		h := ServerHealth{Server: s.name, Addr: s.place.addr, Down: s.health.down, Err: s.health.err, Since: s.health.since}
		s.mu.Unlock()
		h.Requests, h.Retransmissions = s.requests.Load(), s.retransmissions.Load()
		h.Replies, h.Silences = s.replies.Load(), s.silences.Load()
		h.Discarded = make(map[string]uint64)
		for f := sound + 1; f < flaws; f++ {
			if n := s.discarded[f].Load(); n > 0 {
				h.Discarded[f.String()] = n
			}
		}
		list = append(list, h)
	}
	return list
}

// alive is told of a sound reply.
func (s *server) alive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.health.reply = time.Now()
	s.health.until = time.Time{}
	if s.health.down {
		s.health.down, s.health.err, s.health.since = false, nil, time.Now()
		s.upstream.news.add(s.name, nil)
	}
}

// silent is told that a request, asked of addr since then, got no answer. A server that answered another request
// meanwhile is well: it did not like this one.
func (s *server) silent(addr netip.AddrPort, since time.Time, err error) {
	s.silences.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.health.reply.After(since) || s.closed {
		return
	}
	s.health.until = time.Now().Add(lastFor)
	s.renew()
	s.mistrust(addr)
	if !s.health.down {
		s.health.since = time.Now()
		s.upstream.news.add(s.name, err)
	}
	s.health.down, s.health.err = true, err
}

// turn reports whether it is the server's turn to be asked before those that are known to be silent. Of one that was
// silent long enough ago one login finds out whether it still is; the others do not wait for it meanwhile.
func (s *server) turn(now time.Time, timeout time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Before(s.health.until) {
		return false
	}
	if s.health.down {
		s.health.until = now.Add(timeout)
	}
	return true
}

// news tells OnHealth of one change after the other, in their order. Whoever tells goes on with what others add
// meanwhile.
type news struct {
	tell func(server string, err error)

	mu      sync.Mutex // guards all below
	list    []func()
	telling bool
}

func (n *news) add(server string, err error) {
	if n.tell == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, func() { n.tell(server, err) })
}

// flush is called where no lock is held.
func (n *news) flush() {
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
