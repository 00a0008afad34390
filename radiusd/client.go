package radiusd

import (
	"cmp"
	"crypto/hmac"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"duoradiusd/policy"
)

// Presence says whether a client's requests must carry a Message-Authenticator. A wrong one is never accepted.
type Presence string

const (
	Accept  Presence = "accept"
	Auto    Presence = "auto" // required once the client was seen to send it always
	Require Presence = "require"
)

// Client is a RADIUS client: a VPN, a gateway, a proxy. RFC 2865 calls it NAS. It is not changed after NewClients.
type Client struct {
	Name      string
	Addresses []netip.Prefix // where its packets come from; nothing in a packet says who sent it (RFC 2865 §3)
	Secret    []byte

	MessageAuthenticator   Presence // zero: Auto
	LimitProxyState        bool     // refuse Proxy-State without a valid Message-Authenticator
	OmitReplyAuthenticator bool     // send no Message-Authenticator, for the few that drop a reply because of it

	Timeout time.Duration // a reply leaves within this; zero: 55 s
	UserIP  []string      // attributes that tell the user's address; the first that holds one counts
	Latin1  bool          // passwords are ISO 8859-1, not UTF-8

	Login *policy.Client

	userIP  []addressSource
	macs    sync.Pool // of *mac, keyed with Secret
	traffic *traffic  // shared by all Clients of that name, so that it survives a reload
}

// sameSecret reports whether c, after a reload perhaps, has the secret of other.
func (c *Client) sameSecret(other *Client) bool {
	return c == other || hmac.Equal(c.Secret, other.Secret)
}

// DecideWithin is how long a Decider has: the client's timeout less a margin for sending the answer.
func (c *Client) DecideWithin() time.Duration { return c.Timeout - margin(c.Timeout) }

// Clients finds clients by address.
type Clients struct {
	byPrefix map[netip.Prefix]*Client
	bits4    []int // the prefix lengths in use, longest first
	bits6    []int
	list     []*Client
}

// NewClients returns an index of clients. An empty secret, a prefix given twice and an unknown attribute
// in UserIP are errors.
func NewClients(clients []*Client) (*Clients, error) {
	cs := &Clients{byPrefix: make(map[netip.Prefix]*Client), list: clients}
	for _, c := range clients {
		if len(c.Secret) == 0 {
			return nil, fmt.Errorf("radiusd: client %q: the secret is empty", c.Name)
		}
		var sources []addressSource
		for _, name := range c.UserIP {
			source, ok := addressSources[name]
			if !ok {
				return nil, fmt.Errorf("radiusd: client %q: user_ip: no attribute %q", c.Name, name)
			}
			sources = append(sources, source)
		}
		if len(c.userIP) != len(sources) { // one that is in use already is only read
			c.userIP = sources
		}
		if c.Timeout <= 0 {
			c.Timeout = 55 * time.Second
		}
		for _, p := range c.Addresses {
			p = p.Masked()
			if other := cs.byPrefix[p]; other != nil {
				return nil, fmt.Errorf("radiusd: clients %q and %q: both have %s", other.Name, c.Name, p)
			}
			cs.byPrefix[p] = c
			bits := &cs.bits6
			if p.Addr().Is4() {
				bits = &cs.bits4
			}
			if !slices.Contains(*bits, p.Bits()) {
				*bits = append(*bits, p.Bits())
			}
		}
	}
	longestFirst := func(a, b int) int { return cmp.Compare(b, a) }
	slices.SortFunc(cs.bits4, longestFirst)
	slices.SortFunc(cs.bits6, longestFirst)
	return cs, nil
}

// canonical returns the address that a client is known by: IPv4-mapped ones, as dual-stack sockets report them, are IPv4
// addresses; a link-local zone says where to reply, not who asks.
func canonical(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

// find returns the client with the longest prefix that holds addr, or nil.
func (cs *Clients) find(addr netip.Addr) *Client {
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
		if c := cs.byPrefix[p]; c != nil {
			return c
		}
	}
	return nil
}
