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
	degraded *atomic.Uint64         // how often Duo became slow or could not be asked
	refused  atomic.Pointer[string] // why Duo does not accept the keys; nil: Duo accepts them, or has not been asked
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
		client, err := newClient(a, degraded, logFor(log, a))
		if err != nil {
			return nil, err
		}
		m[a.Name] = &application{name: a.Name, config: a.Duo, failmode: a.Failmode, client: client, degraded: degraded}
	}
	return m, nil
}

// sameApplication reports whether a client of a can make the calls of b. It is false if ca is a file, whose content may have
// changed.
func sameApplication(a, b conf.Duo) bool {
	return a.APIHost == b.APIHost && a.IntegrationKey == b.IntegrationKey &&
		a.SecretKey.Reveal() == b.SecretKey.Reveal() &&
		a.APITimeout == b.APITimeout && a.PushTimeout == b.PushTimeout &&
		fmt.Sprint(proxyURL(a)) == fmt.Sprint(proxyURL(b)) &&
		a.MaxConnections == b.MaxConnections && a.UserIP == b.UserIP &&
		a.CA == b.CA && (a.CA == conf.CAPinned || a.CA == conf.CASystem)
}

// logFor returns a logger whose lines name the application.
func logFor(log *slog.Logger, a conf.Application) *slog.Logger {
	log = log.With("api_host", a.APIHost)
	if a.Name != "" {
		log = log.With("application", a.Name)
	}
	return log
}

// pushLife is how long a phone rings. Duo is asked for the answer this long, even if push_timeout ends the wait of the login
// earlier, because a late answer can decide the user's next try.
const pushLife = time.Minute

// withoutDuo says, for each failmode, what an outage of Duo means for users.
var withoutDuo = map[policy.Failmode]string{
	policy.FailmodeSecure: `users who need a second factor are rejected until it answers again (failmode = "secure")`,
	policy.FailmodeSafe:   `users get in with the first factor alone until it answers again (failmode = "safe")`,
	policy.FailmodeSilent: `users who need a second factor get no answer, so that their client asks its next server (failmode = "silent")`,
}

func newClient(a conf.Application, degraded *atomic.Uint64, log *slog.Logger) (*duo.Client, error) {
	d := a.Duo
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
				log.Error("Duo can't be asked: "+withoutDuo[a.Failmode], "error", err)
			case duo.Slow:
				log.Warn("Duo is slow: users wait longer for their push, and clients with a short timeout give up before it is answered")
			case duo.Up:
				log.Info("Duo answers as usual: pushes are sent again")
			}
		},
	})
}

// proxyURL returns the proxy's URL with user name and password; nil where there is no proxy.
func proxyURL(d conf.Duo) *url.URL {
	if d.Proxy == nil || d.ProxyUsername == "" {
		return d.Proxy
	}
	u := *d.Proxy
	u.User = url.UserPassword(d.ProxyUsername, d.ProxyPassword.Reveal())
	return &u
}

// trusts describes ca for the text of errors.
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
		return nil, fmt.Errorf("ca: %s contains no certificate", ca)
	}
	return pool, nil
}

// able reports whether logins through this application can be accepted now.
func (a *application) able() bool {
	health, _ := a.client.Health()
	return (health != duo.Down || a.failmode == policy.FailmodeSafe) && a.refused.Load() == nil
}

// clockLimit is how far this machine's clock may differ from Duo's before it is logged. Duo refuses a difference of five
// minutes.
const clockLimit = time.Minute

// check asks Duo whether it accepts the keys and this machine's clock, logs the answer and keeps it for the status.
func (a *application) check(ctx context.Context, log *slog.Logger) {
	log = logFor(log, conf.Application{Name: a.name, Duo: a.config})
	now, err := a.client.Check(ctx)
	if errors.Is(err, policy.ErrMisconfigured) {
		why := refusal(err)
		a.refused.Store(&why)
		log.Error("no login can succeed until this is corrected: " + why)
		return
	}
	if err != nil {
		log.Warn("Duo can't be asked", "error", err)
		return
	}
	a.refused.Store(nil)
	if skew := time.Since(now).Round(time.Second); skew.Abs() > clockLimit {
		log.Warn("this machine's clock differs from Duo's; Duo refuses a difference of five minutes, so synchronize this clock (NTP)", "by", skew)
		return
	}
	log.Info("Duo accepts this application")
}

// refusal returns one sentence about an error that means that the application can't work as it is configured.
func refusal(err error) string {
	var e *duo.Error
	switch {
	case !errors.As(err, &e) || e.Code == 0:
		return "Duo can't be asked as this application is configured: " + err.Error()
	case e.Code == 40104 || e.Code == 40105: // https://duo.com/docs/authapi, "Response format"
		return "Duo refuses the time that this machine's clock shows: " + err.Error()
	}
	return "Duo refuses the keys of this application: " + err.Error()
}

// refusal returns why Duo does not accept this application; "" when Duo accepts it.
func (a *application) refusal() string {
	if why := a.refused.Load(); why != nil {
		return *why
	}
	return ""
}
