package test

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/duo"
	"duoradiusd/policy/factor"
	"duoradiusd/policy/memory"
	"duoradiusd/radiusd"
	"duoradiusd/radiusd/wire"
	"duoradiusd/test/fakeduo"
	"duoradiusd/test/nas"
)

// A server with a cap of 64 keeps the last sixteenth for challenges that go on, and gives one client three quarters at
// most.
const (
	allAtOnce    = 64
	newAtOnce    = allAtOnce - allAtOnce/16
	clientAtOnce = allAtOnce * 3 / 4
	newOfClient  = clientAtOnce - clientAtOnce/16

	overloaded = "too many logins in progress"
)

// TestTwiceTheCap: twice as many users log in as there is room for, each with a push on the phone. Logins beyond the cap
// are dropped and counted, and cost no push. A user who answers a challenge gets in. No client takes all the room from
// another. The first answer makes room at once.
func TestTwiceTheCap(t *testing.T) {
	slow(t, "it has twice as many logins as there is room for")
	t.Parallel()
	h := openCapped(t)
	greedy, other, asking := h.gateway("127.0.0.1"), h.gateway("127.0.0.2"), h.gateway("127.0.0.3")

	// Dave is asked before the rush begins.
	challenge := asking.await(asking.send("dave", "", nil), nas.CodeAccessChallenge)

	// One client has more logins than there is room for in all. The other client gets what is left.
	first := greedy.rush("early", newOfClient)
	h.settled(newOfClient, 0)
	first = append(first, greedy.rush("beyond", allAtOnce-newOfClient)...)
	h.settled(newOfClient, allAtOnce-newOfClient)
	second := other.rush("other", newAtOnce-newOfClient)
	h.settled(newAtOnce, allAtOnce-newOfClient)
	pending := append(first[:newOfClient:newOfClient], second...)

	// Both clients send the same number again.
	dropped := uint64(allAtOnce - newOfClient)
	late := append(first[newOfClient:], greedy.rush("late", newAtOnce/2)...)
	late = append(late, other.rush("late-other", newAtOnce/2)...)
	dropped += newAtOnce
	h.settled(newAtOnce, dropped)

	// Copies of pending logins count as copies, and not as logins beyond the cap.
	for _, l := range pending {
		l.again()
	}
	h.eventually("copies are known", func() bool { return h.server.Drops()["repeated while in progress"] == newAtOnce })

	// Dave answers: there is room for that.
	asking.await(asking.send("dave", h.duo.Passcode("dave"), challenge.State()), nas.CodeAccessAccept)

	// The first answer makes room for the next login, which has the same octets as one that was dropped.
	h.approve(pending[0])
	pending[0].accepted()
	late[0].again()
	h.settled(newAtOnce, dropped)
	pending = append(pending[1:], late[0])
	late = late[1:]

	// All logins are answered.
	for _, l := range pending {
		h.approve(l)
	}
	for _, l := range pending {
		l.accepted()
	}
	h.empty()
	if got := h.duo.Pushes(); got != newAtOnce+1 {
		t.Errorf("%d pushes, want %d", got, newAtOnce+1)
	}

	// No login beyond the cap was answered, and Duo was not asked about it. Now they all get in.
	for _, g := range []*gateway{greedy, other, asking} {
		if err := g.Silence(50 * time.Millisecond); err != nil {
			t.Error(err)
		}
	}
	for _, l := range late[:newOfClient] {
		l.again()
	}
	for _, l := range late[:newOfClient] {
		h.approve(l)
		l.accepted()
	}
	h.empty()
	if got := h.server.Drops()[overloaded]; got != dropped {
		t.Errorf("%d dropped as %q, want %d", got, overloaded, dropped)
	}
}

// capped holds the door, the policy and Duo's client, connected as the daemon connects them, with a small cap.
type capped struct {
	t       *testing.T
	duo     *fakeduo.Server
	memory  *memory.Memory
	runtime *policy.Runtime
	server  *radiusd.Server
}

