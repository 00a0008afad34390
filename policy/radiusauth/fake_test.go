package radiusauth

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"layeh.com/radius"

	"duoradiusd/policy"
	"duoradiusd/radiusd/wire"
)

const shared = "between-us-and-the-upstream"

// fake is an upstream server. It accepts only requests that are right in every way, and records all. It answers as the test
// says, and by default it accepts.
type fake struct {
	t      testing.TB
	addr   netip.AddrPort
	secret string

	mu     sync.Mutex
	got    []*query
	answer func(q *query)
}

// query is a request that a fake got.
type query struct {
	*radius.Packet
	raw    []byte
	at     time.Time
	socket string // the socket that it came from
	send   func(b []byte)
	secret string
}

func (f *fake) does(answer func(q *query)) *fake {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
	return f
}

// queries returns the requests that have come so far.
func (f *fake) queries() []*query {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.got)
}

func (f *fake) take(raw []byte, socket string, send func([]byte)) {
	q := &query{raw: bytes.Clone(raw), at: time.Now(), socket: socket, send: send, secret: f.secret}
	var err error
	if q.Packet, err = radius.Parse(q.raw, []byte(f.secret)); err != nil {
		f.t.Errorf("request: %v", err)
		return
	}
	if why := unfit(q.raw, f.secret); why != "" {
		f.t.Errorf("request: %s: % x", why, raw)
	}
	f.mu.Lock()
	f.got = append(f.got, q)
	answer := f.answer
	f.mu.Unlock()
	if answer == nil {
		answer = func(q *query) { q.reply(radius.CodeAccessAccept) }
	}
	answer(q)
}

// unfit says what is wrong with a request's form and signature. It shares no code with the product.
func unfit(b []byte, secret string) string {
	if int(binary.BigEndian.Uint16(b[2:])) != len(b) {
		return "wrong Length"
	}
	if len(b) < 38 || b[20] != 80 || b[21] != 18 {
		return "U1: Message-Authenticator is not first"
	}
	blank := slices.Concat(b[:22], make([]byte, 16), b[38:])
	h := hmac.New(md5.New, []byte(secret))
	h.Write(blank)
	if !bytes.Equal(h.Sum(nil), b[22:38]) {
		return "U1: wrong Message-Authenticator"
	}
	return ""
}

// at is one attribute of a packet.
type at struct {
	kind  byte
	value string
}

// vsa is a Vendor-Specific with these sub-attributes.
func vsa(vendor uint32, subs ...at) at {
	b := binary.BigEndian.AppendUint32(nil, vendor)
	for _, s := range subs {
		b = append(append(b, s.kind, byte(2+len(s.value))), s.value...)
	}
	return at{26, string(b)}
}

func octets(list ...at) (b []byte) {
	for _, a := range list {
		b = append(append(b, a.kind, byte(2+len(a.value))), a.value...)
	}
	return b
}

// build makes a signed reply, Message-Authenticator first.
func (q *query) build(code radius.Code, list ...at) []byte {
	return sign(q.bare(code, append([]at{{80, string(make([]byte, 16))}}, list...)...), q)
}

