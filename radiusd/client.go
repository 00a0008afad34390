package radiusd

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"duoradiusd/policy"
	"duoradiusd/radiusd/wire"
)

// Presence says whether a client's requests must hold a Message-Authenticator. The server never accepts a wrong
// Message-Authenticator.
type Presence string

const (
	Accept  Presence = "accept"  // not required; verified if it is present
	Auto    Presence = "auto"    // required once the client has always sent it for some time (see Ratchet)
	Require Presence = "require" // always required
)

// Client is a RADIUS client, for example a VPN gateway or a proxy. RFC 2865 calls it NAS. A Client must not be changed
// after NewClients.
type Client struct {
	Name      string
	Addresses []netip.Prefix // source addresses of its packets; they select the secret (RFC 2865 §3)
	Secret    *wire.Secret

	// These fields tell clients of one address apart.
	Listen           []netip.AddrPort // only requests that arrive at these listeners; none: at every listener
	NASIdentifiers   []string         // only requests whose NAS-Identifier is one of these; none: all
	CalledStationIDs []string         // only requests whose Called-Station-Id is one of these; none: all

	MessageAuthenticator   Presence // zero: Auto
	LimitProxyState        bool     // refuse Proxy-State without a valid Message-Authenticator
	OmitReplyAuthenticator bool     // send no Message-Authenticator, for the few clients that drop a reply because of it

	NoStatusServer bool // Status-Server gets no answer

	Timeout time.Duration // the server replies within this time; zero: 55 s
	UserIP  []string      // attributes that tell the user's address; the first that holds one counts
	Latin1  bool          // names and passwords that are not UTF-8 are Windows-1252

	Login *policy.Client

	userIP  []addressSource
	traffic *traffic // shared by all Clients with this name, so that a reload keeps it
}

// sameSecret reports whether c and other have the same secret. They may be one client before and after a reload.
func (c *Client) sameSecret(other *Client) bool {
	return c == other || c.Secret.Equal(other.Secret)
}

// DecideWithin returns how long a Decider may take: the client's timeout minus a margin for sending the answer.
func (c *Client) DecideWithin() time.Duration { return c.Timeout - margin(c.Timeout) }

// Clients finds clients by address, listener and attributes.
type Clients struct {
	byPrefix map[netip.Prefix]*prefixClients
	bits4    []int // the prefix lengths in use, longest first
	bits6    []int
	list     []*Client
}

// prefixClients holds the clients of one prefix. All clients of one prefix and one listener have the same secret.
type prefixClients struct {
	everywhere []*Client                    // the clients that name no listener
	byListener map[netip.AddrPort][]*Client // for each named listener: its clients, and those of everywhere
}

// NewClients returns an index of clients. An empty secret, an unknown attribute in UserIP, and clients of one prefix and
// listener that can't be told apart are errors.
func NewClients(clients []*Client) (*Clients, error) {
	cs := &Clients{byPrefix: make(map[netip.Prefix]*prefixClients), list: clients}
	for _, c := range clients {
		if err := c.prepare(); err != nil {
			return nil, err
		}
		for _, p := range c.Addresses {
			cs.add(p.Masked(), c)
		}
	}
	byName := func(a, b netip.Prefix) int { return cmp.Compare(a.String(), b.String()) } // the error is always the same
	for _, prefix := range slices.SortedFunc(maps.Keys(cs.byPrefix), byName) {
		if err := cs.byPrefix[prefix].index(); err != nil {
			return nil, fmt.Errorf("radiusd: %s: %w", prefix, err)
		}
	}
	longestFirst := func(a, b int) int { return cmp.Compare(b, a) }
	slices.SortFunc(cs.bits4, longestFirst)
	slices.SortFunc(cs.bits6, longestFirst)
	return cs, nil
}

// prepare checks c and sets its derived fields. It does not write to a client that it has prepared before, because that
// client may be in use.
func (c *Client) prepare() error {
	if c.Secret.Empty() {
		return fmt.Errorf("radiusd: client %q: the secret is empty", c.Name)
	}
	if c.byAttribute() && c.MessageAuthenticator != Require {
		return fmt.Errorf("radiusd: client %q: it must require Message-Authenticator, because anybody can write the attributes of an unsigned request that choose it", c.Name)
	}
	var sources []addressSource
	for _, name := range c.UserIP {
		source, ok := addressSources[name]
		if !ok {
			return fmt.Errorf("radiusd: client %q: user_ip: no attribute %q", c.Name, name)
		}
		sources = append(sources, source)
	}
	if len(c.userIP) != len(sources) {
		c.userIP = sources
	}
	if c.Timeout <= 0 {
		c.Timeout = 55 * time.Second
	}
	return nil
}

