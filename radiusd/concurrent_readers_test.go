package radiusd

import (
	"context"
	mathrand "math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/test/nas"
)

// TestReadersSideBySide: copies of a request reach several listeners at the same moment. Each request is decided once at
// most, and none stays in progress.
func TestReadersSideBySide(t *testing.T) {
	const requests, slots, copies = 2000, 50, 3
	var settled [requests]atomic.Int32
	settle := func(_ context.Context, a policy.Attempt) policy.Verdict {
		settled[int(a.Authenticator[0])<<8|int(a.Authenticator[1])].Add(1)
		return policy.Verdict{Outcome: policy.OutcomeAccept, Reason: policy.ReasonApproved, User: a.User}
	}
	s := newDeaf(t, settle, 0)
	settings := *s.settings.Load()
	settings.Decider = half{settle}
	s.Use(settings)

	var octets [][]byte
	for n := range requests {
		name := "quick"
		if n%2 == 1 {
			name = "slow"
		}
		r := nas.AccessRequest(testSecret, name, "x")
		r.Authenticator[0], r.Authenticator[1], r.Authenticator[2] = byte(n>>8), byte(n), 1 // an Authenticator of zeros means that there is none yet
		r.Identifier = byte(n / copies % slots)
		octets = append(octets, r.Sign(nas.First).Bytes())
	}
	var readers sync.WaitGroup
	var listeners []*listener
	for range copies {
		l := newListener(netip.AddrPort{}, false, false)
		l.socket = s.l.socket
		listeners = append(listeners, l)
		readers.Go(func() {
			dice := mathrand.New(mathrand.NewPCG(mathrand.Uint64(), 1))
			for at := 0; at < requests; at += 10 {
				for _, i := range dice.Perm(10) {
					b := append([]byte(nil), octets[at+i]...)
					s.receive(&datagram{asker: asker{listener: l, from: netip.AddrPortFrom(home.Addr(), 1024)}, received: time.Now()}, b, nil)
				}
			}
		})
	}
	readers.Wait()
	for _, l := range listeners {
		l.logins.Wait()
	}
	for n := range settled {
		if got := settled[n].Load(); got > 1 {
			t.Errorf("request %d was settled %d times", n, got)
		}
	}
	if inFlight, _ := s.Pending(); inFlight != 0 {
		t.Errorf("%d in progress", inFlight)
	}
	if got := s.Drops()["panic"]; got != 0 {
		t.Errorf("%d panics", got)
	}
	check(t, s.duplicates, s.settings.Load().Clients.list)
	if longest := s.settings.Load().Clients.list[0].traffic.behaviour.gaveUpAfter.median(); longest > time.Minute {
		t.Errorf("a client was patient for %v", longest)
	}
}

// half is a Decider that decides at once for the user "quick" only.
type half struct{ deciderFunc }

func (h half) DecideAtOnce(a policy.Attempt) (policy.Verdict, bool) {
	if a.User != "quick" {
		return policy.Verdict{}, false
	}
	return h.deciderFunc(context.Background(), a), true
}
