package policy

import (
	"context"
	"strings"

	"duoradiusd/policy/canonical"
)

// DomainFactor is a first factor of a client that has several, with the domains of the names that it accepts.
type DomainFactor struct {
	FirstFactor FirstFactor
	Groupless   bool
	Domains     []string // `CORP\` in front or "@corp.example.com" behind: all spellings of one domain; none: names without a domain
}

// NoFactorForName is the Client.FirstFactor of a client whose FirstFactors depend on the name. It rejects everybody. A login
// whose name belongs to one of the FirstFactors asks that one instead.
type NoFactorForName struct{}

// Authenticate implements FirstFactor.
func (NoFactorForName) Authenticate(context.Context, FirstRequest) (Account, error) {
	return Account{}, &Refusal{Why: "no first factor takes this name"}
}

// chooseFirstFactor chooses the first factor that accepts this name, where the client has several. It returns the name with
// the domain of that first factor. It reports false for a name that no first factor accepts. The choice holds for the whole
// login: no password is tried at two first factors.
func (l *login) chooseFirstFactor(typed string) (name string, ok bool) {
	if len(l.Client.FirstFactors) == 0 {
		return typed, true
	}
	names := canonical.Names{Case: l.settings.Names.Case, Domains: l.settings.Names.Domains}
	if name, ok = names.Canonical(typed); !ok {
		return "", false
	}
	f := l.domain
	if f == nil || canonical.HasDomain(name) {
		f = l.Client.takes(name, l.Method == MethodEAP)
	}
	if f == nil || l.domain != nil && f != l.domain {
		return "", false
	}
	if l.domain == nil {
		client := *l.Client
		client.FirstFactor, client.Groupless = f.FirstFactor, f.Groupless
		l.Client, l.domain = &client, f
	}
	if !canonical.HasDomain(name) && len(f.Domains) > 0 {
		name = names.InFirstSpelling(name, f.Domains)
	}
	return name, true
}

// takes returns the first factor that accepts a name; nil for none. The name outside of an EAP tunnel may be the domain alone
// (RFC 7542 §2.4).
func (c *Client) takes(name string, tunnel bool) *DomainFactor {
	for i := range c.FirstFactors {
		f := &c.FirstFactors[i]
		switch _, in := canonical.InDomain(name, f.Domains); {
		case in, !canonical.HasDomain(name) && (len(f.Domains) == 0 || len(c.FirstFactors) == 1):
			return f
		case tunnel:
			for _, domain := range f.Domains {
				if strings.EqualFold(name, domain) {
					return f
				}
			}
		}
	}
	return nil
}

// accountName returns the name for the first factor: without the domain by which the first factor was chosen.
func (l *login) accountName() string {
	if l.domain == nil {
		return l.name
	}
	if account, ok := canonical.InDomain(l.name, l.domain.Domains); ok {
		return account
	}
	return l.name
}
