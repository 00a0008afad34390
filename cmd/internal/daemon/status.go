package daemon

import (
	"slices"
	"strings"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/duo"
	"duoradiusd/radiusd"
)

// Status describes the running daemon.
type Status struct {
	Version      string                   `json:"version"`
	StartedAt    time.Time                `json:"started_at"`
	Listens      []string                 `json:"listens"`
	Serves       string                   `json:"serves"`
	Pending      int                      `json:"pending"`             // logins in progress
	Replies      int                      `json:"replies"`             // replies that are kept for retransmissions
	Approvals    int                      `json:"approvals"`           // remembered approvals; some may have expired
	NotReady     string                   `json:"not_ready,omitempty"` // why no login can be answered now; "" = logins can be answered
	Duo          []DuoStatus              `json:"duo"`
	FirstFactors []FirstFactorStatus      `json:"first_factors"`
	Logins       map[policy.Reason]uint64 `json:"logins"` // ended since the start, by reason
	Dropped      map[string]uint64        `json:"dropped"`
	Cluster      *ClusterStatus           `json:"cluster,omitempty"`         // nil: this daemon is alone
	AuthLog      *AuthLogStatus           `json:"auth_log,omitempty"`        // nil: there is none
	Unknown      []radiusd.UnknownSource  `json:"unknown_sources,omitempty"` // the latest that packets came from
}

// ClusterStatus describes the store of [cluster]. The counts are since the start.
type ClusterStatus struct {
	Up        bool   `json:"up"`
	Error     string `json:"error,omitempty"` // why the store is not up
	Failures  uint64 `json:"failures"`        // how often the store could not be asked
	TakenOver uint64 `json:"taken_over"`      // pushes taken over from daemons that had ended
	Lost      uint64 `json:"lost"`            // pushes that may have rung, without a transaction to ask about
}

// AuthLogStatus describes [log] auth_log.
type AuthLogStatus struct {
	Path string `json:"path"`
	Lost uint64 `json:"lost"` // lines that could not be written
}

// started is when this process began.
var started = time.Now()

// DuoStatus describes one Duo application.
type DuoStatus struct {
	Application string `json:"application"` // "" is [duo]
	APIHost     string `json:"api_host"`
	Health      string `json:"health"` // up, slow, down, or refused when Duo does not accept the keys
	Degraded    uint64 `json:"degraded"`
	Error       string `json:"error,omitempty"`
}

// FirstFactorStatus describes one server of a first factor, or a first factor that has no servers.
type FirstFactorStatus struct {
	Name   string `json:"name"`
	Server string `json:"server,omitempty"`
	Up     bool   `json:"up"`
	Error  string `json:"error,omitempty"`
}

// Status returns the present state of the daemon.
func (d *Daemon) Status() Status {
	p := d.parts.Load()
	s := Status{
		Version:   Version(),
		StartedAt: started.UTC().Round(0),
		Serves:    p.summary,
		Approvals: d.memory.Counts().Approvals,
		Logins:    d.server.Outcomes(),
		Dropped:   d.server.Drops(),
	}
	s.Pending, s.Replies = d.server.Pending()
	if d.cluster != nil {
		c := d.cluster.Counters()
		s.Cluster = &ClusterStatus{c.Up, c.Error, c.Failures, c.TakenOver, c.Lost}
	}
	s.Unknown = d.server.UnknownSources()
	if d.authLog != nil {
		s.AuthLog = &AuthLogStatus{Path: d.authLog.path, Lost: d.authLog.Lost()}
	}
	for _, a := range d.Addresses() {
		s.Listens = append(s.Listens, "udp "+a.String())
	}
	slices.Sort(s.Listens)
	for _, a := range p.applications {
		s.Duo = append(s.Duo, a.status())
	}
	for _, f := range d.adminFirstFactors() {
		s.FirstFactors = append(s.FirstFactors, FirstFactorStatus{f.Name, f.Server, f.Up, f.Err})
	}
	if err := d.ready(); err != nil {
		s.NotReady = err.Error()
	}
	slices.SortFunc(s.Duo, func(a, b DuoStatus) int { return strings.Compare(a.Application, b.Application) })
	return s
}

func (a *application) status() DuoStatus {
	health, err := a.client.Health()
	s := DuoStatus{Application: a.name, APIHost: a.config.APIHost, Health: health.String(), Degraded: a.degraded.Load()}
	if err != nil && health == duo.Down {
		s.Error = err.Error()
	}
	if refusal := a.refusal(); refusal != "" {
		s.Health, s.Error = "refused", refusal
	}
	return s
}
