package daemon

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"reflect"
	"slices"

	"duoradiusd/conf"
	"duoradiusd/policy"
	"duoradiusd/policy/canonical"
	"duoradiusd/policy/fileauth"
	"duoradiusd/policy/ldapauth"
	"duoradiusd/policy/radiusauth"
)

// firstFactor is one first factor in force.
type firstFactor struct {
	policy.FirstFactor
	config conf.FirstFactor
	names  canonical.Names
	close  func() // closes idle connections; checks that are under way go on
}

// firstFactors makes the first factors of c. It takes over those of before that c does not change, with their connections.
func firstFactors(c *conf.Config, names canonical.Names, before *parts, log *slog.Logger) (map[string]*firstFactor, error) {
	m := make(map[string]*firstFactor)
	for _, f := range c.FirstFactors {
		if before != nil {
			if old := before.firstFactors[f.Name]; old != nil && old.same(f, names) {
				m[f.Name] = old
				continue
			}
		}
		made, err := newFirstFactor(f, accountNames(f, names), log.With("first_factor", f.Name))
		if err != nil {
			return nil, fmt.Errorf("first_factor %q: %w", f.Name, err)
		}
		made.config, made.names = f, names
		m[f.Name] = made
	}
	return m, nil
}

// same reports whether old does what a new first factor of f would do. It is false if a certificate file may have changed.
func (old *firstFactor) same(f conf.FirstFactor, names canonical.Names) bool {
	return f.Type != conf.TypeFile && f.CAFile == "" && f.Certificate == "" &&
		reflect.DeepEqual(old.names, names) && reflect.DeepEqual(old.config, f)
}

func newFirstFactor(f conf.FirstFactor, names canonical.Names, log *slog.Logger) (*firstFactor, error) {
	switch f.Type {
	case conf.TypeFile:
		return newFile(f, names, log)
	case conf.TypeLDAP:
		return newDirectory(f, names, log)
	case conf.TypeRADIUS:
		return newUpstream(f, log)
	}
	return nil, fmt.Errorf("type %q is not known", f.Type)
}

func newFile(f conf.FirstFactor, names canonical.Names, log *slog.Logger) (*firstFactor, error) {
	file, err := fileauth.Open(f.Path, func(name string) string {
		if canonical, ok := names.Canonical(name); ok {
			return canonical
		}
		return name
	})
	if err != nil {
		return nil, err
	}
	file.OnReload = func(err error) {
		if err != nil {
			log.Error("first factor: the changed file can't be used; its old content stays in force", "error", err)
			return
		}
		log.Info("first factor: the changed file is in force", "file", f.Path)
	}
	return &firstFactor{FirstFactor: file, close: func() {}}, nil
}

func newDirectory(f conf.FirstFactor, names canonical.Names, log *slog.Logger) (*firstFactor, error) {
	ca := conf.CASystem
	if f.CAFile != "" {
		ca = f.CAFile
	}
	roots, err := roots(ca)
	if err != nil {
		return nil, err
	}
	var certificate *tls.Certificate
	if f.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(f.Certificate, f.PrivateKey)
		if err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
		certificate = &pair
	}
	d, err := ldapauth.New(ldapauth.Config{
		URLs: f.URLs, StartTLS: f.StartTLS, Roots: roots, Certificate: certificate,
		BindDN: f.BindDN, BindPassword: f.BindPassword.Reveal(), BaseDN: f.BaseDN, UserFilter: f.UserFilter,
		GroupAttribute: f.GroupAttribute, NestedGroups: ldapauth.Nesting(f.NestedGroups),
		DuoUsernameAttribute: f.DuoUsernameAttribute, ReplyAttributes: f.ReplyAttributes, PasswordChange: f.PasswordChange,
		Timeout: f.Timeout, Names: names.Canonical, OnHealth: logHealth(log),
	})
	if err != nil {
		return nil, err
	}
	return &firstFactor{FirstFactor: d, close: d.Close}, nil
}

func newUpstream(f conf.FirstFactor, log *slog.Logger) (*firstFactor, error) {
	u, err := radiusauth.New(radiusauth.Config{
		Servers: f.Servers, Secret: f.Secret.Reveal(),
		InnerUserName:               f.InnerUserName,
		RequireMessageAuthenticator: f.MessageAuthenticator != conf.Accept,
		Timeout:                     f.Timeout, OnHealth: logHealth(log),
	})
	if err != nil {
		return nil, err
	}
	return &firstFactor{FirstFactor: u, close: u.Close}, nil
}

func logHealth(log *slog.Logger) func(server string, err error) {
	return func(server string, err error) {
		if err != nil {
			log.Error("first factor: a server can't be asked", "server", server, "error", err)
			return
		}
		log.Info("first factor: a server answers again", "server", server)
	}
}

// accountNames returns how a first factor compares names. One with domains is asked without the domain, and compares so.
func accountNames(f conf.FirstFactor, names canonical.Names) canonical.Names {
	if len(f.Domains) == 0 || len(names.Domains) == 0 {
		return names
	}
	names.Domains, names.StripDomain = nil, slices.Concat(names.StripDomain, f.Domains)
	return names
}