func openCapped(t *testing.T) *capped {
	h := &capped{t: t, duo: startDuo(t, fakeduo.User{Username: "dave"}), memory: memory.New(1000)}
	h.runtime = h.memory.Runtime()
	t.Cleanup(h.runtime.Close)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(h.duo.CAPEM())
	second, err := duo.New(duo.Config{Host: h.duo.Addr(), IntegrationKey: h.duo.IntegrationKey(), SecretKey: h.duo.SecretKey(), Roots: roots})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(second.Close)
	var list []*radiusd.Client
	for i, mode := range []policy.Mode{policy.ModeAuto, policy.ModeAuto, policy.ModeChallenge} {
		name := fmt.Sprintf("gateway-%d", i+1)
		address := netip.AddrFrom4([4]byte{127, 0, 0, byte(1 + i)})
		list = append(list, &radiusd.Client{Name: name, Secret: wire.NewSecret(vpnSecret), Addresses: []netip.Prefix{netip.PrefixFrom(address, 32)},
			Timeout: 2 * patience, Login: &policy.Client{Name: name, Service: "vpn", Second: second, Mode: mode,
				Factors: []factor.Factor{factor.Push, factor.Passcode}}})
	}
	clients, err := radiusd.NewClients(list)
	if err != nil {
		t.Fatal(err)
	}
	h.server = &radiusd.Server{MaxInFlight: allAtOnce, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	h.server.Use(radiusd.Settings{Clients: clients, Decider: policy.New(policy.Settings{}, h.runtime)})
	if err := h.server.Listen([]netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		h.server.Shutdown(now)
	})
	return h
}

func (h *capped) eventually(what string, f func() bool) {
	h.t.Helper()
	for end := time.Now().Add(patience); !f(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			inFlight, kept := h.server.Pending()
			h.t.Fatalf("not so: %s; %d in flight, %d kept, %v, %d pushes", what, inFlight, kept, h.server.Drops(), h.duo.Pushes())
		}
	}
}

// settled waits until this many logins are in progress, each with a push, and this many were dropped.
func (h *capped) settled(inFlight int, dropped uint64) {
	h.t.Helper()
	h.eventually(fmt.Sprintf("%d in flight with a push, %d dropped", inFlight, dropped), func() bool {
		n, _ := h.server.Pending()
		return n == inFlight && h.server.Drops()[overloaded] == dropped && h.memory.Counts().Transactions == inFlight
	})
}

// empty waits until nothing is in progress anywhere.
func (h *capped) empty() {
	h.t.Helper()
	h.settled(0, h.server.Drops()[overloaded])
}

// approve makes each user approve as soon as the phone rings.
func (h *capped) approve(l *rushed) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	ringing, err := h.duo.AwaitPending(ctx, l.user)
	if err == nil {
		err = h.duo.Answer(ringing.Txid, fakeduo.Approve)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// gateway is the one socket of a client, on which many logins wait.
type gateway struct {
	*nas.NAS
	house   *capped
	next    byte
	replies map[byte][]byte // by Identifier
}

func (h *capped) gateway(from string) *gateway {
	h.t.Helper()
	n, err := nas.Dial(h.server.Addresses()[0], netip.AddrPortFrom(netip.MustParseAddr(from), 0))
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { n.Close() })
	return &gateway{NAS: n, house: h, replies: make(map[byte][]byte)}
}

// rushed is one of many logins.
type rushed struct {
	gateway *gateway
	user    string
	request *nas.Request
}

// rush begins n logins of users whose phones ring until approve.
func (g *gateway) rush(name string, n int) (list []*rushed) {
	g.house.t.Helper()
	for i := range n {
		user := fmt.Sprintf("%s%d", name, i)
		g.house.duo.SetUser(fakeduo.User{Username: user, Tap: fakeduo.Ask})
		list = append(list, &rushed{g, user, g.send(user, "", nil)})
	}
	return list
}

func (g *gateway) send(user, password string, state []byte) *nas.Request {
	g.house.t.Helper()
	r := nas.AccessRequest(vpnSecret, user, password).Sign(nas.First)
	if r.Identifier = g.next; state != nil {
		r.State(state)
	}
	g.next++
	if err := g.Send(r.Bytes()); err != nil {
		g.house.t.Fatal(err)
	}
	return r
}

// await returns the reply to r, which must have this code. It keeps replies to other requests for later calls.
func (g *gateway) await(r *nas.Request, code byte) *nas.Response {
	g.house.t.Helper()
	for g.replies[r.Identifier] == nil {
		b, err := g.Receive(patience)
		if err != nil {
			g.house.t.Fatal(err)
		}
		g.replies[b[1]] = b
	}
	p, err := r.Verify(g.replies[r.Identifier])
	if err != nil || p.Code != code {
		g.house.t.Fatalf("%v, %v, want code %d", p, err, code)
	}
	return p
}

// again sends the same octets once more.
func (l *rushed) again() {
	if err := l.gateway.Send(l.request.Bytes()); err != nil {
		l.gateway.house.t.Fatal(err)
	}
}

func (l *rushed) accepted() {
	l.gateway.house.t.Helper()
	l.gateway.await(l.request, nas.CodeAccessAccept)
}
