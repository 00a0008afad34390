package radiusd

import (
	"net/netip"
	"sync"
	"time"
)

// When a client of message_authenticator = "auto" must go on sending what it was seen to send.
const (
	ratchetPackets = 20               // with a valid Message-Authenticator at least,
	ratchetTime    = 10 * time.Minute // over this time at least,
	ratchetQuiet   = 24 * time.Hour   // and none without in this time
	ratchetStale   = time.Hour        // how old a saved LastWithout may get; not every packet has it saved
	maxRatchets    = 4096             // addresses of one client
)

// Ratchet is what one address of a client was seen to send. It only ever turns towards Required: otherwise an attacker
// would need one packet without Message-Authenticator, after a restart say, to open the client to CVE-2024-3596.
type Ratchet struct {
	Required    bool      `json:"required"`
	With        int       `json:"with"`           // requests with a valid Message-Authenticator, counted up to the need
	First       time.Time `json:"first,omitzero"` // the first of them
	LastWithout time.Time `json:"last_without,omitzero"`

	kept time.Time // the LastWithout that was to be saved last
}

// ratchets are one client's, by address: a stand-by firewall of an older version must not be locked out because its
// twin is newer.
type ratchets struct {
	mu        sync.Mutex // guards byAddress
	byAddress map[netip.Addr]*Ratchet
}

func (r *ratchets) required(from netip.Addr) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.byAddress[from]
	return got != nil && got.Required
}

// note counts one request as evidence and reports whether the ratchet turned, and whether that or another thing must be
// known after a restart: progress may be lost, a packet without Message-Authenticator may not.
func (r *ratchets) note(from netip.Addr, with bool, now time.Time) (turned, keep bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.byAddress[from]
	if got == nil {
		if len(r.byAddress) >= maxRatchets {
			return false, false
		}
		if r.byAddress == nil {
			r.byAddress = make(map[netip.Addr]*Ratchet)
		}
		got = &Ratchet{}
		r.byAddress[from] = got
	}
	switch {
	case got.Required:
		return false, false
	case !with:
		got.LastWithout, got.With, got.First = now, 0, time.Time{}
		if now.Sub(got.kept) < ratchetStale {
			return false, false
		}
		got.kept = now
		return false, true
	}
	if got.With == 0 {
		got.First = now
	}
	got.With++
	if got.With < ratchetPackets || now.Sub(got.First) < ratchetTime || now.Sub(got.LastWithout) < ratchetQuiet {
		return false, false
	}
	got.Required = true
	return true, true
}
