package radiusd

import (
	"bytes"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"duoradiusd/policy"
	"duoradiusd/radiusd/wire"
	"duoradiusd/test/nas"
)

// at hands the server a datagram at a time after the start.
func (s *deaf) at(after time.Duration, b []byte, from netip.AddrPort) {
	s.receive(&datagram{asker: asker{listener: s.l, from: from}, received: start.Add(after)}, b, nil)
}

// TestRatchetOfPrefix: what is learned about one host of a prefix does not count for the others.
func TestRatchetOfPrefix(t *testing.T) {
	c := testClient()
	c.Addresses = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	s := newDeaf(t, allow, 0, c)
	other := netip.MustParseAddrPort("192.0.2.2:1024")
	for i := range 30 {
		s.at(time.Duration(i)*time.Minute, signedLogin().Bytes(), home)
	}
	s.at(time.Hour, nas.AccessRequest(testSecret, "jo", "hunter2").Bytes(), home)
	if got := s.Drops()[dropUnsignedByRatchet.String()]; got != 1 {
		t.Errorf("after thirty signed requests an unsigned one is believed: %+v", s.Clients()[0])
	}
	s.at(time.Hour, nas.AccessRequest(testSecret, "jo", "hunter2").Bytes(), other)
	if got := s.Drops()[dropUnsignedByRatchet.String()]; got != 1 {
		t.Error("a host of the prefix pays for another")
	}
}

// TestRatchetIsNotHeld: a stranger can send an unsigned packet whose password can't be decoded. Such a packet is no
// evidence that the client sends no Message-Authenticator. An unsigned login whose password is right is evidence.
func TestRatchetIsNotHeld(t *testing.T) {
	for _, tt := range []struct {
		name    string
		decide  deciderFunc
		secret  string
		require bool
	}{
		{"a stranger's noise", allow, "a stranger knows no secret......", true},
		{"a guess that is rejected", deny, testSecret, true},
		{"a login that is allowed", allow, testSecret, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newDeaf(t, tt.decide, 0)
			for day := range 3 {
				begin := time.Duration(day) * 24 * time.Hour
				s.at(begin, nas.AccessRequest(tt.secret, "x", "noise").Bytes(), home)
				s.l.logins.Wait()
				for i := range 100 {
					s.at(begin+time.Duration(i+1)*10*time.Minute, signedLogin().Bytes(), home)
				}
			}
			s.l.logins.Wait()
			if r := s.Clients()[0].Ratchets; len(r) != 1 || r[0].Required != tt.require {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestRatchetSaysWhatItWaitsFor: the status of a client says what the ratchet waits for.
func TestRatchetSaysWhatItWaitsFor(t *testing.T) {
	now := start.Add(48 * time.Hour)
	for _, tt := range []struct {
		r    Ratchet
		want string
	}{
		{Ratchet{Required: true}, ""},
		{Ratchet{With: 3, First: now.Add(-time.Hour)}, "3 of the 20 requests"},
		{Ratchet{With: 20, First: now.Add(-4 * time.Minute)}, "for 4m, and 10m are needed"},
		{Ratchet{With: 20, First: now.Add(-time.Hour), LastWithout: now.Add(-22 * time.Hour)}, "less than 24h ago; it can be required in 2h"},
		{Ratchet{LastWithout: now.Add(-time.Hour)}, "1h ago"},
		{Ratchet{With: 20, First: now.Add(-time.Hour)}, "after the next request"},
	} {
		if got := tt.r.Waits(now); !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
			t.Errorf("%+v: %q, want %q", tt.r, got, tt.want)
		}
	}
}

// TestStatusServerCaptured: copies of one Status-Server get the kept reply for 30 s and then nothing. They do not count
// against the number of the client's own Status-Servers.
func TestStatusServerCaptured(t *testing.T) {
	s := newDeaf(t, allow, 0)
	captured := nas.StatusServer(testSecret).Sign(nas.First).Bytes()
	after := time.Duration(0)
	for i := range 600 { // for a minute, ten a second
		after += 100 * time.Millisecond
		s.at(after, captured, home)
		if i%20 == 0 { // the client's own
			s.at(after, nas.StatusServer(testSecret).Sign(nas.First).Bytes(), home)
		}
	}
	drops := s.Drops()
	if drops[dropStatusTooOften.String()] != 0 {
		t.Errorf("the client's own were dropped: %v", drops)
	}
	if got := drops[dropReplayed.String()]; got != 300 {
		t.Errorf("%d copies were dropped, want the 300 of the second half", got)
	}
	off := testClient()
	off.NoStatusServer = true
	s = newDeaf(t, allow, 0, off)
	s.at(0, nas.StatusServer(testSecret).Sign(nas.First).Bytes(), home)
	if got := s.Drops()[dropStatusOff.String()]; got != 1 {
		t.Errorf("status_server = false: %v", s.Drops())
	}
}

// TestDropLines: a line of the log about a dropped packet names all that is known about it.
func TestDropLines(t *testing.T) {
	probing := testClient()
	probing.MessageAuthenticator = Require
	probing.Login.ProbeUsers = []string{"test01"}
	twice := signedLogin()
	twice.Attributes = append(twice.Attributes, nas.Attribute{Type: nas.UserName, Value: []byte("jo")})
	accounting := signedLogin().Bytes()
	accounting[0] = 4
	for _, tt := range []struct {
		b    []byte
		from netip.AddrPort
		want []string
	}{
		{twice.Bytes(), home, []string{"attribute=User-Name"}},
		{accounting, home, []string{"code=Accounting-Request", "hint=", "level=WARN"}},
		{nas.AccessRequest(testSecret, "test01", "x").Bytes(), home, []string{"user=test01", "connectivity test"}},
		{signedLogin().Bytes(), abroad, []string{`reason="unknown client"`, "hint="}},
		{nas.AccessRequest(testSecret, "jo", "x").Bytes(), home, []string{"set the client to send a Message-Authenticator"}},
		{nas.StatusServer(testSecret).Sign(nas.None).Bytes(), home, []string{"every Status-Server must have", "level=WARN"}},
		{nas.AccessRequest(testSecret, "jo", "").EAP(nas.EAPIdentity(7, "jo")).Sign(nas.None).Bytes(), home, []string{"every request with EAP must have"}},
	} {
		var log bytes.Buffer
		s := newDeaf(t, allow, 0, probing)
		s.Logger = slog.New(slog.NewTextHandler(&log, nil))
		s.at(0, tt.b, tt.from)
		for _, word := range tt.want {
			if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), word) {
				t.Errorf("%q, want %q", log.String(), word)
			}
		}
	}
}

// TestWrongSecretOnceAMinute: each client has one line a minute, with a count.
func TestWrongSecretOnceAMinute(t *testing.T) {
	var log bytes.Buffer
	one, two := testClient(), testClient()
	two.Name, two.Addresses = "two", []netip.Prefix{netip.MustParsePrefix("192.0.2.2/32")}
	s := newDeaf(t, allow, 0, one, two)
	s.Logger = slog.New(slog.NewTextHandler(&log, nil))
	for second := range 90 {
		for _, from := range []string{"192.0.2.1:1024", "192.0.2.2:1024"} {
			s.at(time.Duration(second)*time.Second, signedLogin().Sign(nas.Wrong).Bytes(), netip.MustParseAddrPort(from))
		}
	}
	for _, want := range []string{"count=1 client=vpn", "count=60 client=vpn", "count=1 client=two", "count=60 client=two"} {
		if strings.Count(log.String(), want+" ") != 1 {
			t.Errorf("want %q once:\n%s", want, log.String())
		}
	}
}

// TestUndecodableOnceAMinute: a password that can't be decoded may mean a wrong secret, so it shares its line with a wrong
// Message-Authenticator. Where a valid Message-Authenticator proves the secret, each login has a line of its own, and all
// are counted.
func TestUndecodableOnceAMinute(t *testing.T) {
	for _, file := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			s := newDeaf(t, allow, 0)
			s.Logger = slog.New(slog.NewTextHandler(&log, nil))
			if file {
				s.LoginLog = &LoginLog{To: &log}
			}
			told := 0
			s.OnLogin = func(Event) { told++ }
			for second := range 90 {
				for i, secret := range []string{"another secret", testSecret} {
					b := nas.AccessRequest(secret, "jo", "hunter2").Bytes()
					if i == 1 {
						b = signedLogin().Sign(nas.Wrong).Bytes()
					}
					s.take(b, netip.AddrPortFrom(home.Addr(), uint16(1024+second)))
				}
				time.Sleep(time.Second)
				synctest.Wait()
			}
			if got := strings.Count(log.String(), "secret is the same on both sides"); got != 2 {
				t.Errorf("%d lines doubt the secret, want 2:\n%s", got, log.String())
			}
			if !strings.Contains(log.String(), "count=1 ") || !strings.Contains(log.String(), "count=120 ") {
				t.Errorf("the counts are wrong:\n%s", log.String())
			}
			if told != 90 || s.Outcomes()[policy.ReasonBadSecret] != 90 {
				t.Errorf("%d told, %v counted, want 90", told, s.Outcomes())
			}
			log.Reset()
			for i := range 3 {
				b := nas.AccessRequest(testSecret, "jo", "x\x00y").Sign(nas.First).Bytes()
				s.take(b, netip.AddrPortFrom(home.Addr(), uint16(2000+i)))
				synctest.Wait()
			}
			if got := strings.Count(log.String(), "undecodable-password"); got != 3 || strings.Contains(log.String(), "count=") || strings.Contains(log.String(), "secret is the same on both sides") {
				t.Errorf("signed: %d lines, want 3 that do not doubt the secret:\n%s", got, log.String())
			}
		})
	}
}

