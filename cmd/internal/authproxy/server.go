package authproxy

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// server is one [radius_server_...].
type server struct {
	*section
	listener
	first   *section // the section that checks its passwords; nil for none
	clients []*client
}

// client is a [[client]]: the addresses of a server that share one secret.
type client struct {
	of        *section
	name      string
	from      []*option // radius_ip_N
	addresses []address
	respelled []*option // the addresses that the file spells in another way
	secrets   []*option // options with the same secret, protected or not

	free   []address      // addresses that no other client has
	socket netip.AddrPort // its only socket, if another client has its address at another socket
	taken  []claim        // addresses that another client has already
	nested []claim        // addresses that lie within another client's
}

type address struct {
	netip.Prefix
	from *option
}

// claim is an address, and another client that has this address or a wider one.
type claim struct {
	address
	by    *client
	wider netip.Prefix
}

// listener is a socket.
type listener struct {
	addr netip.AddrPort
	from []*option
	of   *section
}

var serverKinds = []string{"radius_server_auto", "radius_server_challenge", "radius_server_concat", "radius_server_duo_only",
	"radius_server_eap", "radius_server_iframe"}

// readServers reads, for each server, which clients may ask, at which sockets, and which section checks the passwords.
func (i *importer) readServers() {
	for _, s := range i.sections {
		if !slices.Contains(serverKinds, s.kind) {
			continue
		}
		v := &server{section: s, listener: i.listener(s), first: i.primary(s)}
		v.clients = i.clientsOf(s)
		if v.first != nil {
			i.firsts[v.first] = true
		}
		i.servers = append(i.servers, v)
	}
}

func (i *importer) listener(s *section) listener {
	port := s.get("port")
	where := cmp.Or(s.get("interface"), i.main.get("interface"))
	addr := netip.IPv6Unspecified()
	if where != nil {
		text := i.text(where, "an IP address")
		var err error
		if addr, err = netip.ParseAddr(text); err != nil || addr.Zone() != "" {
			if text != "" {
				i.bad(where, "%s; want an IP address", quote(text))
			}
			addr = netip.IPv6Unspecified()
		}
		if addr.Unmap() == netip.IPv4Unspecified() {
			addr = netip.IPv6Unspecified() // this address takes IPv4 too
		}
	}
	return listener{netip.AddrPortFrom(addr.Unmap(), uint16(i.port(port, 1812))), present(where, port), s}
}

// primary finds the section that checks the server's passwords: the one that it names, that of [main], or the only one.
func (i *importer) primary(s *section) *section {
	if s.kind == "radius_server_duo_only" {
		return nil
	}
	var all []*section
	for _, c := range i.sections {
		if clientKinds[c.kind] {
			all = append(all, c)
		}
	}
	named := cmp.Or(s.get("client"), i.main.get("client"))
	switch {
	case named != nil:
		name := i.text(named, "the name of a section")
		at := slices.IndexFunc(all, func(c *section) bool { return c.name == name })
		if at < 0 {
			i.bad(named, "%s; want the name of a section of this file, such as ad_client, radius_client or duo_only_client", quote(name))
			return nil
		}
		all = all[at : at+1]
	case len(all) != 1:
		i.missing(s, "client", fmt.Sprintf("it, as there are %d sections such as ad_client, radius_client or duo_only_client", len(all)))
		return nil
	}
	if all[0].kind == "duo_only_client" {
		return nil
	}
	return all[0]
}

// clientsOf groups the addresses of a server by their secrets.
func (i *importer) clientsOf(s *section) (list []*client) {
	ips := numbered(s, "radius_ip")
	if len(ips) == 0 {
		i.missing(s, "radius_ip_1", "the addresses of the RADIUS clients")
	}
	for _, o := range ips {
		c := i.client(s, o)
		if c == nil {
			continue
		}
		same := slices.IndexFunc(list, func(b *client) bool { return b.sharesSecret(c) })
		if same < 0 {
			list = append(list, c)
			continue
		}
		b := list[same]
		b.from, b.addresses, b.secrets = append(b.from, o), append(b.addresses, c.addresses...), append(b.secrets, c.secrets...)
		b.respelled = append(b.respelled, c.respelled...)
	}
	for n, c := range list {
		if len(list) > 1 {
			c.name = fmt.Sprintf("%s-%d", s.name, n+1)
		}
	}
	return list
}

// client reads one radius_ip_N and its secret.
func (i *importer) client(s *section, o *option) *client {
	n, _ := numberOf(o, "radius_ip")
	plain, protected := fmt.Sprint("radius_secret_", n), fmt.Sprint("radius_secret_protected_", n)
	c := &client{of: s, name: s.name, from: []*option{o}, secrets: present(s.get(plain), s.get(protected))}
	text := i.text(o, "an IP address")
	prefixes, exact, ok := addresses(text)
	if !ok && text != "" {
		i.bad(o, "%s; want an IP address, a prefix such as 192.0.2.0/24, or a range such as 192.0.2.10-192.0.2.20", quote(text))
	}
	if !exact {
		c.respelled = []*option{o}
	}
	for _, p := range prefixes {
		c.addresses = append(c.addresses, address{p, o})
	}
	if len(c.secrets) == 0 {
		i.missing(s, plain, "the secret of "+o.name)
		return nil
	}
	return c
}

// sharesSecret reports whether the secrets are the same. Two protected ones count as different, because nobody can read them.
func (c *client) sharesSecret(b *client) bool {
	x, y := c.secrets[0], b.secrets[0]
	return !isProtected(x) && !isProtected(y) && x.value == y.value
}

func isProtected(o *option) bool { return strings.Contains(o.name, "_protected") }

// owned is an address at a socket.
type owned struct {
	socket netip.AddrPort
	prefix netip.Prefix
}

// settle gives each address at a socket to one client: the first client that has it. Clients whose passwords are checked come
// before the others. Otherwise a section that checks no password would let in users who came to the other section. An address
// that asks several sockets is several clients, which their listen tells apart.
func (i *importer) settle() {
	sockets := i.socketOf()
	owner := map[owned]*client{}
	each := func(f func(c *client, socket netip.AddrPort)) {
		for _, checks := range []bool{true, false} {
			for _, v := range i.servers {
				if (v.first != nil) != checks {
					continue
				}
				for _, c := range v.clients {
					f(c, sockets[v.section])
				}
			}
		}
	}
	each(func(c *client, socket netip.AddrPort) {
		for _, a := range c.addresses {
			switch by := owner[owned{socket, a.Prefix}]; by {
			case nil:
				owner[owned{socket, a.Prefix}] = c
				c.free = append(c.free, a)
			default:
				c.taken = append(c.taken, claim{a, by, a.Prefix})
			}
		}
	})
	each(func(c *client, socket netip.AddrPort) {
		for _, a := range c.free {
			nested := false
			for bits := a.Bits(); bits >= 0; bits-- {
				wider := netip.PrefixFrom(a.Addr(), bits).Masked()
				if by := owner[owned{socket, wider}]; by != nil && by != c && !nested {
					c.nested = append(c.nested, claim{a, by, wider})
					nested = true
				}
				for _, other := range sockets {
					if by := owner[owned{other, wider}]; by != nil && other != socket {
						c.socket, by.socket = socket, other
					}
				}
			}
		}
	})
}

// socketOf returns the socket of each section.
func (i *importer) socketOf() map[*section]netip.AddrPort {
	of := map[*section]netip.AddrPort{}
	for _, group := range i.sockets() {
		for _, l := range group {
			of[l.of] = group[0].addr
		}
	}
	return of
}
