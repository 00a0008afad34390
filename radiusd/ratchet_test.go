package radiusd

import (
	"net/netip"
	"testing"
	"time"

	"duoradiusd/test/nas"
)

var twin = netip.MustParseAddr("192.0.2.2")

// feed notes n requests, from start+begin on, with the same time between them. It reports which of them turned the ratchet,
// or -1 for none.
func feed(r *ratchets, with bool, n int, begin, apart time.Duration) int {
	for i := range n {
		if turned, _ := r.note(home.Addr(), with, start.Add(begin+time.Duration(i)*apart)); turned {
			return i
		}
	}
	return -1
}

func TestRatchet(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(r *ratchets) int
		want int // the request that turns it
	}{
		{"19 in an hour", func(r *ratchets) int { return feed(r, true, 19, 0, 3*time.Minute) }, -1},
		{"20 in an hour", func(r *ratchets) int { return feed(r, true, 20, 0, 3*time.Minute) }, 19},
		{"many in less than ten minutes", func(r *ratchets) int { return feed(r, true, 599, 0, time.Second) }, -1},
		{"many in ten minutes", func(r *ratchets) int { return feed(r, true, 700, 0, time.Second) }, 600},
		{"one without, a day ago", func(r *ratchets) int {
			feed(r, false, 1, 0, 0)
			return feed(r, true, 100, 24*time.Hour-10*time.Minute, time.Minute)
		}, 19},
		{"one without, less than a day ago", func(r *ratchets) int {
			feed(r, false, 1, 0, 0)
			return feed(r, true, 1000, time.Minute, time.Minute)
		}, -1},
		{"two without, the later counts", func(r *ratchets) int {
			feed(r, false, 2, 0, 30*time.Minute)
			return feed(r, true, 100, 24*time.Hour, time.Minute)
		}, 30},
		{"one without starts the count anew", func(r *ratchets) int {
			feed(r, true, 19, 0, time.Minute)
			feed(r, false, 1, 20*time.Minute, 0)
			if got := r.byAddress[home.Addr()]; got.With != 0 || !got.First.IsZero() {
				return -2
			}
			return feed(r, true, 19, 48*time.Hour, time.Minute)
		}, -1},
		{"never turns twice", func(r *ratchets) int {
			feed(r, true, 20, 0, time.Minute)
			return feed(r, true, 100, time.Hour, time.Minute)
		}, -1},
		{"never falls", func(r *ratchets) int {
			feed(r, true, 20, 0, time.Minute)
			feed(r, false, 1000, time.Hour, time.Hour)
			if !r.required(home.Addr()) {
				return -2
			}
			return -1
		}, -1},
	} {
		var r ratchets
		if got := tt.do(&r); got != tt.want {
			t.Errorf("%s: request %d turned it, want %d", tt.name, got, tt.want)
		}
		if r.required(twin) {
			t.Errorf("%s: its twin must, too", tt.name)
		}
	}
}

// TestRatchetSays: the ratchet reports what must be known after a restart: that it turned, and that there was a packet
// without Message-Authenticator.
func TestRatchetSays(t *testing.T) {
	var r ratchets
	note := func(with bool, after time.Duration) (keep bool) {
		_, keep = r.note(home.Addr(), with, start.Add(after))
		return keep
	}
	for i, tt := range []struct {
		with  bool
		after time.Duration
		want  bool
	}{
		{true, 0, false}, {false, 0, true}, {false, time.Minute, false}, {true, time.Minute, false},
		{false, time.Hour - 1, false}, {false, time.Hour, true}, {false, 2*time.Hour - 1, false}, {false, 2 * time.Hour, true},
	} {
		if got := note(tt.with, tt.after); got != tt.want {
			t.Errorf("note %d: keep %v, want %v", i, got, tt.want)
		}
	}
	if got := r.byAddress[home.Addr()].LastWithout; got != start.Add(2*time.Hour) {
		t.Errorf("last without at %v", got)
	}
	for i := range 20 {
		if got := note(true, 100*time.Hour+time.Duration(i)*time.Minute); got != (i == 19) {
			t.Errorf("signed request %d: keep %v", i, got)
		}
	}
}

func TestRatchetsAreBounded(t *testing.T) {
	var r ratchets
	addr := netip.MustParseAddr("10.0.0.0")
	for range maxRatchets + 100 {
		r.note(addr, true, start)
		addr = addr.Next()
	}
	if len(r.byAddress) != maxRatchets {
		t.Errorf("%d addresses, want %d", len(r.byAddress), maxRatchets)
	}
}

// TestRatchetOfAnyAddressForm: a client is one host, whether its packets come through a dual-stack socket, with a zone, or
// plainly.
func TestRatchetOfAnyAddressForm(t *testing.T) {
	for _, forms := range [][]string{{"[::ffff:192.0.2.1]:1024", "192.0.2.1:1025"}, {"[fe80::1%eth0]:1024", "[fe80::1%7]:1025", "[fe80::1]:1026"}} {
		c := testClient()
		c.Addresses = []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("fe80::1/128")}
		s := newDeaf(t, allow, 0, c)
		take := func(b []byte, from string, after time.Duration) {
			s.receive(&datagram{asker: asker{listener: s.l, from: netip.MustParseAddrPort(from)}, received: start.Add(after)}, b, nil)
		}
		for i := range 20 {
			take(signedLogin().Bytes(), forms[i%len(forms)], time.Duration(i)*time.Minute)
		}
		for _, from := range forms {
			take(nas.AccessRequest(testSecret, "jo", "hunter2").Bytes(), from, time.Hour)
		}
		if got := s.Drops()[dropUnsignedByRatchet.String()]; got != uint64(len(forms)) {
			t.Errorf("%s: %d of %d dropped", forms[0], got, len(forms))
		}
	}
}

// TestUnsignedClientIsNamedDaily: once a day the log names a client whose requests anybody could forge.
func TestUnsignedClientIsNamedDaily(t *testing.T) {
	var c traffic
	day := time.Date(2026, 11, 21, 1, 0, 0, 0, time.UTC)
	for _, step := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {time.Hour, false}, {22 * time.Hour, false}, {23 * time.Hour, true}, {24 * time.Hour, false}} {
		if got := c.dueForWarning(day.Add(step.after)); got != step.want {
			t.Errorf("after %v: %v, want %v", step.after, got, step.want)
		}
	}
}
