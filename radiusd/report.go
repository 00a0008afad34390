package radiusd

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"duoradiusd/internal/display"
)

// ClientReport is what has been seen of one client since the start, and what its administrator should do about
// Message-Authenticator (CVE-2024-3596).
type ClientReport struct {
	Name                 string          `json:"name"`
	Listen               []string        `json:"listen,omitempty"`            // what tells clients of one address apart
	NASIdentifiers       []string        `json:"nas_identifier,omitempty"`    // the same
	CalledStationIDs     []string        `json:"called_station_id,omitempty"` // the same
	Packets              uint64          `json:"packets"`                     // Access-Requests of right form
	Authenticated        uint64          `json:"authenticated"`               // with a valid Message-Authenticator
	Unauthenticated      uint64          `json:"unauthenticated"`             // without any
	Wrong                uint64          `json:"wrong"`
	EAP                  uint64          `json:"eap"`
	ProxyStateUnguarded  uint64          `json:"proxy_state_unguarded"` // Proxy-State without a Message-Authenticator
	LastWithout          time.Time       `json:"last_without,omitzero"`
	Accounting           uint64          `json:"accounting"`            // Accounting-Requests, which get no answer
	Anonymous            uint64          `json:"anonymous"`             // with neither NAS-IP-Address nor NAS-Identifier
	MessageAuthenticator Presence        `json:"message_authenticator"` // as configured
	Ratchets             []RatchetReport `json:"ratchets,omitempty"`    // of "auto"
	Recommendation       string          `json:"recommendation"`
	Patience             PatienceReport  `json:"patience"`
}

// RatchetReport is the ratchet of one address.
type RatchetReport struct {
	Address netip.Addr `json:"address"`
	Ratchet
	WaitsFor string `json:"waits_for,omitempty"` // why it has not turned yet
}

// Clients reports on every client, by name.
func (s *Server) Clients() []ClientReport {
	settings := s.settings.Load()
	if settings == nil {
		return nil
	}
	list := make([]ClientReport, 0, len(settings.Clients.list))
	for _, c := range settings.Clients.list {
		list = append(list, c.report())
	}
	slices.SortFunc(list, func(a, b ClientReport) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func (c *Client) report() ClientReport {
	t := c.traffic
	r := ClientReport{
		Name:                 c.Name,
		Packets:              t.Packets.Load(),
		Authenticated:        t.Authenticated.Load(),
		Unauthenticated:      t.Unauthenticated.Load(),
		Wrong:                t.Wrong.Load(),
		EAP:                  t.EAP.Load(),
		ProxyStateUnguarded:  t.ProxyStateUnguarded.Load(),
		Accounting:           t.Accounting.Load(),
		Anonymous:            t.Anonymous.Load(),
		MessageAuthenticator: c.MessageAuthenticator,
		NASIdentifiers:       c.NASIdentifiers,
		CalledStationIDs:     c.CalledStationIDs,
	}
	for _, listener := range c.Listen {
		r.Listen = append(r.Listen, listener.String())
	}
	if r.MessageAuthenticator == "" {
		r.MessageAuthenticator = Auto
	}
	if at := t.LastWithout.Load(); at != 0 {
		r.LastWithout = time.Unix(at, 0).UTC()
	}
	for addr, ratchet := range t.ratchets.copy() {
		r.Ratchets = append(r.Ratchets, RatchetReport{addr, ratchet, ratchet.Waits(time.Now())})
	}
	slices.SortFunc(r.Ratchets, func(a, b RatchetReport) int { return a.Address.Compare(b.Address) })
	r.Recommendation = r.recommend()
	r.Patience = c.patience()
	return r
}

// recommend says the next step towards requests that nobody can forge.
func (r *ClientReport) recommend() string {
	switch {
	case r.Wrong > 0 && r.Authenticated == 0:
		return "check the secret: every Message-Authenticator was wrong"
	case r.Packets == 0:
		return "nothing seen yet"
	case r.MessageAuthenticator == Require:
		return "nothing to do"
	case r.Authenticated == 0 && r.Unauthenticated == 0:
		return "nothing seen yet that could be believed"
	case r.Unauthenticated == 0:
		return `it always sends it: set message_authenticator = "require"`
	case r.ProxyStateUnguarded > 0:
		return "it sends Proxy-State without Message-Authenticator, which is how CVE-2024-3596 attacks: update it"
	case r.Authenticated > 0:
		return "it sends it at times: find out what sends without (a health check, a second device), then require it"
	}
	return "it never sends it: update or configure it so that it does"
}

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
	list := s.duplicates.pending()
	slices.SortFunc(list, func(a, b PendingLogin) int { return a.Since.Compare(b.Since) })
	list = list[:min(len(list), limit)]
	for i := range list {
		list[i].User = display.Visible(list[i].User)
	}
	return list
}