// TestUnknownSources: the latest unknown sources are listed, in a list of bounded length.
func TestUnknownSources(t *testing.T) {
	s := newDeaf(t, allow, 0)
	addr := netip.MustParseAddr("198.51.100.0")
	for i := range 100 {
		s.at(time.Duration(i)*time.Second, signedLogin().Bytes(), netip.AddrPortFrom(addr, 1024))
		addr = addr.Next()
	}
	s.at(time.Hour, signedLogin().Bytes(), netip.MustParseAddrPort("198.51.100.99:2"))
	list := s.UnknownSources()
	if len(list) != maxUnknownSources || list[0].Address != netip.MustParseAddr("198.51.100.99") || list[0].Packets != 2 || list[1].Packets != 1 {
		t.Errorf("%+v", list)
	}
}

// TestM4_EAPRepliesAreSigned: replies with EAP are always signed, whatever the client's configuration says (RFC 3579 §3.2).
func TestM4_EAPRepliesAreSigned(t *testing.T) {
	c := testClient()
	c.OmitReplyAuthenticator = true
	s := newDeaf(t, deny, 0, c)
	r := signedLogin().EAP(nil)
	p, why := walk(r.Bytes())
	if why != notDropped {
		t.Fatal(why)
	}
	reply, err := p.answer(nil, s.settings.Load().Clients.list[0], &policy.Verdict{})
	if err != nil || len(reply) < wire.HeaderLength+wire.SignatureLength || reply[wire.HeaderLength] != wire.MessageAuthenticator {
		t.Errorf("% x", reply)
	}
}