// bare makes a reply as it is, with the Request Authenticator in its header.
func (q *query) bare(code radius.Code, list ...at) []byte {
	b := append([]byte{byte(code), q.Identifier, 0, 0}, q.Authenticator[:]...)
	b = append(b, octets(list...)...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

// sign fills in a Message-Authenticator that stands first, if one does, and the Response Authenticator.
func sign(b []byte, q *query) []byte {
	if len(b) >= 38 && b[20] == 80 && b[21] == 18 {
		h := hmac.New(md5.New, []byte(q.secret))
		h.Write(b)
		copy(b[22:], h.Sum(nil))
	}
	return respond(b, q)
}

// respond puts the Response Authenticator in.
func respond(b []byte, q *query) []byte {
	sum := md5.Sum(slices.Concat(b[:4], q.Authenticator[:], b[20:], []byte(q.secret)))
	copy(b[4:], sum[:])
	return b
}

func (q *query) reply(code radius.Code, list ...at) { q.send(q.build(code, list...)) }

// value returns the attributes of one type, joined.
func (q *query) value(kind byte) string {
	var all []string
	list, _ := wire.Attributes(q.raw[20:])
	for _, a := range list {
		if a.Type == kind {
			all = append(all, string(a.Value))
		}
	}
	return strings.Join(all, "|")
}

// world is a network in memory, for synctest. A write is one datagram. It is lost if nothing listens at its address.
type world struct {
	t       testing.TB
	mu      sync.Mutex
	servers map[netip.AddrPort]*fake
	sockets int
}

func newWorld(t testing.TB) *world { return &world{t: t, servers: make(map[netip.AddrPort]*fake)} }

func (w *world) serve(addr string) *fake {
	f := &fake{t: w.t, addr: netip.MustParseAddrPort(addr), secret: shared}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.servers[f.addr] = f
	return f
}

func (w *world) dial(addr netip.AddrPort) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.servers[addr]
	w.sockets++
	name := "socket" + string(rune('A'+w.sockets-1))
	ours, theirs := net.Pipe()
	out := make(chan []byte, 4096)
	go func() {
		for b := range out {
			theirs.Write(b)
		}
	}()
	go func() {
		defer theirs.Close()
		b := make([]byte, 8192)
		var all sync.WaitGroup
		for {
			n, err := theirs.Read(b)
			if err != nil {
				break
			}
			if f == nil {
				continue
			}
			raw := bytes.Clone(b[:n])
			all.Go(func() { f.take(raw, name, func(b []byte) { out <- b }) })
		}
		all.Wait()
		close(out)
	}()
	return ours, nil
}

// upstream makes an Upstream of these servers in the world, without jitter.
func (w *world) upstream(c Config, names ...string) *Upstream {
	w.t.Helper()
	c.Servers = names
	c.Secret = shared
	u, err := New(c)
	if err != nil {
		w.t.Fatal(err)
	}
	u.dial = w.dial
	u.jitter = func() float64 { return 0 }
	u.lookup = func(context.Context, string) ([]netip.Addr, error) { return nil, errors.New("no name service here") }
	return u
}

// listen starts a fake on loopback.
func listen(t testing.TB) *fake {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{t: t, addr: conn.LocalAddr().(*net.UDPAddr).AddrPort(), secret: shared}
	var reading sync.WaitGroup
	reading.Go(func() {
		b := make([]byte, 8192)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			f.take(b[:n], from.String(), func(b []byte) { conn.WriteToUDPAddrPort(b, from) })
		}
	})
	t.Cleanup(func() {
		conn.Close()
		reading.Wait()
	})
	return f
}

// towards makes an Upstream of servers on loopback.
func towards(t testing.TB, c Config, names ...string) *Upstream {
	t.Helper()
	c.Servers, c.Secret = names, shared
	u, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	return u
}

// pap is a login by password.
func pap(user, password string) policy.FirstRequest {
	return policy.FirstRequest{User: user, Typed: user, Password: password, ClientAddr: netip.MustParseAddr("192.0.2.7")}
}

// said returns the answer to a login as one word or sentence.
func said(a policy.Account, err error) string {
	if back, ok := errors.AsType[*policy.AskBack](err); ok {
		return "challenge: " + back.Message
	}
	switch {
	case err == nil:
		return "yes"
	case errors.Is(err, policy.ErrRejected):
		return "no"
	}
	return err.Error()
}

// macAtOctet fills in the Message-Authenticator whose value stands at that octet.
func macAtOctet(b []byte, octet int, q *query) []byte {
	h := hmac.New(md5.New, []byte(q.secret))
	h.Write(b)
	copy(b[octet:], h.Sum(nil))
	return b
}

func contextFor(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}

// signFor signs a reply that holds a Message-Authenticator of zeros first, to a request with that authenticator.
func signFor(b []byte, authenticator [16]byte) {
	sign(b, &query{Packet: &radius.Packet{Authenticator: authenticator}, secret: shared})
}

// stateOf returns the State of an AskBack.
func stateOf(t *testing.T, err error) string {
	t.Helper()
	back, ok := errors.AsType[*policy.AskBack](err)
	if !ok {
		t.Fatalf("got %v, want an AskBack", err)
	}
	return back.State
}
