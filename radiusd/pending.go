package radiusd

import (
	"slices"
	"time"
)

// PendingLogin is a login in progress. What came from the network holds nothing that a terminal might obey.
type PendingLogin struct {
	Client string
	User   string // as typed
	Since  time.Time
	Copies int // how often the client has asked again
}

// PendingLogins returns the logins in progress, the oldest first, limit at most.
func (s *Server) PendingLogins(limit int) []PendingLogin {
	s.init()
	list := s.exchanges.pending()
	slices.SortFunc(list, func(a, b PendingLogin) int { return a.Since.Compare(b.Since) })
	list = list[:min(len(list), limit)]
	for i := range list {
		list[i].User = visible(list[i].User)
	}
	return list
}

func (t *exchanges) pending() (list []PendingLogin) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.inFlight == 0 {
		return nil
	}
	for x := range t.bySlot.all() {
		for ; x != nil; x = x.older {
			if x.waits() {
				list = append(list, PendingLogin{x.client.Name, x.asking.user, x.asking.first, x.asking.copies})
			}
		}
	}
	return list
}
