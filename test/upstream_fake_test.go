package test

import (
	"crypto/hmac"
	"crypto/md5"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2869"
)

// fakeUpstream is a RADIUS server that knows users. It checks PAP, CHAP and MS-CHAPv2, and may ask questions of its own. It
// records every request, and fails the test for one that no client may send. upstream_answer_test.go has its answers.
type fakeUpstream struct {
	t      testing.TB
	secret []byte
	addr   *net.UDPAddr

	mu       sync.Mutex // guards all fields below
	conn     *net.UDPConn
	users    map[string]*upstreamUser
	waiting  map[string]*question // by State
	requests []string
	replies  map[string][]byte // by sender, Identifier and Request Authenticator
	mute     bool              // it reads requests, and sends nothing
	old      bool              // it does not know Status-Server, and signs no reply
	lax      bool              // it accepts requests with any secret
	reading  sync.WaitGroup
}

// startFakeUpstream starts a fakeUpstream on a port of 127.0.0.1. It ends with the test.
func startFakeUpstream(t testing.TB) *fakeUpstream {
	u := &fakeUpstream{t: t, secret: []byte(upstreamSecret), addr: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)},
		users: make(map[string]*upstreamUser), waiting: make(map[string]*question), replies: make(map[string][]byte)}
	u.up()
	t.Cleanup(u.down)
	return u
}

// up opens the port, which is the same each time.
func (u *fakeUpstream) up() {
	conn, err := net.ListenUDP("udp4", u.addr)
	if err != nil {
		u.t.Fatal(err)
	}
	u.addr = conn.LocalAddr().(*net.UDPAddr)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.conn = conn
	u.reading.Go(func() { u.serve(conn) })
}

// down closes the port: the system tells senders that nothing listens there.
func (u *fakeUpstream) down() {
	u.mu.Lock()
	u.conn.Close()
	u.mu.Unlock()
	u.reading.Wait()
}

func (u *fakeUpstream) serve(conn *net.UDPConn) {
	b := make([]byte, 4097)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		if reply := u.take(slices.Clone(b[:n]), from); reply != nil {
			conn.WriteToUDPAddrPort(reply, from)
		}
	}
}

// take returns the reply to a datagram, or nil for none. A copy of a request gets a copy of its reply (RFC 5080 §2.2.2).
func (u *fakeUpstream) take(b []byte, from netip.AddrPort) []byte {
	u.mu.Lock()
	defer u.mu.Unlock()
	p, err := radius.Parse(b, u.secret)
	if err != nil {
		u.t.Errorf("upstream: %v", err)
		return nil
	}
	if !u.signed(b, p) && !u.lax {
		return nil // RFC 3579 §3.2
	}
	key := fmt.Sprint(from, b[1:2], b[4:20])
	if reply, again := u.replies[key]; again {
		return reply
	}
	u.requests = append(u.requests, describe(p))
	if u.mute || u.old && p.Code == radius.CodeStatusServer {
		return nil
	}
	reply := p.Response(radius.CodeAccessAccept)
	switch p.Code {
	case radius.CodeStatusServer:
	case radius.CodeAccessRequest:
		u.mustBeSound(p)
		reply = u.answer(p)
	default:
		u.t.Errorf("upstream: a %v", p.Code)
	}
	u.replies[key] = u.sealed(reply)
	return u.replies[key]
}

// mustBeSound fails the test if a request holds what a client must not send, or lacks what only the daemon might forget.
func (u *fakeUpstream) mustBeSound(p *radius.Packet) {
	count := func(kinds ...radius.Type) (n int) {
		for _, a := range p.Attributes {
			if slices.Contains(kinds, a.Type) {
				n++
			}
		}
		return n
	}
	if p.Attributes[0].Type != rfc2869.MessageAuthenticator_Type {
		u.t.Errorf("upstream: attribute %d first, want Message-Authenticator", p.Attributes[0].Type)
	}
	if n := count(rfc2865.UserName_Type); n != 1 {
		u.t.Errorf("upstream: %d User-Names", n)
	}
	proofs := count(rfc2865.UserPassword_Type, rfc2865.CHAPPassword_Type, rfc2869.EAPMessage_Type)
	proofs += len(vendorValues(p, vendorMicrosoft, msCHAP2Response)) + len(vendorValues(p, vendorMicrosoft, msCHAP2CPW))
	if proofs != 1 {
		u.t.Errorf("upstream: %d ways to prove a password in %s", proofs, describe(p))
	}
	if count(rfc2865.NASIPAddress_Type, rfc2865.NASIdentifier_Type, 95) == 0 { // RFC 2865 §4.1
		u.t.Errorf("upstream: nobody says which NAS: %s", describe(p))
	}
	if count(rfc2865.ProxyState_Type) > 0 { // for another hop
		u.t.Errorf("upstream: a Proxy-State in %s", describe(p))
	}
	for _, a := range p.Attributes {
		if len(a.Attribute) == 0 {
			u.t.Errorf("upstream: attribute %d is empty", a.Type)
		}
	}
}

// signed reports whether a request has a right Message-Authenticator.
func (u *fakeUpstream) signed(b []byte, p *radius.Packet) bool {
	at := 20
	for _, a := range p.Attributes {
		if a.Type == rfc2869.MessageAuthenticator_Type && len(a.Attribute) == md5.Size {
			zeroed := slices.Clone(b)
			clear(zeroed[at+2 : at+2+md5.Size])
			return hmac.Equal(a.Attribute, u.mac(zeroed))
		}
		at += 2 + len(a.Attribute)
	}
	return false
}

func (u *fakeUpstream) mac(b []byte) []byte {
	h := hmac.New(md5.New, u.secret)
	h.Write(b)
	return h.Sum(nil)
}

// sealed puts a Message-Authenticator first (RFC 3579 §3.2), and the Response Authenticator into its place.
func (u *fakeUpstream) sealed(p *radius.Packet) []byte {
	if !u.old {
		mac := &radius.AVP{Type: rfc2869.MessageAuthenticator_Type, Attribute: make(radius.Attribute, md5.Size)}
		p.Attributes = slices.Insert(p.Attributes, 0, mac)
		b, err := p.MarshalBinary()
		if err != nil {
			u.t.Errorf("upstream: %v", err)
			return nil
		}
		mac.Attribute = u.mac(b)
	}
	b, err := p.Encode()
	if err != nil {
		u.t.Errorf("upstream: %v", err)
	}
	return b
}

// set changes u while it serves.
func (u *fakeUpstream) set(change func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	change()
}

func (u *fakeUpstream) seen() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.requests)
}
