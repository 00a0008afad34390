package daemon

import (
	"cmp"
	"log/slog"
	"slices"

	"duoradiusd/conf"
	"duoradiusd/policy"
	"duoradiusd/policy/duo"
)

// Parts holds what is built of a configuration, for commands that look at it without running a daemon.
type Parts struct{ p *parts }

// Assemble builds the parts of c, or returns why c can't be put into force. It opens files and sends nothing.
func Assemble(c *conf.Config, log *slog.Logger) (*Parts, error) {
	p, err := build(c, nil, log)
	if err != nil {
		return nil, err
	}
	return &Parts{p}, nil
}

// DuoApplication is one Duo application; Name is "" for [duo].
type DuoApplication struct {
	Name, Host string
	CA         string // as in conf.Duo
	Client     *duo.Client
}

// Applications returns the Duo applications, [duo] first.
func (p *Parts) Applications() (list []DuoApplication) {
	for _, a := range p.p.applications {
		list = append(list, DuoApplication{a.name, a.config.APIHost, a.config.CA, a.client})
	}
	slices.SortFunc(list, func(a, b DuoApplication) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// FirstFactor returns the first factor of that name; nil where there is none.
func (p *Parts) FirstFactor(name string) policy.FirstFactor {
	if f := p.p.firstFactors[name]; f != nil {
		return f.FirstFactor
	}
	return nil
}

// Canonical returns the canonical form of a user name.
func (p *Parts) Canonical(name string) (string, bool) { return p.p.settings.Names.Canonical(name) }

// Close closes what Assemble opened.
func (p *Parts) Close() { p.p.close() }
