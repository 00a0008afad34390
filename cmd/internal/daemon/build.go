package daemon

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"duoradiusd/conf"
	"duoradiusd/policy"
	"duoradiusd/policy/canonical"
	"duoradiusd/policy/guard"
	"duoradiusd/radiusd"
	"duoradiusd/radiusd/wire"
)

// parts holds what is built of a configuration.
type parts struct {
	applications map[string]*application // by name; "" is [duo]
	firstFactors map[string]*firstFactor
	clients      *radiusd.Clients
	asks         map[string]*application // by client
	settings     policy.Settings
	listen       []netip.AddrPort
	rejectDelay  time.Duration
	entries      int // approvals
	summary      string
	certificates []CertificateFile
}

// Check returns why c can't be put into force although it was read without a problem, for example because of a line in a
// password file. It opens files and sends nothing.
func Check(c *conf.Config) error {
	log := slog.New(slog.DiscardHandler)
	if _, err := build(c, nil, log); err != nil || c.Cluster.Network == "" {
		return err
	}
	_, err := clusterConfig(c, log)
	return err
}

// build makes the parts of c. It uses parts of the configuration before (nil: none) again where c does not change them, so
// that their connections stay open.
func build(c *conf.Config, before *parts, log *slog.Logger) (*parts, error) {
	p := &parts{rejectDelay: c.Guard.RejectDelay, entries: c.Remember.Entries, summary: Summary(c), settings: settings(c), certificates: CertificateFiles(c)}
	p.asks = make(map[string]*application, len(c.Clients))
	for _, l := range c.Listen {
		p.listen = append(p.listen, l.Address)
	}
	var err error
	if p.applications, err = applications(c, before, log); err != nil {
		return nil, err
	}
	if p.firstFactors, err = firstFactors(c, p.settings.Names, before, log); err != nil {
		return nil, err
	}
	var clients []*radiusd.Client
	for i := range c.Clients {
		client, err := p.client(&c.Clients[i])
		if err != nil {
			return nil, err
		}
		clients = append(clients, client)
	}
	p.clients, err = radiusd.NewClients(clients)
	return p, err
}

// drop closes what the parts in use do not share with p.
func (p *parts) drop(used *parts) {
	for name, a := range p.applications {
		if now := used.applications[name]; now == nil || now.client != a.client {
			a.client.Close() // its pending pushes go on
		}
	}
	for name, f := range p.firstFactors {
		if used.firstFactors[name] != f {
			time.AfterFunc(longestLogin, f.close) // those that began before the change end as they began
		}
	}
}

func (p *parts) client(c *conf.Client) (*radiusd.Client, error) {
	a := p.applications[c.Application]
	if a == nil {
		return nil, fmt.Errorf("client %q: no Duo application %q", c.Name, c.Application)
	}
	var first policy.FirstFactor // a nil *firstFactor in it would not be nil
	groupless := true
	several, err := p.domainFactors(c)
	if err != nil {
		return nil, err
	}
	if several != nil {
		first, groupless = policy.NoFactorForName{}, false
	} else if f := p.firstFactors[c.FirstFactor]; f != nil {
		first, groupless = f.FirstFactor, !f.config.HasGroups()
	} else if c.FirstFactor != conf.NoFirstFactor {
		return nil, fmt.Errorf("client %q: no first factor %q", c.Name, c.FirstFactor)
	}
	p.asks[c.Name] = a
	failmode := c.Failmode
	if failmode == "" {
		failmode = a.failmode
	}
	return &radiusd.Client{
		Name:                   c.Name,
		Addresses:              c.Address,
		Listen:                 c.Listen,
		NASIdentifiers:         c.NASIdentifier,
		CalledStationIDs:       c.CalledStationID,
		NoStatusServer:         !c.StatusServer,
		Secret:                 wire.NewSecret(c.Secret.Reveal()),
		MessageAuthenticator:   radiusd.Presence(c.MessageAuthenticator),
		LimitProxyState:        c.LimitProxyState,
		OmitReplyAuthenticator: c.OmitReplyMA,
		Timeout:                c.Timeout,
		UserIP:                 c.UserIP,
		Latin1:                 c.PasswordCharset == "latin1",
		Login: &policy.Client{
			Name:         c.Name,
			Service:      c.Service,
			FirstFactor:  first,
			FirstFactors: several,
			Groupless:    groupless,
			Second:       a.client,
			Application:  a.config.IntegrationKey,
			Mode:         c.Mode,
			Factors:      c.Factors,
			Delimiter:    c.Delimiter,
			Remember:     c.Remember,
			ProbeUsers:   c.ProbeUsers,
			Probe:        c.ProbeAnswer,
			ProbeSecret:  c.ProbePassword.Reveal(),
			Failmode:     failmode,
			PushTimeout:  a.config.PushTimeout,
			Pass:         c.Pass,
			PassAll:      c.PassAll,

			IgnorePassword: c.IgnorePassword,
		},
	}, nil
}

