package radiusd

import (
	"net/netip"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/test/nas"
)

// request is like an ASA's: 13 attributes, 288 octets.
func benchRequest() *nas.Request {
	return nas.AccessRequest(testSecret, "johanna@example.com", "correct horse battery").AddUint32(nas.NASPort, 4096).
		AddUint32(nas.ServiceType, 8).AddString(nas.CalledStationID, "203.0.113.5").AddString(nas.CallingStationID, "198.51.100.23").
		AddString(nas.TunnelClientEndpoint, "198.51.100.23").Add(nas.NASIPAddress, []byte{192, 0, 2, 1}).
		AddUint32(nas.NASPortType, 5).AddVSA(9, 1, []byte("mdm-tlv=device-platform=win")).
		AddVSA(3076, 146, []byte("DefaultWEBVPNGroup")).AddVSA(3076, 150, []byte{0, 0, 0, 2}).
		Sign(nas.Last).PadTo(288)
}

func BenchmarkWalk(b *testing.B) {
	octets := benchRequest().Bytes()
	b.ReportAllocs()
	for b.Loop() {
		if _, why := walk(octets); why != notDropped {
			b.Fatal(why)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	p, _ := walk(benchRequest().Bytes())
	c := testClient()
	b.ReportAllocs()
	for b.Loop() {
		if !p.authentic(c) {
			b.Fatal("refused")
		}
	}
}

func BenchmarkPassword(b *testing.B) {
	p, _ := walk(benchRequest().Bytes())
	c := testClient()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, fault := decodePassword(p.value(p.userPassword), p.authenticator(), c); fault != "" {
			b.Fatal("refused")
		}
	}
}

func BenchmarkAnswer(b *testing.B) {
	c := testClient()
	for name, v := range map[string]policy.Verdict{
		"accept":    {Outcome: policy.OutcomeAccept},
		"reject":    {Message: "Your second factor was not confirmed."},
		"challenge": {Outcome: policy.OutcomeChallenge, Message: "Passcode or option (1-3):", State: "0123456789abcdef0123456789abcdef", Wait: time.Minute},
	} {
		b.Run(name, func(b *testing.B) {
			p, _ := walk(benchRequest().ProxyState("proxy").Bytes())
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.answer(nil, c, &v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkReceiveUnknown(b *testing.B) {
	s := newDeaf(b, allow, 0)
	octets, now := benchRequest().Bytes(), time.Now()
	d := &datagram{}
	b.ReportAllocs()
	for b.Loop() {
		*d = datagram{asker: asker{listener: s.l, from: abroad}, received: now}
		s.receive(d, octets, nil)
	}
}

// BenchmarkReceiveWrong measures a packet that an attacker sends from a client's address.
func BenchmarkReceiveWrong(b *testing.B) {
	s := newDeaf(b, allow, 0)
	octets, now := benchRequest().Sign(nas.Wrong).Bytes(), time.Now()
	d := &datagram{}
	b.ReportAllocs()
	for b.Loop() {
		*d = datagram{asker: asker{listener: s.l, from: home}, received: now}
		s.receive(d, octets, nil)
	}
}

// BenchmarkLogin measures a whole login without the sockets and the policy.
func BenchmarkLogin(b *testing.B) {
	s := newDeaf(b, allow, 0)
	requests := make([][]byte, 1<<15) // fewer than the server remembers; after these the loop makes a new server
	for i := range requests {
		requests[i] = benchRequest().Bytes()
	}
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		if n%len(requests) == 0 && n > 0 {
			b.StopTimer()
			s.wantAnswered(len(requests))
			s = newDeaf(b, allow, 0)
			b.StartTimer()
		}
		s.take(requests[n%len(requests)], netip.AddrPortFrom(home.Addr(), uint16(n)))
		n++
	}
	s.wantAnswered((n-1)%len(requests) + 1)
}

// wantAnswered waits for the logins. A benchmark in which some are dropped measures something else.
func (s *deaf) wantAnswered(n int) {
	s.t.Helper()
	s.l.logins.Wait()
	if _, kept := s.Pending(); kept != n {
		s.t.Fatalf("%d of %d logins were answered", kept, n)
	}
}

// immediate is a Decider that decides everything in DecideAtOnce.
type immediate struct{ deciderFunc }

func (q immediate) DecideAtOnce(a policy.Attempt) (policy.Verdict, bool) {
	return q.deciderFunc(nil, a), true
}

// BenchmarkLoginAtOnce measures a login whose approval is remembered, without the sockets and the policy.
func BenchmarkLoginAtOnce(b *testing.B) {
	requests := make([][]byte, 1<<15)
	for i := range requests {
		requests[i] = benchRequest().Bytes()
	}
	fresh := func() *deaf {
		s := newDeaf(b, allow, 0)
		settings := *s.settings.Load()
		settings.Decider = immediate{allow}
		s.Use(settings)
		return s
	}
	s, n := fresh(), 0
	b.ReportAllocs()
	for b.Loop() {
		if n%len(requests) == 0 && n > 0 {
			b.StopTimer()
			s.wantAnswered(len(requests))
			s = fresh()
			b.StartTimer()
		}
		s.take(requests[n%len(requests)], netip.AddrPortFrom(home.Addr(), uint16(n)))
		n++
	}
	s.wantAnswered((n-1)%len(requests) + 1)
}
