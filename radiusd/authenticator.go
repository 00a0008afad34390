package radiusd

import (
	"crypto/hmac"
	"crypto/md5"
	"hash"
)

// mac returns a keyed HMAC-MD5 of the client's, to be given back with release.
func (c *Client) mac() hash.Hash {
	if h, ok := c.macs.Get().(hash.Hash); ok {
		h.Reset()
		return h
	}
	return hmac.New(md5.New, c.Secret)
}

func (c *Client) release(h hash.Hash) { c.macs.Put(h) }

var zeros [16]byte

// authentic reports whether the packet's Message-Authenticator is the one that the client's secret makes over the
// packet with that field zeroed (RFC 3579 §3.2).
func (p *packet) authentic(c *Client) bool {
	at := p.messageAuthenticator.at
	h := c.mac()
	defer c.release(h)
	h.Write(p.b[:at])
	h.Write(zeros[:])
	h.Write(p.b[at+16:])
	var sum [16]byte
	return hmac.Equal(h.Sum(sum[:0]), p.b[at:at+16])
}

// seal signs a reply that holds the Request Authenticator in its header and, unless it was left out, a zeroed
// Message-Authenticator as its first attribute: that one first (RFC 3579 §3.2), then the Response Authenticator over
// all (RFC 2865 §3).
func (c *Client) seal(reply []byte) {
	if len(reply) >= headerLength+18 && reply[headerLength] == typeMessageAuthenticator {
		h := c.mac()
		h.Write(reply)
		h.Sum(reply[:headerLength+2])
		c.release(h)
	}
	h := md5.New()
	h.Write(reply)
	h.Write(c.Secret)
	h.Sum(reply[:4])
}
