package radiusauth

import (
	"net/netip"

	"duoradiusd/policy/failover"
)

// ServerHealth is what earlier requests have shown about one server.
type ServerHealth struct {
	Server string         // as configured
	Addr   netip.AddrPort // the address in use; invalid until the server's name is resolved
	failover.Health

	Requests, Retransmissions, Replies, Silences uint64

	Discarded map[string]uint64 // counts of the replies that were ignored, by what was wrong with them
}

// Health returns the health of each server, in the order of the configuration.
func (u *Upstream) Health() (list []ServerHealth) {
	for i, s := range u.servers {
		s.mu.Lock()
		h := ServerHealth{Server: s.name, Addr: s.resolution.addr, Health: u.group.Health(i)}
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

// wasSilent handles that a request to addr got no answer. The next requests use new sockets, and another address of the
// server if its name has one.
func (s *server) wasSilent(addr netip.AddrPort) {
	s.silences.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replaceSockets()
	s.avoidAddress(addr)
}
