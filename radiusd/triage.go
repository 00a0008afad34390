package radiusd

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"time"

	"layeh.com/radius/rfc2865"

	"duoradiusd/policy"
)

// datagram is one received datagram and what is known of it.
type datagram struct {
	asker
	inBatch  bool // its reply and its log line wait for those of the datagrams that were read with it
	received time.Time

	client    *Client
	packet    packet
	authentic bool // has a valid Message-Authenticator

	reusesAuthenticator bool // of a request under another Identifier
}

// answer sends the reply.
func (d *datagram) answer(reply []byte) {
	if d.inBatch {
		d.listener.replies = append(d.listener.replies, message{b: reply, control: sourceControl(d.to), peer: d.from})
		return
	}
	d.send(reply)
}

// copied is d for a login that goes on when the reader uses its buffers again.
func (d *datagram) copied() *datagram {
	c := *d
	c.inBatch = false
	c.packet.b = bytes.Clone(d.packet.b)
	return &c
}

// host is the address that asks, in the one form that it is known by.
func (d *datagram) host() netip.Addr { return canonical(d.from.Addr()) }

// triage decides whether a datagram is believed, cheapest check first. It changes nothing that a later packet could
// feel, except counters, until the Message-Authenticator has been verified.
func (s *Server) triage(d *datagram, b []byte, clients *Clients) (why dropReason) {
	if len(b) > maxLength {
		return dropTooLarge // what was read of it may be well-formed, but is not all (RFC 2865 §3)
	}
	if d.client = clients.find(d.from.Addr()); d.client == nil {
		return dropUnknownClient
	}
	if d.packet, why = walk(b); why != notDropped {
		return why
	}
	p := &d.packet
	if code := p.code(); code != codeAccessRequest && code != codeStatusServer {
		return dropWrongCode
	}
	t := d.client.traffic
	if p.code() == codeAccessRequest {
		t.Packets.Add(1)
		if !p.named {
			t.Anonymous.Add(1)
		}
		if why := p.form(); why != notDropped {
			return why
		}
	}
	if !p.messageAuthenticator.present() {
		return s.triageUnsigned(d)
	}
	if !p.authentic(d.client) {
		t.Wrong.Add(1)
		return dropWrongSignature
	}
	d.authentic = true
	if p.code() == codeAccessRequest {
		t.Authenticated.Add(1)
		s.noteEvidence(d)
	}
	return notDropped
}

// form refuses requests that leave open how the user is to be checked (RFC 2865 §4.1, RFC 3579 §3.3 note 1).
func (p *packet) form() dropReason {
	switch n := p.methods(); {
	case n > 1:
		return dropMixedMethods
	case n == 0 && !p.resumes() && !p.messageAuthenticator.present():
		return dropNoMethod
	}
	return notDropped
}

// triageUnsigned decides about a packet without Message-Authenticator.
func (s *Server) triageUnsigned(d *datagram) dropReason {
	c, p := d.client, &d.packet
	if p.code() == codeStatusServer || p.eap.present() {
		return dropUnsigned // RFC 5997 §3, RFC 3579 §3.1
	}
	t := c.traffic
	t.Unauthenticated.Add(1)
	t.LastWithout.Store(d.received.Unix())
	if p.proxyState > 0 {
		t.ProxyStateUnguarded.Add(1)
	}
	s.noteEvidence(d)
	switch {
	case c.MessageAuthenticator == Require:
		return dropUnsigned
	case c.MessageAuthenticator != Accept && t.ratchets.required(d.host()):
		return dropUnsignedByRatchet
	case c.LimitProxyState && p.proxyState > 0:
		return dropProxyState
	}
	if t.dueForWarning(d.received) {
		s.log().Warn("this client sends no Message-Authenticator: its requests can be forged (CVE-2024-3596)",
			"client", c.Name, "from", d.from.String())
	}
	return notDropped
}

// noteEvidence turns the ratchet of a client of "auto". EAP must carry a Message-Authenticator whatever the client is
// like, and health probes are sent by other code than logins (FortiGate's test01), so neither says anything.
func (s *Server) noteEvidence(d *datagram) {
	c, p := d.client, &d.packet
	if p.eap.present() {
		c.traffic.EAP.Add(1)
		return
	}
	if c.MessageAuthenticator == Accept || c.MessageAuthenticator == Require || isProbe(c, p) {
		return
	}
	from := d.host()
	if !c.single(from) {
		return
	}
	turned, keep := c.traffic.ratchets.note(from, d.authentic, d.received)
	if turned {
		s.log().Warn("message_authenticator: this client always sends it and must from now on",
			"client", c.Name, "from", from.String())
	}
	if keep {
		s.saveSoon()
	}
}

func isProbe(c *Client, p *packet) bool {
	if len(c.Login.ProbeUsers) == 0 {
		return false
	}
	name := string(p.value(p.userName))
	return slices.ContainsFunc(c.Login.ProbeUsers, func(probe string) bool { return strings.EqualFold(probe, name) })
}

// single reports whether addr is configured as one host: behind a prefix are clients that we cannot tell apart.
func (c *Client) single(addr netip.Addr) bool {
	return slices.ContainsFunc(c.Addresses, func(p netip.Prefix) bool { return p.IsSingleIP() && p.Addr() == addr })
}

// method returns how the user proves who they are. It reports false where nothing could be checked: such a login is
// rejected at once and never reaches Duo (RFC 5080 §2.1.1).
func (p *packet) method() (m policy.Method, ok bool) {
	switch p.service() {
	case rfc2865.ServiceType_Value_CallCheck, rfc2865.ServiceType(17): // Authorize-Only (RFC 5176 §3.2)
		return 0, false
	}
	switch {
	case p.eap.present():
		return policy.MethodEAP, true
	case p.msCHAP:
		return policy.MethodMSCHAP, true
	case p.chapPassword.present():
		return policy.MethodCHAP, true
	}
	return policy.MethodPassword, !p.arap
}
