package radiusd

import (
	"encoding/json"
	"maps"
	"net/netip"
	"time"
)

// savedState is what is kept over a restart, by client name and address.
type savedState struct {
	Ratchets map[string]map[netip.Addr]Ratchet `json:"ratchets"`
}

// Store keeps a file over a restart, so that nobody else can read it, change it or put an older one back.
type Store interface {
	// Load returns what Save kept last; nil where there is nothing.
	Load() ([]byte, error)
	Save(b []byte) error
}

// LoadState reads State. What can't be read is said, and learnt anew.
func (s *Server) LoadState() {
	s.init()
	if s.State == nil {
		return
	}
	b, err := s.State.Load()
	if b == nil && err == nil {
		return
	}
	var saved savedState
	if err == nil {
		err = json.Unmarshal(b, &saved)
	}
	if err != nil {
		s.log().Warn("state: not read, ratchets start anew", "error", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, byAddress := range saved.Ratchets {
		s.trafficOf(name).ratchets.load(byAddress)
	}
}

// saveSoon writes State in a moment, once for all that happens until then.
func (s *Server) saveSoon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.State == nil || s.saving || s.closed {
		return
	}
	s.saving = true
	time.AfterFunc(100*time.Millisecond, func() {
		s.mu.Lock()
		s.saving = false
		closed := s.closed
		s.mu.Unlock()
		if !closed { // Shutdown saves
			s.save()
		}
	})
}

func (s *Server) save() {
	if s.State == nil {
		return
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	saved := savedState{Ratchets: make(map[string]map[netip.Addr]Ratchet)}
	s.mu.Lock()
	traffics := maps.Clone(s.traffic)
	s.mu.Unlock()
	for name, t := range traffics {
		if copied := t.ratchets.copy(); len(copied) > 0 {
			saved.Ratchets[name] = copied
		}
	}
	b, err := json.Marshal(saved)
	if err == nil {
		err = s.State.Save(b)
	}
	if err != nil {
		s.log().Error("state: not saved", "error", err)
	}
}

func (r *ratchets) load(byAddress map[netip.Addr]Ratchet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byAddress = make(map[netip.Addr]*Ratchet, len(byAddress))
	for addr, got := range byAddress {
		r.byAddress[addr] = &got
	}
}

func (r *ratchets) copy() map[netip.Addr]Ratchet {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := make(map[netip.Addr]Ratchet, len(r.byAddress))
	for addr, got := range r.byAddress {
		m[addr] = *got
	}
	return m
}
