// Package admin serves the daemon's metrics to Prometheus, its health to load balancers, and a status page to people.
//
//	radiusd.Server, policy.Memory, Duo, first factors ──(asked when somebody looks)──▶ /metrics  /  /readyz
//	radiusd.Event ──(as each login ends)──▶ Observe ─▶ metrics, the last 200 logins ──────▲      ▲
//
// Its one rule: looking changes nothing. The only change that can be made here is to forget an approval, which costs its
// user one more push.
package admin

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"time"

	"duoradiusd/policy"
	"duoradiusd/radiusd"
)

// Daemon is the daemon that is shown. All of its functions are set, and may be called by several goroutines at once.
type Daemon struct {
	Version      string
	Server       *radiusd.Server
	Memory       *policy.Memory
	Serves       func() string // in one line
	Ready        func() error  // why no login can be answered now; nil when they can
	Applications func() []Application
	FirstFactors func() []FirstFactor
	Approvals    func(ctx context.Context, user string, most int) ([]policy.Approval, error) // "" is everybody
	Forget       func(ctx context.Context, user string) (int, error)                         // the approvals of a user, whose name may be written in any form
	Guard        func(ctx context.Context) ([]policy.GuardCount, error)                      // who is held back comes first
	Frauds       func() uint64                                                               // pushes that their users reported
	LostLines    func() uint64                                                               // of auth_log
	Profiles     bool                                                                        // are shown too, under /debug/pprof/
	Log          *slog.Logger
}

// Application is how one Duo application is.
type Application struct {
	Name     string // as in the configuration; "" is [duo]
	Host     string
	State    string // up, slow or down
	Degraded uint64 // how often it became slow or down
	Err      string // why it is down
}

// FirstFactor is how one server of a first factor is, or a first factor that has no servers.
type FirstFactor struct {
	Name   string // as in the configuration
	Server string // "" for none
	Up     bool
	Err    string // why it is not
}

// Admin shows one daemon.
type Admin struct {
	daemon  Daemon
	metrics *metrics
	recent  recent
	token   string   // of the page's forms
	names   []string // by which this machine may be asked for, beside its addresses
	started time.Time
}

// New returns an Admin of d. The caller passes the end of every login to Observe, from the first login on.
func New(d Daemon) *Admin {
	a := &Admin{daemon: d, metrics: newMetrics(d), token: rand.Text(), names: []string{"localhost"}, started: time.Now()}
	if name, err := os.Hostname(); err == nil {
		a.names = append(a.names, name)
	}
	return a
}

// Observe records the end of a login. It must be quick, because every login waits for it.
func (a *Admin) Observe(e radiusd.Event) {
	a.metrics.observe(&e)
	a.recent.add(&e)
}
