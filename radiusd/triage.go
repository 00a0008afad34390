package radiusd

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"time"

	"layeh.com/radius/rfc2865"

	"duoradiusd/policy"
	"duoradiusd/radiusd/wire"
)

// datagram is one received datagram and what the checks have found out about it.
type datagram struct {
	asker
	inBatch  bool // its reply and log line are sent and written together with those of its batch
	received time.Time

	client    *Client
	packet    packet
	authentic bool // has a valid Message-Authenticator

	reusesAuthenticator bool // an earlier request with another Identifier had the same authenticator
}

// answer sends the reply to d, or adds it to the replies of d's batch.
func (d *datagram) answer(reply []byte) {
	if d.inBatch {
		d.listener.replies = append(d.listener.replies, message{b: reply, control: sourceControl(d.to), peer: d.from})
		return
	}
	d.send(reply)
}

// copied returns a copy of d with its own memory, for a login that continues after the reader has overwritten its buffers.
func (d *datagram) copied() *datagram {
	c := *d
	c.inBatch = false
	c.packet.b = bytes.Clone(d.packet.b)
	return &c
}

// host returns the source address of d in its canonical form.
func (d *datagram) host() netip.Addr { return canonical(d.from.Addr()) }

// triage decides whether to drop a datagram. The cheapest check comes first. Until it has verified the
// Message-Authenticator, triage changes only counters, so that a forged packet can't affect later packets.
func (s *Server) triage(d *datagram, b []byte, clients *Clients) (why dropReason) {
	if len(b) > wire.MaxLength {
		return dropTooLarge // the part that was read may be well-formed, but it is incomplete (RFC 2865 §3)
	}
	list := clients.find(d.from.Addr(), d.listener.address)
	if list == nil {
		return dropUnknownClient
	}
	d.client = list[0]
	if d.packet, why = walk(b); why != notDropped {
		return why
	}
	p := &d.packet
	switch p.code() {
	case wire.AccessRequest:
		if why := p.form(); why != notDropped {
			return why
		}
	case wire.StatusServer:
	case wire.AccountingRequest:
		d.client.traffic.Accounting.Add(1)
		return dropWrongCode
	default:
		return dropWrongCode
	}
	if !p.messageAuthenticator.present() {
		return s.triageUnsigned(d)
	}
	if !p.authentic(d.client) {
		d.client.traffic.countRequest(p)
		d.client.traffic.Wrong.Add(1)
		return dropWrongSignature
	}
	d.authentic = true
	return s.triageSigned(d, list)
}

// triageSigned finds the client that sent d, whose Message-Authenticator is valid.
func (s *Server) triageSigned(d *datagram, list []*Client) dropReason {
	p := &d.packet
	c := choose(list, p)
	if p.code() == wire.StatusServer {
		if c != nil { // if none matches, any client of list will do, because a Status-Server is about the server
			d.client = c
		}
		return notDropped
	}
	if d.client = c; c == nil {
		return dropUnknownClient
	}
	t := c.traffic
	t.countRequest(p)
	t.Authenticated.Add(1)
	if p.eap.present() {
		t.EAP.Add(1)
	}
	s.noteSignedRequest(d)
	return notDropped
}

// countRequest counts an Access-Request.
func (t *traffic) countRequest(p *packet) {
	if p.code() != wire.AccessRequest {
		return
	}
	t.Packets.Add(1)
	if !p.named {
		t.Anonymous.Add(1)
	}
}

// form refuses requests that do not say clearly how to check the user (RFC 2865 §4.1, RFC 3579 §3.3 note 1).
func (p *packet) form() dropReason {
	switch n := p.methods(); {
	case n > 1:
		return dropMixedMethods
	case n == 0 && !p.resumes() && !p.messageAuthenticator.present():
		return dropNoMethod
	}
	return notDropped
}

// triageUnsigned decides whether to drop a packet without Message-Authenticator.
func (s *Server) triageUnsigned(d *datagram) dropReason {
	c, p := d.client, &d.packet
	c.traffic.countRequest(p)
	if p.code() == wire.StatusServer || p.eap.present() {
		return dropUnsigned // RFC 5997 §3, RFC 3579 §3.1
	}
	t := c.traffic
	t.Unauthenticated.Add(1)
	t.LastWithout.Store(d.received.Unix())
	if p.proxyState > 0 {
		t.ProxyStateUnguarded.Add(1)
	}
	switch {
	case c.MessageAuthenticator == Require:
		return dropUnsigned
	case c.MessageAuthenticator != Accept && t.ratchets.required(d.host()):
		return dropUnsignedByRatchet
	case c.LimitProxyState && p.proxyState > 0:
		return dropProxyState
	}
	if t.dueForWarning(d.received) {
		args := []any{"client", c.Name, "from", d.from.String()}
		if c.Login != nil && c.Login.Remember > 0 {
			args = append(args, "hint", "only logins with a Message-Authenticator are remembered, so none of these is")
		}
		s.log().Warn("this client sends no Message-Authenticator: its requests can be forged (CVE-2024-3596)", args...)
	}
	return notDropped
}

func isProbe(c *Client, p *packet) bool {
	if len(c.Login.ProbeUsers) == 0 {
		return false
	}
	name := string(p.value(p.userName))
	return slices.ContainsFunc(c.Login.ProbeUsers, func(probe string) bool { return strings.EqualFold(probe, name) })
}

// authorizeOnly is a Service-Type of RFC 5176 §3.2.
const authorizeOnly = rfc2865.ServiceType(17)

// method returns the method by which the user proves their identity. ok is false if there is nothing that could be checked.
// Such a login is rejected at once and Duo is not asked (RFC 5080 §2.1.1).
func (p *packet) method() (m policy.Method, ok bool) {
	switch p.service() {
	case rfc2865.ServiceType_Value_CallCheck, authorizeOnly:
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
