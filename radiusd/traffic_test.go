package radiusd

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

func authenticatorNo(n int) (a [16]byte) {
	binary.BigEndian.PutUint64(a[8:], uint64(n)+1)
	return a
}

func seen(r *replays, a [16]byte, now time.Time) bool {
	replay, _ := r.seen(a, 1, true, now)
	return replay
}

// TestD8_ReplayMemory: requests are remembered for at least an hour, and at least the newest 65 536 of a client.
func TestD8_ReplayMemory(t *testing.T) {
	var r replays
	for minute := range 300 { // one a minute, for five hours
		now := start.Add(time.Duration(minute) * time.Minute)
		if seen(&r, authenticatorNo(minute), now) {
			t.Fatalf("minute %d: seen before it came", minute)
		}
		r.add(authenticatorNo(minute), 1, false, now)
		for back := range min(minute, 60) {
			if !seen(&r, authenticatorNo(minute-back), now) {
				t.Fatalf("minute %d: what came %d minutes ago is forgotten", minute, back)
			}
		}
		if len(r.young)+len(r.old) > 122 {
			t.Fatalf("minute %d: %d remembered", minute, len(r.young)+len(r.old))
		}
	}
	long := start.Add(24 * time.Hour)
	if seen(&r, authenticatorNo(299), long) || len(r.old) != 0 {
		t.Errorf("remembered for a day: %d", len(r.old))
	}
}

func TestD8_ReplayMemoryIsBounded(t *testing.T) {
	var r replays
	const all = 3*replayMemory + 1000
	for n := range all {
		if seen(&r, authenticatorNo(n), start) {
			t.Fatalf("%d: seen before it came", n)
		}
		r.add(authenticatorNo(n), 1, false, start)
		if n%10_000 == 0 && len(r.young)+len(r.old) > 2*replayMemory {
			t.Fatalf("%d remembered", len(r.young)+len(r.old))
		}
	}
	for n := all - replayMemory; n < all; n++ {
		if !seen(&r, authenticatorNo(n), start) {
			t.Fatalf("%d of %d is forgotten", n, all)
		}
	}
	r.forget(authenticatorNo(all-1), 1, false)
	r.forget(authenticatorNo(all-2000), 1, false)
	if seen(&r, authenticatorNo(all-1), start) || seen(&r, authenticatorNo(all-2000), start) {
		t.Error("seen after it was forgotten")
	}
}

func TestLimiter(t *testing.T) {
	var l limiter
	allowed := func(after time.Duration) (n int) {
		for l.allow(start.Add(after), 5, 20) {
			n++
		}
		return n
	}
	for _, tt := range []struct {
		after time.Duration
		want  int
	}{{0, 20}, {100 * time.Millisecond, 0}, {200 * time.Millisecond, 1}, {1200 * time.Millisecond, 5}, {time.Hour, 20}, {time.Hour, 0}} {
		if got := allowed(tt.after); got != tt.want {
			t.Errorf("after %v: %d, want %d", tt.after, got, tt.want)
		}
	}
}

// TestDropsAreQuiet: each reason has its own line, at once and then every ten seconds at most, with the count since the
// last line.
func TestDropsAreQuiet(t *testing.T) {
	var d drops
	for _, tt := range []struct {
		why   dropReason
		after time.Duration
		want  uint64
	}{
		{dropMalformed, 0, 1}, {dropMalformed, 0, 0}, {dropMalformed, time.Second, 0}, {dropAttributeTwice, time.Second, 1},
		{dropMalformed, dropLogInterval - 1, 0}, {dropMalformed, dropLogInterval, 4}, {dropMalformed, dropLogInterval, 0}, {dropMalformed, time.Hour, 2},
		{dropInProgress, 0, 0}, {dropInProgress, time.Hour, 0},
	} {
		if got := d.add(tt.why, start.Add(tt.after)); got != tt.want {
			t.Errorf("%v after %v: %d, want %d", tt.why, tt.after, got, tt.want)
		}
	}
	if got := d.counts[dropMalformed].Load(); got != 7 {
		t.Errorf("%d malformed in all, want 7", got)
	}
	for why := notDropped; why < dropReasonCount; why++ {
		if why.String() == "" {
			t.Errorf("reason %d has no name", why)
		}
	}
}

// TestC5_LinkLocalLookup: the zone decides where the reply goes, and not which client asks.
func TestC5_LinkLocalLookup(t *testing.T) {
	link, wide := testClient(), testClient()
	link.Addresses = []netip.Prefix{netip.MustParsePrefix("fe80::1/128")}
	wide.Name, wide.Addresses = "wide", []netip.Prefix{netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("10.0.0.0/8")}
	list, err := NewClients([]*Client{link, wide})
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]*Client{"fe80::1": link, "fe80::1%eth0": link, "fe80::1%7": link, "fe80::2%eth0": wide,
		"10.1.2.3": wide, "::ffff:10.1.2.3": wide, "::10.1.2.3": nil, "2001:db8::1": nil, "11.0.0.1": nil, "::": nil, "0.0.0.0": nil} {
		if got := first(list.find(netip.MustParseAddr(addr), netip.AddrPort{})); got != want {
			t.Errorf("%s: %v, want %v", addr, got, want)
		}
	}
	if list.find(netip.Addr{}, netip.AddrPort{}) != nil {
		t.Error("no address is a client")
	}
}

func first(list []*Client) *Client {
	if len(list) == 0 {
		return nil
	}
	return list[0]
}
