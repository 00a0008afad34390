package radiusd

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

const maxUnknownSources = 32

// UnknownSource is an address that packets came from and that is no client's.
type UnknownSource struct {
	Address netip.Addr `json:"address"`
	Packets uint64     `json:"packets"`
	Last    time.Time  `json:"last"`
}

// unknownSources are the latest. The list has a fixed size: anybody can send from many addresses.
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

// UnknownSources returns the latest addresses that packets came from and that are no client's, the newest first.
func (s *Server) UnknownSources() []UnknownSource {
	s.unknown.mu.Lock()
	defer s.unknown.mu.Unlock()
	list := slices.Clone(s.unknown.list[:s.unknown.used])
	slices.SortStableFunc(list, func(a, b UnknownSource) int { return b.Last.Compare(a.Last) })
	return list
}
