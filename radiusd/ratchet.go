package radiusd

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"duoradiusd/internal/display"
	"duoradiusd/policy"
)

// These limits decide when a client with message_authenticator = "auto" must send a Message-Authenticator in every request.
const (
	ratchetPackets = 20               // at least this many requests had a valid Message-Authenticator,
	ratchetTime    = 10 * time.Minute // they came over at least this time,
	ratchetQuiet   = 24 * time.Hour   // and no request without one came in this time
	ratchetStale   = time.Hour        // the saved LastWithout may be this old, so that not every packet causes a write
	maxRatchets    = 4096             // the largest number of addresses of one client
)

// Ratchet records whether one address of a client sends Message-Authenticators. Required changes from false to true and
// never back. If it could change back, an attacker could send one packet without Message-Authenticator, for example after a
// restart, and then attack the client with CVE-2024-3596.
type Ratchet struct {
	Required    bool      `json:"required"`
	With        int       `json:"with"`           // valid Message-Authenticators; not counted once Required is true
	First       time.Time `json:"first,omitzero"` // the time of the first of these requests
	LastWithout time.Time `json:"last_without,omitzero"`

	kept time.Time // the LastWithout for which the last write was scheduled
}

// ratchets holds the ratchets of one client, one for each source address. The addresses are separate because the devices of
// one client may differ: a standby firewall with older software must not be refused because the active firewall has newer
// software. The hosts of a prefix may differ in the same way.
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

// note counts one request. turned reports whether this request made Message-Authenticator required. keep reports whether
// the ratchet must be saved now. A restart may lose the count of requests, but not the time of a request without
// Message-Authenticator.
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

// Waits says why Message-Authenticator is not required yet and what is still missing. It returns "" if it is required.
func (r Ratchet) Waits(now time.Time) string {
	quiet := r.LastWithout.Add(ratchetQuiet).Sub(now)
	switch {
	case r.Required:
		return ""
	case r.With == 0 && !r.LastWithout.IsZero():
		return fmt.Sprintf("a login without it came %s ago, and no request with it has come since", display.Duration(now.Sub(r.LastWithout).Round(time.Minute)))
	case r.With < ratchetPackets:
		return fmt.Sprintf("%d of the %d requests that are needed had it", r.With, ratchetPackets)
	case !r.LastWithout.IsZero() && quiet > 0:
		return fmt.Sprintf("a login without it came less than %s ago; it can be required in %s at the earliest", display.Duration(ratchetQuiet), display.Duration(quiet.Round(time.Minute)))
	case now.Sub(r.First) < ratchetTime:
		return fmt.Sprintf("the client has sent it for %s, and %s are needed", display.Duration(now.Sub(r.First).Round(time.Minute)), display.Duration(ratchetTime))
	}
	return "it will be required after the next request that has it"
}

// learns reports whether c's ratchets count the request p. EAP requests do not count, because every client must send a
// Message-Authenticator with EAP. Health probes do not count, because clients send them with other code than logins
// (FortiGate's test01).
func (c *Client) learns(p *packet) bool {
	return c.MessageAuthenticator != Accept && c.MessageAuthenticator != Require && !p.eap.present() && !isProbe(c, p)
}

// noteSignedRequest counts a request with a valid Message-Authenticator. Only the client can make such a request.
func (s *Server) noteSignedRequest(d *datagram) {
	if d.client.learns(&d.packet) {
		s.turnRatchet(d)
	}
}

// noteUnsignedLogin counts a login without Message-Authenticator. Anybody can send such a packet, so it counts only if the
// user's password was right. If the client has checked the password itself, the login counts only if Duo has approved it.
func (s *Server) noteUnsignedLogin(d *datagram, v *policy.Verdict) {
	c, p := d.client, &d.packet
	if d.authentic || !p.userPassword.present() || !c.learns(p) {
		return
	}
	proven := v.Outcome == policy.OutcomeAccept || v.Outcome == policy.OutcomeChallenge && v.Reason == policy.ReasonChallenged
	if c.Login.FirstFactor == nil {
		proven = v.Outcome == policy.OutcomeAccept && v.Reason == policy.ReasonApproved
	}
	if proven {
		s.turnRatchet(d)
	}
}

func (s *Server) turnRatchet(d *datagram) {
	c, from := d.client, d.host()
	turned, keep := c.traffic.ratchets.note(from, d.authentic, d.received)
	if turned {
		s.log().Warn("message_authenticator: this client always sends Message-Authenticator, so it is required from now on",
			"client", c.Name, "from", from.String())
	}
	if keep {
		s.saveSoon()
	}
}
