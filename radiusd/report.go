package radiusd

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"duoradiusd/internal/display"
)

// ClientReport describes what the server has received from one client since the start, and what the client's administrator
// should do about Message-Authenticator (CVE-2024-3596).
type ClientReport struct {
	Name                 string          `json:"name"`
	Listen               []string        `json:"listen,omitempty"`            // this and the next two tell clients of one address apart
	NASIdentifiers       []string        `json:"nas_identifier,omitempty"`    // the same
	CalledStationIDs     []string        `json:"called_station_id,omitempty"` // the same
	Packets              uint64          `json:"packets"`                     // well-formed Access-Requests
	Authenticated        uint64          `json:"authenticated"`               // with a valid Message-Authenticator
	Unauthenticated      uint64          `json:"unauthenticated"`             // without a Message-Authenticator
	Wrong                uint64          `json:"wrong"`
	EAP                  uint64          `json:"eap"`
	ProxyStateUnguarded  uint64          `json:"proxy_state_unguarded"` // Proxy-State without a Message-Authenticator
	LastWithout          time.Time       `json:"last_without,omitzero"`
	Accounting           uint64          `json:"accounting"`            // Accounting-Requests, which get no answer
	Anonymous            uint64          `json:"anonymous"`             // with neither NAS-IP-Address nor NAS-Identifier
	MessageAuthenticator Presence        `json:"message_authenticator"` // as configured
	Ratchets             []RatchetReport `json:"ratchets,omitempty"`    // only for "auto"
	Recommendation       string          `json:"recommendation"`
	Patience             PatienceReport  `json:"patience"`
}

// RatchetReport is the ratchet of one address.
type RatchetReport struct {
	Address netip.Addr `json:"address"`
	Ratchet
	WaitsFor string `json:"waits_for,omitempty"` // why Message-Authenticator is not required yet
}

// Clients returns a report on every client, sorted by name.
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
	r.Recommendation = r.recommend(c.Login != nil && c.Login.Remember > 0)
	r.Patience = c.patience()
	return r
}

// fewToRequire is the number of requests with a Message-Authenticator that must have come before the report says that the
// client always sends it.
const fewToRequire = 20

// recommend returns the next step by which the administrator can make the client's requests impossible to forge. remembers
// says that the configuration remembers approvals at this client; this works only for requests with a
// Message-Authenticator.
func (r *ClientReport) recommend(remembers bool) string {
	switch {
	case r.Wrong > 0 && r.Authenticated == 0:
		return "check the secret: every Message-Authenticator was wrong"
	case r.Wrong > 0 && r.Wrong >= r.Authenticated:
		return fmt.Sprintf("check the secret of each of its devices: %d of %d Message-Authenticators were wrong", r.Wrong, r.Wrong+r.Authenticated)
	case r.Packets == 0:
		return "no request has come yet"
	case r.MessageAuthenticator == Require:
		return "nothing to do"
	case r.Authenticated == 0 && r.Unauthenticated == 0:
		return "no request has come yet that shows whether it sends Message-Authenticator"
	case r.Unauthenticated == 0 && r.Authenticated < fewToRequire:
		return fmt.Sprintf("it has always sent Message-Authenticator, in %s so far: wait for more requests", display.Count(int(r.Authenticated), "request"))
	case r.Unauthenticated == 0:
		return `it always sends Message-Authenticator: set message_authenticator = "require"`
	case r.ProxyStateUnguarded > 0:
		return "it sends Proxy-State without Message-Authenticator, as an attack by CVE-2024-3596 does: update the client"
	case r.Authenticated > 0:
		return `some of its requests have no Message-Authenticator: find out what sends them (a health check, a second device), change that, then set message_authenticator = "require"`
	case remembers:
		return "it never sends Message-Authenticator: update or configure it so that it does; until then none of its logins is remembered"
	}
	return "it never sends Message-Authenticator: update or configure it so that it does"
}

// PendingLogin is a login in progress. Its texts hold no characters that a terminal could take as a command.
type PendingLogin struct {
	Client string
	User   string // the User-Name as the client sent it
	Since  time.Time
	Copies int // how often the client has asked again
}

// PendingLogins returns at most limit logins in progress, the oldest first.
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
