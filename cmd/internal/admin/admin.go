// Package admin serves the daemon's metrics to Prometheus, its health to load balancers, and a status page to people.
//
//	radiusd.Server, memory.Memory, Duo, first factors ──(asked when somebody looks)──▶ /metrics  /  /readyz
//	radiusd.Event ──(as each login ends)──▶ Observe ─▶ metrics, the last 200 logins ──────▲      ▲
//
// The package has one rule: looking changes nothing. The page can forget an approval, which costs a user at most one more
// push. It can clear counts, which gives a person who is held back another try. And it can read the configuration again.
package admin

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"time"

	"duoradiusd/cmd/internal/history"
	"duoradiusd/policy"
	"duoradiusd/policy/guard"
	"duoradiusd/policy/memory"
	"duoradiusd/radiusd"
)

// Daemon is the daemon that the pages show. All of its functions are set. Several goroutines may call them at the same time.
type Daemon struct {
	Version      string
	Server       *radiusd.Server
	Memory       *memory.Memory
	Serves       func() string // in one line
	Ready        func() error  // why no login can be answered now; nil if logins can
	Applications func() []Application
	FirstFactors func() []FirstFactor
	Approvals    func(ctx context.Context, user string, most int) ([]policy.Approval, error) // "" is everybody
	Forget       func(ctx context.Context, user string) (int, error)                         // the approvals of a user, whose name may be written in any form
	Guard        func(ctx context.Context) ([]guard.Count, error)                            // those that are held back come first
	Frauds       func() uint64                                                               // pushes that their users reported
	Cluster      func() *Cluster                                                             // nil: the daemon is alone; may be nil itself
	LostLines    func() uint64                                                               // lines of auth_log that were lost
	Logins       *history.Logins
	Canonical    func(user string) string                                    // the name by which logins of user are known
	ClearHeld    func(ctx context.Context, user, source string) (int, error) // lets them try again, and returns how many counts went
	Reload       func() (problems []string)                                  // reads the configuration again; nil until the daemon can
	Certificates func() []Certificate
	Password     func(ctx context.Context, user, password string) bool // of [admin] users; nil: nobody is asked to log in
	HelpDesk     []string                                              // the users who may clear and forget
	TLS          *tls.Config                                           // nil: HTTP without TLS
	Profiles     bool                                                  // the profiles under /debug/pprof/ are shown too
	Log          *slog.Logger
}

// Certificate is one certificate that the daemon uses or trusts.
type Certificate struct {
	Name string // the file, or what it is for
	Ends time.Time
}

// Application is the state of one Duo application.
type Application struct {
	Name     string // as in the configuration; "" is [duo]
	Host     string
	State    string // up, slow or down
	Degraded uint64 // how often it became slow or down
	Err      string // why it is down
}

// Cluster is the state of the store that several daemons share. It counts since the start.
type Cluster struct {
	Up        bool
	Err       string // why it is not up
	Failures  uint64 // how often it could not be asked
	TakenOver uint64 // pushes of daemons that were gone
	Lost      uint64 // pushes of which nobody knows whether they rang
}

// cluster returns nil if the daemon is alone.
func (d *Daemon) cluster() *Cluster {
	if d.Cluster == nil {
		return nil
	}
	return d.Cluster()
}

// FirstFactor is the state of one server of a first factor, or of a first factor that has no servers.
type FirstFactor struct {
	Name   string // as in the configuration
	Server string // "" for none
	Up     bool
	Err    string // why it is not up
}

// Admin shows one daemon.
type Admin struct {
	daemon   Daemon
	metrics  *metrics
	activity activity
	sessions *sessions
	token    string   // for the page's forms
	names    []string // host names of this machine that requests may use, beside its addresses
	started  time.Time

	mu       sync.Mutex // guards all below
	reloaded string     // the result of the last reload from the page; "" for none
}

// New returns an Admin of d. The caller passes the end of every login to Observe, from the first login on.
func New(d Daemon) *Admin {
	a := &Admin{daemon: d, metrics: newMetrics(d), sessions: newSessions(d.Password, d.HelpDesk), token: rand.Text(), names: []string{"localhost"}, started: time.Now()}
	if name, err := os.Hostname(); err == nil {
		a.names = append(a.names, name)
	}
	if d.TLS != nil {
		for _, c := range d.TLS.Certificates {
			if c.Leaf != nil {
				a.names = append(a.names, c.Leaf.DNSNames...)
			}
		}
	}
	return a
}

// Observe records the end of a login. It must be quick, because every login waits for it.
func (a *Admin) Observe(e radiusd.Event) {
	a.metrics.observe(&e)
	a.activity.add(&e)
}