func settings(c *conf.Config) policy.Settings {
	s := policy.Settings{
		Names:    canonical.Names{Case: c.Username.Case, StripDomain: c.Username.StripDomain, Domains: domains(c)},
		Unlisted: c.Username.Unlisted,
		Unproven: c.Username.Unproven,
		BindTo:   c.Remember.BindTo,
		Idle:     c.Remember.Idle,
		Uses:     c.Remember.Uses,
		Guard:    guard.PushLimits{Pushes: c.Guard.Pushes, Window: c.Guard.Window, Cooldown: c.Guard.Cooldown},
	}
	s.Messages = c.Messages
	s.Guesses = c.Guard.Guesses
	s.Rules = c.Rules
	s.Users = make([]policy.User, 0, len(c.Users))
	for _, u := range c.Users {
		services := u.Services
		if u.ServicesGiven && services == nil {
			services = []string{} // no service; nil would mean every service
		}
		s.Users = append(s.Users, policy.User{
			Name: u.Name, Aliases: u.Aliases, Services: services, Elsewhere: u.Elsewhere, Remember: u.Remember,
			Duo:        policy.Identity{UserID: u.DuoUserID, Username: u.DuoUsername},
			Attributes: replyAttributes(u.Attributes),
		})
	}
	for _, r := range c.Replies {
		s.Replies = append(s.Replies, policy.Reply{Users: r.Users, Groups: r.Groups, Clients: r.Clients, Attributes: replyAttributes(r.Attributes)})
	}
	return s
}

// domainFactors returns the first factors of a client where the domain in the user name says which one is asked: the client
// lists several, or its only one has domains. It returns nil for any other client.
func (p *parts) domainFactors(c *conf.Client) (list []policy.DomainFactor, err error) {
	for _, name := range c.FirstFactors {
		f := p.firstFactors[name]
		switch {
		case f == nil && len(c.FirstFactors) == 1:
			return nil, nil // none, or an error that is reported elsewhere
		case f == nil:
			return nil, fmt.Errorf("client %q: no first factor %q", c.Name, name)
		case len(c.FirstFactors) == 1 && (len(f.config.Domains) == 0 || len(p.settings.Names.Domains) == 0):
			return nil, nil
		}
		list = append(list, policy.DomainFactor{FirstFactor: f.FirstFactor, Groupless: !f.config.HasGroups(), Domains: f.config.Domains})
	}
	return list, nil
}

// domains returns the domains of first factors, which user names keep where some client lists several first factors.
func domains(c *conf.Config) (list [][]string) {
	if !slices.ContainsFunc(c.Clients, func(c conf.Client) bool { return len(c.FirstFactors) > 1 }) {
		return nil
	}
	for _, f := range c.FirstFactors {
		if len(f.Domains) > 0 {
			list = append(list, f.Domains)
		}
	}
	return list
}

func replyAttributes(list []conf.ReplyAttribute) (out []policy.ReplyAttribute) {
	for _, a := range list {
		out = append(out, a.ReplyAttribute)
	}
	return out
}
