package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"duoradiusd/conf"
	"duoradiusd/policy"
	"duoradiusd/policy/canonical"
	"duoradiusd/policy/memory"
)

// Question describes a login for Explain.
type Question struct {
	Client string // name of the client
	User   string // as typed
	IP     netip.Addr
	Groups []string // as the first factor would tell them
	At     time.Time
	Ask    bool // the directory, for the user's groups
}

// Explain says what the configuration makes of a login. No network is touched unless q.Ask is set.
func Explain(ctx context.Context, c *conf.Config, q Question) (e policy.Explanation, known policy.Account, err error) {
	p, err := build(c, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		return e, known, err
	}
	defer p.close()
	for i := range c.Clients {
		if c.Clients[i].Name != q.Client {
			continue
		}
		rc, err := p.client(&c.Clients[i])
		if err != nil {
			return e, known, err
		}
		runtime := memory.New(1).Runtime()
		defer runtime.Close()
		rules := policy.New(p.settings, runtime)
		known.Groups = q.Groups
		if q.Ask {
			known, err = p.lookup(ctx, c.Clients[i].FirstFactor, rules, q.User, c.GroupNames())
			if err != nil {
				return e, known, err
			}
			known.Groups = append(known.Groups, q.Groups...)
		}
		a := policy.Attempt{Client: rc.Login, User: q.User, UserIP: q.IP, Authentic: true}
		return rules.Explain(a, known, q.At), known, nil
	}
	return e, known, fmt.Errorf("no [[client]] is named %q", q.Client)
}

// directory is a first factor that can describe a user without a password.
type directory interface {
	Lookup(ctx context.Context, user string, groups []string) (policy.Account, error)
}

func (p *parts) lookup(ctx context.Context, firstFactor string, rules *policy.Policy, user string, groups []string) (policy.Account, error) {
	f := p.firstFactors[firstFactor]
	if f == nil {
		return policy.Account{}, errors.New("this client has no first factor that could be asked for groups")
	}
	d, ok := f.FirstFactor.(directory)
	if !ok {
		return policy.Account{}, fmt.Errorf("first factor %q is no directory and knows no groups", firstFactor)
	}
	name, ok := rules.Canonical(user)
	if ok {
		name, ok = canonical.Account(name, f.config.Domains)
	}
	if !ok {
		return policy.Account{}, nil
	}
	account, err := d.Lookup(ctx, name, groups)
	if errors.Is(err, policy.ErrRejected) {
		return account, fmt.Errorf("first factor %q knows no user %q: %w", firstFactor, name, err)
	}
	return account, err
}

// close closes parts that were built to look at them.
func (p *parts) close() {
	for _, a := range p.applications {
		a.client.Close()
	}
	for _, f := range p.firstFactors {
		f.close()
	}
}
