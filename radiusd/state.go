package radiusd

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// savedState is what is kept over a restart, by client name and address.
type savedState struct {
	Ratchets map[string]map[netip.Addr]Ratchet `json:"ratchets"`
}

// LoadState reads StateFile. A file that can't be read is set aside and said: what it held is learnt anew.
func (s *Server) LoadState() {
	s.init()
	if s.StateFile == "" {
		return
	}
	b, err := os.ReadFile(s.StateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var saved savedState
	if err == nil {
		err = json.Unmarshal(b, &saved)
	}
	if err != nil {
		s.log().Warn("state: set aside, ratchets start anew", "file", s.StateFile, "error", err)
		os.Rename(s.StateFile, s.StateFile+".bad")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, byAddress := range saved.Ratchets {
		s.trafficOf(name).ratchets.load(byAddress)
	}
}

// saveSoon writes StateFile in a moment, once for all that happens until then.
func (s *Server) saveSoon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.StateFile == "" || s.saving || s.closed {
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
	if s.StateFile == "" {
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
	b, err := json.MarshalIndent(saved, "", "  ")
	if err == nil {
		err = writeAtomically(s.StateFile, b)
	}
	if err != nil {
		s.log().Error("state: not saved", "file", s.StateFile, "error", err)
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

// writeAtomically leaves the old file or the new one, whatever happens.
func writeAtomically(name string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