func (cs *Clients) add(p netip.Prefix, c *Client) {
	of := cs.byPrefix[p]
	if of == nil {
		of = &prefixClients{byListener: make(map[netip.AddrPort][]*Client)}
		cs.byPrefix[p] = of
	}
	if len(c.Listen) == 0 {
		of.everywhere = append(of.everywhere, c)
	}
	for _, listener := range c.Listen {
		of.byListener[listener] = append(of.byListener[listener], c)
	}
	bits := &cs.bits6
	if p.Addr().Is4() {
		bits = &cs.bits4
	}
	if !slices.Contains(*bits, p.Bits()) {
		*bits = append(*bits, p.Bits())
	}
}

// index completes the lists of clients. In each list, the clients that name more attributes come first. index returns an
// error if two clients can't be told apart.
func (of *prefixClients) index() error {
	for listener, list := range of.byListener {
		of.byListener[listener] = append(list, of.everywhere...)
	}
	for _, list := range append(slices.Collect(maps.Values(of.byListener)), of.everywhere) {
		slices.SortStableFunc(list, func(a, b *Client) int { return cmp.Compare(b.attributes(), a.attributes()) })
		for i, a := range list {
			for _, b := range list[:i] {
				if err := toldApart(a, b); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// toldApart returns an error if a and b can't be told apart. Both have the same prefix and listener.
func toldApart(a, b *Client) error {
	apart := func(x, y []string) bool {
		return len(x) > 0 && len(y) > 0 && !slices.ContainsFunc(x, func(s string) bool { return slices.Contains(y, s) })
	}
	switch {
	case a.attributes() == b.attributes() && !apart(a.NASIdentifiers, b.NASIdentifiers) && !apart(a.CalledStationIDs, b.CalledStationIDs):
		return fmt.Errorf("clients %q and %q: one request can fit both", b.Name, a.Name)
	case !a.sameSecret(b):
		return fmt.Errorf("clients %q and %q have the same address and listener, so they must have the same secret", b.Name, a.Name)
	case a.MessageAuthenticator != Require || b.MessageAuthenticator != Require:
		return fmt.Errorf("clients %q and %q: both must require Message-Authenticator, because only attributes tell them apart", b.Name, a.Name)
	}
	return nil
}

// attributes returns how many attributes select c: 0, 1 or 2.
func (c *Client) attributes() (n int) {
	for _, values := range [][]string{c.NASIdentifiers, c.CalledStationIDs} {
		if len(values) > 0 {
			n++
		}
	}
	return n
}

func (c *Client) byAttribute() bool { return c.attributes() > 0 }

// canonical returns the form of addr in which the server looks up clients. An IPv4-mapped address, which a dual-stack
// socket reports, becomes an IPv4 address. The zone is removed, because it says through which interface to reply, not who
// sent the packet.
func canonical(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

// find returns the clients that may have sent a packet from addr to listener. These are the clients of the longest prefix
// that contains addr and has clients for the listener. All of them have the same secret; choose tells them apart. find
// returns nil if there are none.
func (cs *Clients) find(addr netip.Addr, listener netip.AddrPort) []*Client {
	addr = canonical(addr)
	bits := cs.bits6
	if addr.Is4() {
		bits = cs.bits4
	}
	for _, n := range bits {
		p, err := addr.Prefix(n)
		if err != nil {
			return nil
		}
		of := cs.byPrefix[p]
		if of == nil {
			continue
		}
		if list, ok := of.byListener[listener]; ok {
			return list
		}
		if of.everywhere != nil {
			return of.everywhere
		}
	}
	return nil
}

// choose returns the first client of list whose attributes match those of p. A client that names no attributes matches
// every packet. choose returns nil if no client matches. The caller has verified p's Message-Authenticator, because
// attributes without it prove nothing about their sender (RFC 3579 §4.3.7).
func choose(list []*Client, p *packet) *Client {
	for _, c := range list {
		if fits(c.NASIdentifiers, p.value(p.nasIdentifier)) && fits(c.CalledStationIDs, p.value(p.calledStationID)) {
			return c
		}
	}
	return nil
}

func fits(values []string, value []byte) bool {
	return len(values) == 0 || slices.ContainsFunc(values, func(s string) bool { return s == string(value) })
}
