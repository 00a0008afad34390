package daemon

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"duoradiusd/cmd/internal/admin"
	"duoradiusd/conf"
	"duoradiusd/policy"
	"duoradiusd/policy/fileauth"
	"duoradiusd/policy/ldapauth"
	"duoradiusd/policy/radiusauth"
)

// ServeAdmin opens the HTTP server of [admin] and serves it until Close. It is called before Listen, so that no login is
// missed. reload reads the configuration again. With profiles, Go's profiles of the daemon are served too.
func (d *Daemon) ServeAdmin(c conf.Admin, reload func() error, profiles bool) (*admin.Server, error) {
	o := admin.Daemon{
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
		Cluster:      d.adminCluster,
		LostLines:    d.lostLines,
		Logins:       &d.logins,
		Canonical:    d.canonical,
		ClearHeld:    d.clearHeld,
		Certificates: d.certificates,
		HelpDesk:     c.HelpDesk,
		Profiles:     profiles,
		Log:          d.log,
	}
	o.Reload = func() []string {
		if err := reload(); err != nil {
			return strings.Split(strings.TrimSpace(err.Error()), "\n")
		}
		return nil
	}
	if c.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(c.Certificate, c.PrivateKey)
		if err != nil {
			return nil, fmt.Errorf("admin: %w", err)
		}
		o.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	}
	if c.Users != "" {
		file, err := fileauth.Open(c.Users, strings.ToLower)
		if err != nil {
			return nil, fmt.Errorf("admin: %w", err)
		}
		o.Password = func(ctx context.Context, user, password string) bool {
			_, err := file.Authenticate(ctx, policy.FirstRequest{User: strings.ToLower(user), Method: policy.MethodPassword, Password: password})
			return err == nil
		}
	}
	a := admin.New(o)
	s, err := a.Serve(c.Address)
	if err != nil {
		return nil, err
	}
	d.observers = append(d.observers, a.Observe)
	return s, nil
}

// clearHeld clears the counts of [guard] against a user. If user is "", it clears those against everybody at a source.
func (d *Daemon) clearHeld(ctx context.Context, user, source string) (int, error) {
	if user == "" {
		cleared, err := d.ClearAddress(ctx, source)
		return cleared.Cleared, err
	}
	cleared, err := d.ClearUser(ctx, user)
	return cleared.Cleared, err
}

// certificates lists the certificates of the configuration in force, and when they end. It leaves out a certificate that
// can't be read, which duoradiusd check reports.
func (d *Daemon) certificates() (list []admin.Certificate) {
	for _, f := range d.parts.Load().certificates {
		if slices.ContainsFunc(list, func(c admin.Certificate) bool { return c.Name == f.Path }) {
			continue // one file may be the daemon's own certificate and an authority
		}
		ends, err := certificateEnd(f.Path)
		if err == nil {
			list = append(list, admin.Certificate{Name: f.Path, Ends: ends})
		}
	}
	return list
}

// certificateEnd returns when the first certificate of a PEM file ends.
func certificateEnd(path string) (time.Time, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return time.Time{}, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return time.Time{}, errors.New("the file contains no certificate")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return time.Time{}, err
	}
	return c.NotAfter, nil
}

// ready returns why no login can be answered now; nil when logins can be answered.
func (d *Daemon) ready() error {
	if len(d.Addresses()) == 0 {
		return errors.New("the daemon listens at no address")
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

// serverHealth returns the health of one server. err is its last failure, which may be over.
func serverHealth(name, server string, up bool, err error) admin.FirstFactor {
	f := admin.FirstFactor{Name: name, Server: server, Up: up}
	if err != nil && !up {
		f.Err = err.Error()
	}
	return f
}

func (d *Daemon) adminCluster() *admin.Cluster {
	if d.cluster == nil {
		return nil
	}
	c := d.cluster.Counters()
	return &admin.Cluster{Up: c.Up, Err: c.Error, Failures: c.Failures, TakenOver: c.TakenOver, Lost: c.Lost}
}

func (d *Daemon) lostLines() uint64 {
	if d.authLog == nil {
		return 0
	}
	return d.authLog.Lost()
}
