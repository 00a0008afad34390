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

// Presence says whether a client's requests must carry a Message-Authenticator. A wrong one is never accepted.
type Presence string

const (
	Accept  Presence = "accept"  // no; one that is there is verified
	Auto    Presence = "auto"    // required once the client was seen to send it always
	Require Presence = "require" // always
)

// Client is a RADIUS client: a VPN, a gateway, a proxy. RFC 2865 calls it NAS. It is not changed after NewClients.
type Client struct {
	Name      string
	Addresses []netip.Prefix // where its packets come from; nothing in a packet says who sent it (RFC 2865 §3)
	Secret    *wire.Secret

	// What tells clients of one address apart.
	Listen           []netip.AddrPort // only requests that come in at these listeners; none: at all
	NASIdentifiers   []string         // only requests whose NAS-Identifier is one of these; none: all
	CalledStationIDs []string         // the same of Called-Station-Id

	MessageAuthenticator   Presence // zero: Auto
	LimitProxyState        bool     // refuse Proxy-State without a valid Message-Authenticator
	OmitReplyAuthenticator bool     // send no Message-Authenticator, for the few that drop a reply because of it

	NoStatusServer bool // Status-Server gets no answer

	Timeout time.Duration // a reply leaves within this; zero: 55 s
	UserIP  []string      // attributes that tell the user's address; the first that holds one counts
	Latin1  bool          // names and passwords that are not UTF-8 are Windows-1252

	Login *policy.Client

	userIP  []addressSource
	traffic *traffic // shared by all Clients of that name, so that it survives a reload
}

// sameSecret reports whether c, after a reload perhaps, has the secret of other.
func (c *Client) sameSecret(other *Client) bool {
	return c == other || c.Secret.Equal(other.Secret)
}

// DecideWithin is how long a Decider has: the client's timeout less a margin for sending the answer.
func (c *Client) DecideWithin() time.Duration { return c.Timeout - margin(c.Timeout) }

// Clients finds clients by address, listener and attributes.
type Clients struct {
	byPrefix map[netip.Prefix]*prefixClients
	bits4    []int // the prefix lengths in use, longest first
	bits6    []int
	list     []*Client
}

// prefixClients are the clients of one prefix. Those of one listener share a secret.
type prefixClients struct {
	everywhere []*Client                    // that name no listener
	byListener map[netip.AddrPort][]*Client // those of the listeners that some name, everywhere's among them
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
	byName := func(a, b netip.Prefix) int { return cmp.Compare(a.String(), b.String()) } // so that the error is always the same
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

// prepare checks c and fills in what is derived. A client that is in use already is only read.
func (c *Client) prepare() error {
	if c.Secret.Empty() {
		return fmt.Errorf("radiusd: client %q: the secret is empty", c.Name)
	}
	if c.byAttribute() && c.MessageAuthenticator != Require {
		return fmt.Errorf("radiusd: client %q: an attribute that anybody can write chooses it: Message-Authenticator must be required", c.Name)
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

// index completes the lists, the clients that name more attributes first, and refuses those that can't be told apart.
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

// toldApart returns an error when a and b, of one prefix and listener, can't be told apart.
func toldApart(a, b *Client) error {
	apart := func(x, y []string) bool {
		return len(x) > 0 && len(y) > 0 && !slices.ContainsFunc(x, func(s string) bool { return slices.Contains(y, s) })
	}
	switch {
	case a.attributes() == b.attributes() && !apart(a.NASIdentifiers, b.NASIdentifiers) && !apart(a.CalledStationIDs, b.CalledStationIDs):
		return fmt.Errorf("clients %q and %q: one request can fit both", b.Name, a.Name)
	case !a.sameSecret(b):
		return fmt.Errorf("clients %q and %q: want one secret for both", b.Name, a.Name)
	case a.MessageAuthenticator != Require || b.MessageAuthenticator != Require:
		return fmt.Errorf("clients %q and %q: Message-Authenticator must be required of both", b.Name, a.Name)
	}
	return nil
}

// attributes is how many attributes tell c apart.
func (c *Client) attributes() (n int) {
	for _, values := range [][]string{c.NASIdentifiers, c.CalledStationIDs} {
		if len(values) > 0 {
			n++
		}
	}
	return n
}

func (c *Client) byAttribute() bool { return c.attributes() > 0 }

// canonical returns the address that a client is known by: IPv4-mapped ones, as dual-stack sockets report them, are IPv4
// addresses; a link-local zone says where to reply, not who asks.
func canonical(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

// find returns the clients that a packet can be of: those of the longest prefix that holds addr and has any for the
// listener. They share a secret; choose tells them apart. It returns nil where there are none.
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

// choose returns the one of list that the attributes of a packet fit, or the one that names no attributes; nil where there
// is none. The packet must have a valid Message-Authenticator: attributes prove nothing about their sender otherwise
// (RFC 3579 §4.3.7).
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
