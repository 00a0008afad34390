package fakeldap

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"sync"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

const maxMessage = 1 << 20

const startTLSName = "1.3.6.1.4.1.1466.20037"

// conn is one client's connection.
type conn struct {
	s        *Server
	raw      net.Conn
	net.Conn // TLS, or raw
	number   int
	last     int64  // message ID
	bound    string // as whom
	user     bool   // bound as somebody else than the service account
	tls      bool

	gone    chan struct{} // closed when the client has gone
	leaving sync.Once
}

// message is one request.
type message struct {
	id       int64
	op       *ber.Packet
	controls []string
}

// serve answers requests until the client goes or violates the protocol.
func (c *conn) serve() {
	defer c.raw.Close()
	r := c.s.memory.begin(Request{Op: "connect", Conn: c.number})
	f := c.s.faults.next("connect", "")
	c.s.memory.suffers(r, f)
	if f.String() != "" && !c.suffer(f) {
		return
	}
	if c.s.cfg.TLS && !c.startTLS() {
		return
	}
	for c.talk() {
	}
}

// talk serves messages until the connection ends, or (and only then it returns true) changes to TLS. A goroutine reads
// ahead, so that a client that goes is noticed while a request hangs.
func (c *conn) talk() (again bool) {
	messages := make(chan message)
	stop := make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() { c.read(messages, stop) })
	defer func() {
		close(stop)
		if !again {
			c.raw.Close()
		}
		reading.Wait()
	}()
	for m := range messages {
		switch c.answer(m) {
		case end:
			return false
		case secure:
			return c.startTLS()
		}
	}
	return false
}

// read decodes messages. It ends with the connection, and after a StartTLS, what follows being no message any more.
func (c *conn) read(messages chan<- message, stop <-chan struct{}) {
	defer close(messages)
	in := io.Reader(c.Conn)
	if c.tls || !c.s.cfg.StartTLS {
		in = bufio.NewReader(c.Conn)
	}
	for {
		p, err := ber.ReadPacket(&io.LimitedReader{R: in, N: maxMessage})
		if err != nil {
			c.leaving.Do(func() { close(c.gone) })
			return
		}
		m, ok := c.decode(p)
		if !ok {
			c.raw.Close()
			c.leaving.Do(func() { close(c.gone) })
			return
		}
		if m.op.Tag == ldap.ApplicationUnbindRequest {
			c.leaving.Do(func() { close(c.gone) })
		}
		select {
		case messages <- m:
		case <-stop:
			return
		}
		if c.s.cfg.StartTLS && m.op.Tag == ldap.ApplicationExtendedRequest {
			return
		}
	}
}

// decode takes a message apart, and refuses one that no client may send.
func (c *conn) decode(p *ber.Packet) (message, bool) {
	bad := func(what string) (message, bool) {
		c.s.memory.violated(c.number, "%s", what)
		return message{}, false
	}
	if len(p.Children) < 2 || p.Tag != ber.TagSequence || p.Children[1].ClassType != ber.ClassApplication {
		return bad("not an LDAPMessage")
	}
	id, ok := p.Children[0].Value.(int64)
	if !ok || id <= c.last { // §4.1.1.1 forbids only an ID that is in use
		return bad("a message ID that does not grow")
	}
	c.last = id
	m := message{id: id, op: p.Children[1]}
	if len(p.Children) > 2 {
		for _, control := range p.Children[2].Children {
			if len(control.Children) == 0 {
				return bad("not a Control")
			}
			m.controls = append(m.controls, control.Children[0].Data.String())
		}
	}
	return m, true
}

// next says how a connection goes on after a request.
type next int

const (
	more next = iota
	secure
	end
)

func (c *conn) answer(m message) next {
	switch m.op.Tag {
	case ldap.ApplicationBindRequest:
		return c.bind(m)
	case ldap.ApplicationSearchRequest:
		return c.search(m)
	case ldap.ApplicationExtendedRequest:
		return c.extended(m)
	case ldap.ApplicationModifyRequest:
		return c.modify(m)
	case ldap.ApplicationUnbindRequest:
		c.s.memory.begin(Request{Op: "unbind", Conn: c.number, TLS: c.tls, BoundAs: c.bound})
		return end
	}
	c.s.memory.violated(c.number, "an operation with the tag %d", m.op.Tag)
	return end
}

