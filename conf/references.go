package conf

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"duoradiusd/policy"
)

// sites holds the places of the tables of each list, in the order of the lists of Config.
type sites struct {
	applications, listen, clients, firstFactors, users, rules, replies []place
}

// missing reports tables and keys that a daemon can't work without.
func (l *loader) missing(c *Config) {
	top := place{file: l.files[0], index: -1}
	reported := slices.ContainsFunc(l.problems, func(f finding) bool { return f.at.table == "client" })
	if len(c.Clients) == 0 && !reported {
		l.bad(top.under("client"), "missing; want at least one [[client]]")
	}
	for _, client := range c.Clients {
		if c.Duo == nil && client.Application == "" {
			l.bad(top.under("duo"), "missing; want it, or an application for every client")
			return
		}
	}
}

// references reports names of clients, first factors, services and applications that no table has.
func (l *loader) references(c *Config, at sites) {
	clients, services, factors, applications := set{}, set{}, set{NoFirstFactor: {}}, set{}
	for _, x := range c.Clients {
		clients[x.Name], services[x.Service] = struct{}{}, struct{}{}
	}
	for _, x := range c.FirstFactors {
		factors[x.Name] = struct{}{}
	}
	for _, x := range c.Applications {
		applications[x.Name] = struct{}{}
	}
	listens := set{}
	for _, x := range c.Listen {
		listens[x.Address.String()] = struct{}{}
	}
	for i, x := range c.Clients {
		for j, address := range x.Listen {
			if address.IsValid() {
				l.known(at.clients[i], nth("listen", j), address.String(), listens, "the address of a [[listen]]")
			}
		}
		if len(x.FirstFactors) == 1 {
			l.known(at.clients[i], "first_factor", x.FirstFactor, factors, "the name of a [[first_factor]]")
		} else {
			l.allKnown(at.clients[i], "first_factor", x.FirstFactors, factors, "the name of a [[first_factor]]")
		}
		l.known(at.clients[i], "application", x.Application, applications, "the name of an [[application]]")
	}
	for i := range c.Users {
		l.allKnown(at.users[i], "services", c.Users[i].Services, services, "the service of a [[client]]")
	}
	for i, x := range c.Rules {
		l.allKnown(at.rules[i], "services", x.Services, services, "the service of a [[client]]")
		l.allKnown(at.rules[i], "clients", x.Clients, clients, "the name of a [[client]]")
	}
	for i, x := range c.Replies {
		l.allKnown(at.replies[i], "clients", x.Clients, clients, "the name of a [[client]]")
	}
}

// set holds names. "" stands for no name and is never looked up.
type set map[string]struct{}

func (l *loader) allKnown(at place, key string, names []string, known set, what string) {
	for i, name := range names {
		if _, ok := known[name]; !ok {
			l.known(at, nth(key, i), name, known, what)
		}
	}
}

func (l *loader) known(at place, key, name string, known set, what string) {
	if _, ok := known[name]; ok || name == "" {
		return
	}
	hint := ""
	if near := nearest(name, slices.Sorted(maps.Keys(known))); near != "" {
		hint = "; did you mean " + quote(near) + "?"
	}
	l.bad(at.under(key), "%s, which is not %s%s", quote(name), what, hint)
}

// duplicates reports names, addresses and listeners that two tables share and must not share.
func (l *loader) duplicates(c *Config, at sites) {
	unique(l, c.Applications, at.applications, func(x Application) string { return x.Name })
	unique(l, c.FirstFactors, at.firstFactors, func(x FirstFactor) string { return x.Name })
	unique(l, c.Clients, at.clients, func(x Client) string { return x.Name })
	unique(l, c.Rules, at.rules, func(x policy.Rule) string { return x.Name })
	l.tellApart(c, at)
	l.duplicateListens(c, at)
}

// unique reports names that two tables of a list share.
func unique[T any](l *loader, items []T, at []place, name func(T) string) {
	owner := map[string]place{}
	for i, x := range items {
		name, here := name(x), at[i].under("name")
		if first, taken := owner[name]; taken && name != "" {
			l.twice(here, first, "%s a second time; want it once", quote(name))
			continue
		}
		owner[name] = here
	}
}

// duplicateListens reports two listeners with one address.
func (l *loader) duplicateListens(c *Config, at sites) {
	sockets := map[netip.AddrPort]place{}
	for i, here := range at.listen {
		addr := c.Listen[i].Address
		if first, taken := sockets[addr]; taken && addr.IsValid() && addr.Port() != 0 {
			l.twice(here.under("address"), first.under("address"), "%s a second time; want it once", addr)
			continue
		}
		sockets[addr] = here
	}
}

// sharedSecrets warns of clients and upstream servers with the same secret: whoever learns one secret knows both.
func (l *loader) sharedSecrets(c *Config, at sites) {
	type sharing struct {
		owners []string
		second place // where the second of them has it
	}
	var order []string // of the secrets, as they come
	shared := map[string]*sharing{}
	add := func(secret Secret, who string, here place, given map[string]bool) {
		s := secret.Reveal()
		switch x := shared[s]; {
		case s == "":
		case x == nil:
			order, shared[s] = append(order, s), &sharing{owners: []string{who}}
		default:
			if x.owners = append(x.owners, who); len(x.owners) == 2 {
				x.second = here.under(secretForm("secret", given))
			}
		}
	}
	for i, x := range c.Clients {
		if !slices.ContainsFunc(c.Clients[:i], func(y Client) bool { return overlap(x.Address, y.Address) && x.Secret.Reveal() == y.Secret.Reveal() }) {
			add(x.Secret, "client "+quote(x.Name), at.clients[i], x.Given) // clients that share an address must share the secret
		}
	}
	for i, x := range c.FirstFactors {
		add(x.Secret, "first factor "+quote(x.Name), at.firstFactors[i], x.Given)
	}
	for _, s := range order {
		switch x := shared[s]; len(x.owners) {
		case 1:
		case 2:
			l.warn(x.second, "the same as that of %s; want one for each", x.owners[0])
		default:
			l.warn(x.second, "one secret of %d: %s; want one for each", len(x.owners), strings.Join(x.owners, ", "))
		}
	}
}
