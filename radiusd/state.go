package radiusd

import (
	"bytes"
	"encoding/json"
	"io"
	"iter"
	"maps"
	"net/netip"
	"runtime"
	"time"
)

// savedState is what the server keeps over a restart, beside the lists of savedReply, which follow it. Ratchets are stored by
// client name and address, Replays by client name.
type savedState struct {
	Ratchets map[string]map[netip.Addr]Ratchet `json:"ratchets"`
	Replays  map[string]savedReplays           `json:"replays,omitempty"`
}

// saveEvery is the shortest time between two writes of State. A crash may lose what has changed since the last write.
const saveEvery = time.Second

// saveShare limits the time for encoding State to one part in saveShare of all time. Logins wait for a processor meanwhile.
// One in a hundred may, but no more: DESIGN section 7, added latency (p99).
const saveShare = 200

// longestPause bounds the time between two writes of State, however busy the machine is.
const longestPause = 30 * time.Second

// Store keeps data over a restart. It protects the data: nobody else can read it, change it or replace it by an older
// version.
type Store interface {
	// Load returns the data of the last Save; nil if there is none.
	Load() ([]byte, error)
	Save(b []byte) error // does not keep b
}

// LoadState reads State. If State can't be read, LoadState logs the error and the server starts without it.
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
	var replies []savedReply
	if err == nil {
		saved, replies, err = decodeState(b)
	}
	if err != nil {
		s.log().Warn("state: the saved data about clients can't be read; which clients always send Message-Authenticator is learned again", "error", err)
		return
	}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, byAddress := range saved.Ratchets {
		s.trafficOf(name).ratchets.load(byAddress, now)
	}
	for name, marks := range saved.Replays {
		s.duplicates.loadReplays(s.trafficOf(name), marks, now)
	}
	s.duplicates.loadReplies(replies, longestReply, now)
}

func decodeState(b []byte) (saved savedState, replies []savedReply, err error) {
	in := json.NewDecoder(bytes.NewReader(b))
	if err := in.Decode(&saved); err != nil {
		return savedState{}, nil, err
	}
	for {
		var list []savedReply
		err := in.Decode(&list)
		if err == io.EOF {
			return saved, replies, nil
		}
		if err != nil {
			return savedState{}, nil, err
		}
		replies = append(replies, list...)
	}
}

// longestReply is the longest time for which a loaded reply is kept. It is longer than any client's timeout.
const longestReply = 5 * time.Minute

// saveSoon schedules a write of State, unless one is already scheduled. That write covers all changes until then. State is
// written at most once per saveEvery.
func (s *Server) saveSoon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.State == nil || s.saving || s.closed {
		return
	}
	s.saving = true
	time.AfterFunc(max(100*time.Millisecond, time.Until(s.saveAgain)), func() {
		s.writing.Lock()
		defer s.writing.Unlock()
		s.mu.Lock()
		s.saving = false
		closed := s.closed
		s.mu.Unlock()
		if closed { // Shutdown makes the last write
			return
		}
		began := time.Now()
		encoding := s.write()
		s.mu.Lock()
		s.saveAgain = began.Add(pauseAfter(encoding))
		s.mu.Unlock()
	})
}

// pauseAfter returns the time from the start of a write to the start of the next one. encoding is how long the first one took
// to encode State.
func pauseAfter(encoding time.Duration) time.Duration {
	return min(max(saveEvery, saveShare*encoding), longestPause)
}

func (s *Server) save() {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.write()
}

// write writes State, and returns how long it took to encode it. It logs only the first of several failures in a row. The
// caller holds writing.
func (s *Server) write() (encoding time.Duration) {
	if s.State == nil {
		return 0
	}
	began := time.Now()
	saved := savedState{Ratchets: make(map[string]map[netip.Addr]Ratchet), Replays: make(map[string]savedReplays)}
	s.mu.Lock()
	traffics := maps.Clone(s.traffic)
	s.mu.Unlock()
	for name, t := range traffics {
		if copied := t.ratchets.copy(); len(copied) > 0 {
			saved.Ratchets[name] = copied
		}
		if marks := s.duplicates.saveReplays(t); len(marks.Young)+len(marks.Old) > 0 {
			saved.Replays[name] = marks
		}
	}
	s.encoded.Reset()
	err := encodeState(&s.encoded, saved, s.duplicates.saveReplies(began))
	encoding = time.Since(began)
	if err == nil {
		err = s.State.Save(s.encoded.Bytes())
	}
	if err != nil && !s.unsaved {
		s.log().Error("state: the data about clients can't be saved; the daemon tries again", "error", err)
	}
	s.unsaved = err != nil
	return encoding
}

// encodeState writes what decodeState reads. It lets others run after each list, because to encode them all takes long.
func encodeState(w io.Writer, saved savedState, replies iter.Seq[[]savedReply]) error {
	out := json.NewEncoder(w)
	if err := out.Encode(saved); err != nil {
		return err
	}
	for list := range replies {
		if err := out.Encode(list); err != nil {
			return err
		}
		runtime.Gosched()
	}
	return nil
}

// load replaces r's ratchets by saved ones. If a wrong clock has set a time in the future, load changes it to now, so that
// no ratchet waits until then.
func (r *ratchets) load(byAddress map[netip.Addr]Ratchet, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byAddress = make(map[netip.Addr]*Ratchet, len(byAddress))
	for addr, got := range byAddress {
		if got.First.After(now) {
			got.First = now
		}
		if got.LastWithout.After(now) {
			got.LastWithout = now
		}
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
