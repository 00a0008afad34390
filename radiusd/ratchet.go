package radiusd

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"duoradiusd/policy"
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

// ratchets are one client's, by source address: a stand-by firewall of an older version must not be locked out because its
// twin is newer, and so it is with the hosts of a prefix.
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

// Waits says why the ratchet has not turned yet, and what it takes; "" when it has.
func (r Ratchet) Waits(now time.Time) string {
	quiet := r.LastWithout.Add(ratchetQuiet).Sub(now)
	switch {
	case r.Required:
		return ""
	case r.With == 0 && !r.LastWithout.IsZero():
		return fmt.Sprintf("a login without it came %s ago, and nothing with it since", now.Sub(r.LastWithout).Round(time.Minute))
	case r.With < ratchetPackets:
		return fmt.Sprintf("%d of %d requests with it", r.With, ratchetPackets)
	case !r.LastWithout.IsZero() && quiet > 0:
		return fmt.Sprintf("a login without it came less than %s ago: %s left", ratchetQuiet, quiet.Round(time.Minute))
	case now.Sub(r.First) < ratchetTime:
		return fmt.Sprintf("%s of %s seen", now.Sub(r.First).Round(time.Minute), ratchetTime)
	}
	return "it turns with the next request that has it"
}

// learns reports whether c's requests are evidence for a ratchet. EAP must carry a Message-Authenticator whatever the client
// is like, and health probes are sent by other code than logins (FortiGate's test01), so neither says anything.
func (c *Client) learns(p *packet) bool {
	return c.MessageAuthenticator != Accept && c.MessageAuthenticator != Require && !p.eap.present() && !isProbe(c, p)
}

// noteSignedRequest notes a request with a valid Message-Authenticator, which nobody makes but the client.
func (s *Server) noteSignedRequest(d *datagram) {
	if d.client.learns(&d.packet) {
		s.turnRatchet(d)
	}
}

// noteUnsignedLogin notes that the client itself sends no Message-Authenticator. Anybody can send such a packet, so it
// counts only when the user's password was right; behind a client that has checked the password itself only when Duo has
// allowed the login.
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
		s.log().Warn("message_authenticator: this client always sends it and must from now on",
			"client", c.Name, "from", from.String())
	}
	if keep {
		s.saveSoon()
	}
}
