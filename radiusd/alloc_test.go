package radiusd

import (
	"context"
	"crypto/rand"
	"io"
	mathrand "math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/factor"
	"duoradiusd/policy/memory"
	"duoradiusd/radiusd/wire"
	"duoradiusd/test/nas"
)

// TestAcceptance22_UnknownSourcesCostNothing: a packet from an unknown source makes no allocation, whatever it holds.
func TestAcceptance22_UnknownSourcesCostNothing(t *testing.T) {
	s := newDeaf(t, allow, 0)
	noise := make([]byte, wire.MaxLength)
	rand.Read(noise)
	login := signedLogin().Bytes()
	now := time.Now()
	d := &datagram{}
	take := func(from netip.AddrPort, b []byte) {
		*d = datagram{asker: asker{listener: s.l, from: from}, received: now}
		s.receive(d, b, nil)
	}
	take(abroad, noise) // the one that is logged
	sent := uint64(1)
	if got := testing.AllocsPerRun(20_000, func() {
		sent++
		v4 := netip.AddrFrom4([4]byte{198, byte(mathrand.Uint32()), byte(mathrand.Uint32()), byte(mathrand.Uint32())})
		b := login
		if sent%2 == 0 {
			b = noise[:mathrand.IntN(len(noise))]
		}
		take(netip.AddrPortFrom(v4, uint16(sent)), b)
	}); got != 0 {
		t.Errorf("%v allocations a packet, want none", got)
	}
	if got := s.Drops()["unknown client"]; got != sent {
		t.Errorf("%d dropped, want %d", got, sent)
	}
	if inFlight, kept := s.Pending(); inFlight+kept != 0 || len(s.traffic) != 1 {
		t.Errorf("%d in progress, %d kept, %d clients", inFlight, kept, len(s.traffic))
	}
}

// TestDroppedPacketsCostLittle: a dropped packet of a known client costs little, too.
func TestDroppedPacketsCostLittle(t *testing.T) {
	demanding := testClient()
	demanding.MessageAuthenticator, demanding.LimitProxyState = Require, true
	for _, tt := range []struct {
		name   string
		client *Client
		b      []byte
		most   float64
	}{
		{"malformed", testClient(), signedLogin().Bytes()[:30], 0},
		{"wrong code", testClient(), append([]byte{5}, signedLogin().Bytes()[1:]...), 0},
		{"none, required", demanding, nas.AccessRequest(testSecret, "jo", "x").Bytes(), 0},
		{"wrong", demanding, signedLogin().Sign(nas.Wrong).Bytes(), 2}, // the keyed hash, when the pool was emptied
		{"replayed", testClient(), signedLogin().Bytes(), 5},
	} {
		s := newDeaf(t, allow, 0, tt.client)
		now := time.Now()
		d := &datagram{}
		take := func(port uint16) {
			*d = datagram{asker: asker{listener: s.l, from: netip.AddrPortFrom(home.Addr(), port)}, received: now}
			s.receive(d, tt.b, nil)
		}
		take(1)
		take(2)
		if got := testing.AllocsPerRun(1000, func() { take(3) }); got > tt.most && !raceDetector {
			t.Errorf("%s: %v allocations a packet, want %v at most", tt.name, got, tt.most)
		}
	}
}

// TestRememberedLoginAllocatesLittle: it measures a whole login without the sockets, with its line of the log.
func TestRememberedLoginAllocatesLittle(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates too")
	}
	const most = 10
	m := memory.New(10).Runtime()
	defer m.Close()
	c := testClient()
	c.UserIP = []string{"Calling-Station-Id"}
	c.Login.Remember, c.Login.Second, c.Login.Factors = time.Hour, approving{}, []factor.Factor{factor.Push}
	s := newDeaf(t, allow, 0, c)
	s.LoginLog = &LoginLog{To: io.Discard}
	settings := *s.settings.Load()
	settings.Decider = policy.New(policy.Settings{}, m)
	s.Use(settings)
	login := func() []byte {
		return nas.AccessRequest(testSecret, "johanna@example.com", "").AddString(nas.CallingStationID, "198.51.100.23").Sign(nas.Last).Bytes()
	}
	s.take(login(), home)
	s.l.logins.Wait()

	const runs = 2000
	requests := make([][]byte, runs+1) // one more to warm up
	for i := range requests {
		requests[i] = login()
	}
	n := 0
	got := testing.AllocsPerRun(runs, func() {
		s.take(requests[n], netip.AddrPortFrom(home.Addr(), uint16(2000+n)))
		n++
	})
	if got > most {
		t.Errorf("%v allocations a login, want %d at most", got, most)
	}
	if counts := s.Outcomes(); counts[policy.ReasonRemembered] != runs+1 || counts[policy.ReasonApproved] != 1 {
		t.Errorf("%v", counts)
	}
}

// approving is a SecondFactor whose users approve at once.
type approving struct{}

func (approving) Preauth(context.Context, policy.PreauthRequest) (policy.Preauth, error) {
	return policy.Preauth{Result: policy.PreauthAuth, Devices: []policy.Device{{ID: "DP1", Capabilities: []string{"push"}}}}, nil
}

func (approving) Auth(context.Context, *policy.AuthRequest) (policy.AuthResult, error) {
	return policy.AuthResult{Allowed: true, Status: "allow"}, nil
}

func (approving) Outage(context.Context) error { return nil }