// extended takes StartTLS and the password modify operation, and nothing else.
func (c *conn) extended(m message) next {
	if len(m.op.Children) > 1 && m.op.Children[0].Data.String() == passwordModifyName {
		return c.passwordModify(m)
	}
	r := c.s.memory.begin(Request{Op: "starttls", Conn: c.number, TLS: c.tls, BoundAs: c.bound, Controls: m.controls})
	if len(m.op.Children) == 0 || m.op.Children[0].Data.String() != startTLSName {
		c.s.memory.violated(c.number, "an extended operation other than StartTLS")
		return end
	}
	code := uint16(ldap.LDAPResultSuccess)
	if !c.s.cfg.StartTLS || c.tls {
		code = ldap.LDAPResultOperationsError
	}
	f := c.s.faults.next("starttls", "")
	if done, ok := c.finish(m, r, f, ldap.ApplicationExtendedResponse, result{code: code}); !ok || f.Code != 0 || code != 0 {
		return done
	}
	return secure
}

func (c *conn) startTLS() bool {
	t := tls.Server(c.raw, c.s.tlsConfig())
	if t.Handshake() != nil {
		return false
	}
	c.Conn, c.tls, c.last = t, true, 0
	return true
}

// result is an LDAPResult (RFC 4511 §4.1.9), and what comes with it.
type result struct {
	code       uint16
	diagnostic string
	before     []*ber.Packet // entries and references
	control    *ber.Packet
}

// finish applies the fault f and answers if f permits. It returns false if the request was not answered normally.
func (c *conn) finish(m message, r *Request, f Fault, tag ber.Tag, res result) (next, bool) {
	c.s.memory.suffers(r, f)
	if f.Notice || f.Raw != nil || !c.hold(f) {
		f.Delay, f.Hang = 0, false
		if c.suffer(f) {
			return more, false
		}
		return end, false
	}
	if f.Code != 0 {
		res = result{code: f.Code, diagnostic: f.Diagnostic}
	}
	c.s.memory.answered(r, res.code)
	var out []byte
	for _, p := range res.before {
		out = append(out, envelope(m.id, p, nil).Bytes()...)
	}
	out = append(out, envelope(m.id, ldapResult(tag, res, f.Referrals), res.control).Bytes()...)
	if _, err := c.Write(append(out, f.Behind...)); err != nil {
		return end, false
	}
	return more, true
}

// suffer does what f wants instead of an answer, and reports whether the connection goes on.
func (c *conn) suffer(f Fault) bool {
	if !c.hold(f) {
		return false
	}
	if f.Notice {
		op := ldapResult(ldap.ApplicationExtendedResponse, result{code: ldap.LDAPResultUnavailable, diagnostic: "idle"}, nil)
		op.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 10, "1.3.6.1.4.1.1466.20036", "responseName"))
		c.Write(envelope(0, op, nil).Bytes())
		return false
	}
	c.Write(f.Raw)
	return true
}

func envelope(id int64, op, control *ber.Packet) *ber.Packet {
	p := ber.NewSequence("LDAPMessage")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, "messageID"))
	p.AppendChild(op)
	if control != nil {
		controls := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "controls")
		controls.AppendChild(control)
		p.AppendChild(controls)
	}
	return p
}

func ldapResult(tag ber.Tag, res result, referrals []string) *ber.Packet {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "LDAPResult")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, uint64(res.code), "resultCode"))
	p.AppendChild(octets(""))
	p.AppendChild(octets(res.diagnostic))
	if len(referrals) > 0 {
		list := ber.Encode(ber.ClassContext, ber.TypeConstructed, 3, nil, "referral")
		for _, uri := range referrals {
			list.AppendChild(octets(uri))
		}
		p.AppendChild(list)
	}
	return p
}

func octets(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}
