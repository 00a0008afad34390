package daemon

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"sync/atomic"
	"time"

	"duoradiusd/conf"
	"duoradiusd/policy"
	"duoradiusd/policy/duo"
)

// application is one Duo application in force.
type application struct {
	name     string // "" is [duo]
	config   conf.Duo
	failmode policy.Failmode
	client   *duo.Client
	degraded *atomic.Uint64 // how often Duo became slow or could not be asked
}

func applications(c *conf.Config, before *parts, log *slog.Logger) (map[string]*application, error) {
	m := make(map[string]*application)
	all := c.Applications
	if c.Duo != nil {
		all = append(all, conf.Application{Duo: *c.Duo})
	}
	for _, a := range all {
		if before != nil {
			if old := before.applications[a.Name]; old != nil && sameApplication(old.config, a.Duo) {
				m[a.Name] = &application{name: a.Name, config: a.Duo, failmode: a.Failmode, client: old.client, degraded: old.degraded}
				continue
			}
		}
		degraded := new(atomic.Uint64)
		client, err := newClient(a.Duo, degraded, logFor(log, a))
		if err != nil {
			return nil, err
		}
		m[a.Name] = &application{name: a.Name, config: a.Duo, failmode: a.Failmode, client: client, degraded: degraded}
	}
	return m, nil
}

// sameApplication reports whether b's calls are made as a's are. A file of roots may have changed under its name.
func sameApplication(a, b conf.Duo) bool {
	return a.APIHost == b.APIHost && a.IntegrationKey == b.IntegrationKey &&
		a.SecretKey.Reveal() == b.SecretKey.Reveal() &&
		a.APITimeout == b.APITimeout && a.PushTimeout == b.PushTimeout &&
		fmt.Sprint(proxyURL(a)) == fmt.Sprint(proxyURL(b)) &&
		a.MaxConnections == b.MaxConnections && a.UserIP == b.UserIP &&
		a.CA == b.CA && (a.CA == conf.CAPinned || a.CA == conf.CASystem)
}

// logFor says in each line which application it is about.
func logFor(log *slog.Logger, a conf.Application) *slog.Logger {
	log = log.With("api_host", a.APIHost)
	if a.Name != "" {
		log = log.With("application", a.Name)
	}
	return log
}

// pushLife is how long a phone rings: so long Duo is asked for the answer, however soon push_timeout ends the wait of a
// login, because the user's next try may still be answered by it.
const pushLife = time.Minute

func newClient(d conf.Duo, degraded *atomic.Uint64, log *slog.Logger) (*duo.Client, error) {
	roots, err := roots(d.CA)
	if err != nil {
		return nil, err
	}
	return duo.New(duo.Config{
		Host:           d.APIHost,
		IntegrationKey: d.IntegrationKey,
		SecretKey:      d.SecretKey.Reveal(),
		APITimeout:     d.APITimeout,
		PushTimeout:    max(d.PushTimeout, pushLife),
		Proxy:          proxyURL(d),
		Roots:          roots,
		Trusts:         trusts(d.CA),
		MaxConnections: d.MaxConnections,
		UserIP:         duo.UserIP(d.UserIP),
		UserAgent:      "duoradiusd/" + Version(),
		OnHealth: func(h duo.Health, err error) {
			if h != duo.Up {
				degraded.Add(1)
			}
			switch h {
			case duo.Down:
				log.Error("Duo can't be asked; failmode decides until it answers again", "error", err)
			case duo.Slow:
				log.Warn("Duo is slow: clients may give up before it answers")
			case duo.Up:
				log.Info("Duo answers as usual")
			}
		},
	})
}

// proxyURL is the proxy with the name and the password that it wants; nil where there is none.
func proxyURL(d conf.Duo) *url.URL {
	if d.Proxy == nil || d.ProxyUsername == "" {
		return d.Proxy
	}
	u := *d.Proxy
	u.User = url.UserPassword(d.ProxyUsername, d.ProxyPassword.Reveal())
	return &u
}

// trusts says in an error what ca stands for.
func trusts(ca string) string {
	switch ca {
	case conf.CAPinned:
		return ""
	case conf.CASystem:
		return "this system's list"
	}
	return "those in " + ca
}

func roots(ca string) (*x509.CertPool, error) {
	switch ca {
	case conf.CAPinned:
		return nil, nil
	case conf.CASystem:
		return x509.SystemCertPool()
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca: %s: no certificate", ca)
	}
	return pool, nil
}

// able reports whether logins through this application can end well now.
func (a *application) able() bool {
	health, _ := a.client.Health()
	return health != duo.Down || a.failmode == policy.FailmodeSafe
}

// clockLimit is how far off this machine's clock may be before it is said; Duo refuses at five minutes.
const clockLimit = time.Minute

func (a *application) check(ctx context.Context, log *slog.Logger) {
	log = logFor(log, conf.Application{Name: a.name, Duo: a.config})
	now, err := a.client.Check(ctx)
	if errors.Is(err, policy.ErrMisconfigured) {
		log.Error("Duo does not accept this application", "error", err)
		return
	}
	if err != nil {
		log.Warn("Duo can't be asked", "error", err)
		return
	}
	if skew := time.Since(now).Round(time.Second); skew.Abs() > clockLimit {
		log.Warn("this machine's clock differs from Duo's", "by", skew)
		return
	}
	log.Info("Duo accepts this application")
}
