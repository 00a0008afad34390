package radiusd

import (
	"maps"
	"sync"

	"duoradiusd/policy"
)

// outcomes counts how logins ended. A login that failed open, or was not sent an answer, is in it like any other.
type outcomes struct {
	mu       sync.Mutex // guards byReason
	byReason map[policy.Reason]uint64
}

func (o *outcomes) add(why policy.Reason) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.byReason == nil {
		o.byReason = make(map[policy.Reason]uint64)
	}
	o.byReason[why]++
}

// Outcomes returns how many logins ended for each reason since the start.
func (s *Server) Outcomes() map[policy.Reason]uint64 {
	s.outcomes.mu.Lock()
	defer s.outcomes.mu.Unlock()
	return maps.Clone(s.outcomes.byReason)
}
