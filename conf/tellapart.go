package conf

import (
	"net/netip"
	"slices"
)

// tellApart checks clients that share a prefix. Their listeners or the attributes of their requests must tell them apart.
// Where attributes do, the clients must share one secret, because the secret verifies a request before its attributes are
// read.
func (l *loader) tellApart(c *Config, at sites) {
	type owner struct {
		client int
		at     place
	}
	owners := map[netip.Prefix][]owner{}
	for i := range c.Clients {
		for j, p := range c.Clients[i].Address {
			here := owner{i, at.clients[i].under(nth("address", j))}
			if !p.IsValid() {
				continue
			}
			for _, first := range owners[p] {
				l.twoClients(&c.Clients[first.client], &c.Clients[i], p, first.at, here.at, at.clients[i])
			}
			owners[p] = append(owners[p], here)
		}
	}
}

// twoClients checks two clients that share prefix p.
func (l *loader) twoClients(a, b *Client, p netip.Prefix, first, here, client place) {
	switch {
	case a == b || a.fitsAsWell(b):
		l.twice(here, first, "%s, which client %s has already; want it once, or listen, nas_identifier or called_station_id to tell them apart", p, quote(a.Name))
	case !shareListener(a, b):
	case a.Secret.Reveal() != b.Secret.Reveal():
		l.bad(client.under(secretForm("secret", b.Given)), "differs from that of client %s, which has the same address %s and the same listener; want the same secret for both, because it is needed before attributes tell them apart", quote(a.Name), p)
	default:
		for _, x := range []*Client{a, b} {
			if x.MessageAuthenticator != Require && x.Given["message_authenticator"] {
				l.bad(client.under("message_authenticator"), `%q of client %s, beside %s, whose attributes tell them apart; want "require" of both`, x.MessageAuthenticator, quote(x.Name), quote(map[bool]string{true: b.Name, false: a.Name}[x == a]))
			}
			x.MessageAuthenticator = Require
		}
	}
}

// shareListener reports whether a request at some listener could be of either client.
func shareListener(a, b *Client) bool {
	return len(a.Listen) == 0 || len(b.Listen) == 0 || overlap(a.Listen, b.Listen)
}

// fitsAsWell reports whether one request could fit both clients equally well. Where both fit, the client that names more
// attributes is chosen.
func (a *Client) fitsAsWell(b *Client) bool {
	apart := func(x, y []string) bool { return len(x) > 0 && len(y) > 0 && !overlap(x, y) }
	return shareListener(a, b) && a.namedAttributes() == b.namedAttributes() &&
		!apart(a.NASIdentifier, b.NASIdentifier) && !apart(a.CalledStationID, b.CalledStationID)
}

func (c *Client) namedAttributes() (n int) {
	for _, values := range [][]string{c.NASIdentifier, c.CalledStationID} {
		if len(values) > 0 {
			n++
		}
	}
	return n
}

func overlap[T comparable](x, y []T) bool {
	return slices.ContainsFunc(x, func(v T) bool { return slices.Contains(y, v) })
}
