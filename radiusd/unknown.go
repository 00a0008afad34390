package radiusd

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

const maxUnknownSources = 32

// UnknownSource is a source address of packets that belongs to no client.
type UnknownSource struct {
	Address netip.Addr `json:"address"`
	Packets uint64     `json:"packets"`
	Last    time.Time  `json:"last"`
}

// unknownSources holds the latest unknown source addresses. The list has a fixed size, because an attacker can send from
// many addresses.
type unknownSources struct {
	mu   sync.Mutex // guards all
	list [maxUnknownSources]UnknownSource
	used int
}

func (u *unknownSources) add(from netip.Addr, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	oldest := 0
	for i := range u.list[:u.used] {
		if u.list[i].Address == from {
			u.list[i].Packets++
			u.list[i].Last = now
			return
		}
		if u.list[i].Last.Before(u.list[oldest].Last) {
			oldest = i
		}
	}
	if u.used < len(u.list) {
		oldest = u.used
		u.used++
	}
	u.list[oldest] = UnknownSource{from, 1, now}
}

// UnknownSources returns the latest source addresses of packets that belong to no client, the newest first.
func (s *Server) UnknownSources() []UnknownSource {
	s.unknown.mu.Lock()
	defer s.unknown.mu.Unlock()
	list := slices.Clone(s.unknown.list[:s.unknown.used])
	slices.SortStableFunc(list, func(a, b UnknownSource) int { return b.Last.Compare(a.Last) })
	return list
}
