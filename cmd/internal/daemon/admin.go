package daemon

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"duoradiusd/cmd/internal/admin"
	"duoradiusd/policy/ldapauth"
	"duoradiusd/policy/radiusauth"
)

// ServeAdmin opens the HTTP server of [admin] at address and serves it until Close. It is called before Listen, so that
// no login is missed. With profiles, Go's profiles of the daemon are served too.
func (d *Daemon) ServeAdmin(address string, profiles bool) (*admin.Server, error) {
	a := admin.New(admin.Daemon{
		Version:      Version(),
		Server:       d.server,
		Memory:       d.memory,
		Serves:       d.Summary,
		Ready:        d.ready,
		Applications: d.adminApplications,
		FirstFactors: d.adminFirstFactors,
		Approvals:    d.Approvals,
		Forget:       d.Forget,
		Guard:        d.GuardCounts,
		Frauds:       d.frauds.Load,
		LostLines:    d.lostLines,
		Profiles:     profiles,
		Log:          d.log,
	})
	s, err := a.Serve(address)
	if err != nil {
		return nil, err
	}
	d.observers = append(d.observers, a.Observe)
	return s, nil
}

// ready says why no login can be answered now; nil when they can.
func (d *Daemon) ready() error {
	if len(d.Addresses()) == 0 {
		return errors.New("no address is listened on")
	}
	if d.able() {
		return nil
	}
	for _, a := range d.parts.Load().applications {
		if s := a.status(); s.Error != "" {
			return errors.New("no login can be answered: " + s.Error)
		}
	}
	return errors.New("no login can be answered: Duo can't be asked")
}

func (d *Daemon) adminApplications() (list []admin.Application) {
	for _, s := range d.Status().Duo {
		list = append(list, admin.Application{Name: s.Application, Host: s.APIHost, State: s.Health, Degraded: s.Degraded, Err: s.Error})
	}
	return list
}

func (d *Daemon) adminFirstFactors() (list []admin.FirstFactor) {
	for name, f := range d.parts.Load().firstFactors {
		switch f := f.FirstFactor.(type) {
		default: // a file, which was read when the configuration was
			list = append(list, admin.FirstFactor{Name: name, Up: true})
		case *ldapauth.Directory:
			for _, s := range f.Health() {
				list = append(list, serverHealth(name, s.URL, !s.Down, s.Err))
			}
		case *radiusauth.Upstream:
			for _, s := range f.Health() {
				list = append(list, serverHealth(name, s.Server, !s.Down, s.Err))
			}
		}
	}
	slices.SortFunc(list, func(a, b admin.FirstFactor) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Server, b.Server))
	})
	return list
}

// serverHealth is one server's. err is its last trouble, which may be over.
func serverHealth(name, server string, up bool, err error) admin.FirstFactor {
	f := admin.FirstFactor{Name: name, Server: server, Up: up}
	if err != nil && !up {
		f.Err = err.Error()
	}
	return f
}

func (d *Daemon) lostLines() uint64 {
	if d.authLog == nil {
		return 0
	}
	return d.authLog.Lost()
}
