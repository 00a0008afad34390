package radiusd

import (
	"crypto/rand"
	mathrand "math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"duoradiusd/test/nas"
)

// TestAcceptance22_UnknownSourcesCostNothing: not one allocation, whatever they send and from wherever.
func TestAcceptance22_UnknownSourcesCostNothing(t *testing.T) {
	s := newDeaf(t, allow, 0)
	noise := make([]byte, maxLength)
	rand.Read(noise)
	login := signedLogin().Bytes()
	now := time.Now()
	d := &datagram{}
	take := func(from netip.AddrPort, b []byte) {
		*d = datagram{listener: s.l, from: from, at: now}
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

// TestDroppedPacketsCostLittle: of a known client, too.
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
			*d = datagram{listener: s.l, from: netip.AddrPortFrom(home.Addr(), port), at: now}
			s.receive(d, tt.b, nil)
		}
		take(1)
		take(2)
		if got := testing.AllocsPerRun(1000, func() { take(3) }); got > tt.most && !raceDetector {
			t.Errorf("%s: %v allocations a packet, want %v at most", tt.name, got, tt.most)
		}
	}
}
