package radiusd

import (
	"crypto/hmac"
	"crypto/md5"
	"hash"
)

// mac is an HMAC-MD5 that is keyed with a client's secret.
type mac struct {
	hash.Hash
	sum [16]byte // buffer
}

// mac returns one of the client's, to be given back with release.
func (c *Client) mac() *mac {
	if m, ok := c.macs.Get().(*mac); ok {
		m.Reset()
		return m
	}
	return &mac{Hash: hmac.New(md5.New, c.Secret)}
}

func (c *Client) release(m *mac) { c.macs.Put(m) }

var zeros [16]byte

// authentic reports whether the packet's Message-Authenticator is the one that the client's secret makes over the
// packet with that field zeroed (RFC 3579 §3.2).
func (p *packet) authentic(c *Client) bool {
	at := p.messageAuthenticator.offset
	m := c.mac()
	defer c.release(m)
	m.Write(p.b[:at])
	m.Write(zeros[:])
	m.Write(p.b[at+16:])
	return hmac.Equal(m.Sum(m.sum[:0]), p.b[at:at+16])
}

// seal signs a reply that holds the Request Authenticator in its header and, unless it was left out, a zeroed
// Message-Authenticator as its first attribute: that one first (RFC 3579 §3.2), then the Response Authenticator over
// all (RFC 2865 §3).
func (c *Client) seal(reply []byte) {
	if len(reply) >= headerLength+18 && reply[headerLength] == typeMessageAuthenticator {
		m := c.mac()
		m.Write(reply)
		m.Sum(reply[:headerLength+2])
		c.release(m)
	}
	h := md5.New()
	h.Write(reply)
	h.Write(c.Secret)
	h.Sum(reply[:4])
}
