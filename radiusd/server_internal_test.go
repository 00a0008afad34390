package radiusd

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/radiusd/wire"
	"duoradiusd/test/nas"
)

const testSecret = "a secret of thirty-two octets..."

var (
	home   = netip.MustParseAddrPort("192.0.2.1:1024") // of testClient
	abroad = netip.MustParseAddrPort("198.51.100.1:1024")
)

// deciderFunc is a Decider.
type deciderFunc func(context.Context, policy.Attempt) policy.Verdict

func (f deciderFunc) Decide(ctx context.Context, a policy.Attempt) policy.Verdict { return f(ctx, a) }

func (f deciderFunc) DecideAtOnce(policy.Attempt) (policy.Verdict, bool) {
	return policy.Verdict{}, false
}

func allow(context.Context, policy.Attempt) policy.Verdict {
	return policy.Verdict{Outcome: policy.OutcomeAccept, Reason: policy.ReasonApproved, User: "jo"}
}

func deny(context.Context, policy.Attempt) policy.Verdict {
	return policy.Verdict{Reason: policy.ReasonDenied}
}

func testClient() *Client {
	return &Client{
		Name:      "vpn",
		Addresses: []netip.Prefix{netip.PrefixFrom(home.Addr(), 32)},
		Secret:    wire.NewSecret(testSecret),
		Login:     &policy.Client{Name: "vpn", Service: "vpn"},
	}
}

// deaf is a Server without sockets: a test hands it datagrams, and finds its replies among those that are kept.
type deaf struct {
	*Server
	t testing.TB
	l *listener
}

func newDeaf(t testing.TB, decide deciderFunc, rejectDelay time.Duration, clients ...*Client) *deaf {
	t.Helper()
	if clients == nil {
		clients = []*Client{testClient()}
	}
	list, err := NewClients(clients)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Logger: slog.New(slog.DiscardHandler)}
	s.Use(Settings{Clients: list, Decider: decide, RejectDelay: rejectDelay})
	t.Cleanup(func() { s.giveUp(context.Canceled) })
	l := newListener(netip.AddrPort{}, false, false)
	l.socket = newSingleSocket(&net.UDPConn{}, false)
	return &deaf{Server: s, t: t, l: l} // which answers each send with an error
}

// take hands the server a packet, with the time of now.
func (s *deaf) take(b []byte, from netip.AddrPort) {
	s.receive(&datagram{asker: asker{listener: s.l, from: from}, received: time.Now()}, b, nil)
}

// reply returns the reply that is kept for r, and when it was given.
func (s *deaf) reply(r *nas.Request) (p *nas.Response, at time.Time) {
	s.t.Helper()
	s.duplicates.mu.Lock()
	defer s.duplicates.mu.Unlock()
	packet, _ := walk(r.Bytes())
	c := s.settings.Load().Clients.find(home.Addr(), netip.AddrPort{})[0]
	asked := datagram{asker: asker{listener: s.l, from: home}, packet: packet, client: c}
	x := s.duplicates.byKey[asked.requestKey()]
	if x == nil || x.reply == nil {
		return nil, time.Time{}
	}
	p, err := r.Verify(x.reply)
	if err != nil {
		s.t.Fatal(err)
	}
	return p, x.expires.Add(-max(keepReply, x.client.Timeout))
}

func signedLogin() *nas.Request {
	return nas.AccessRequest(testSecret, "jo", "hunter2").Sign(nas.First)
}

// TestPauseBetweenWrites: encoding State takes a small share of all time, but State is written at least every thirty seconds.
func TestPauseBetweenWrites(t *testing.T) {
	for encoding, want := range map[time.Duration]time.Duration{
		0:                     time.Second,
		10 * time.Millisecond: 2 * time.Second,
		time.Second:           30 * time.Second,
	} {
		if got := pauseAfter(encoding); got != want {
			t.Errorf("after %v of encoding the pause is %v, want %v", encoding, got, want)
		}
	}
}
