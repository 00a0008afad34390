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

// TestD8_ReplayMemory: an hour at least, or the newest 65 536 of a client.
func TestD8_ReplayMemory(t *testing.T) {
	var r replays
	for minute := range 300 { // one a minute, for five hours
		now := start.Add(time.Duration(minute) * time.Minute)
		if r.seen(mark(authenticatorNo(minute)), now) {
			t.Fatalf("minute %d: seen before it came", minute)
		}
		r.add(mark(authenticatorNo(minute)), now)
		for back := range min(minute, 60) {
			if !r.seen(mark(authenticatorNo(minute-back)), now) {
				t.Fatalf("minute %d: what came %d minutes ago is forgotten", minute, back)
			}
		}
		if r.young.used+r.old.used > 122 {
			t.Fatalf("minute %d: %d remembered", minute, r.young.used+r.old.used)
		}
	}
	long := start.Add(24 * time.Hour)
	if r.seen(mark(authenticatorNo(299)), long) || r.old.used != 0 {
		t.Errorf("remembered for a day: %d", r.old.used)
	}
}

func TestD8_ReplayMemoryIsBounded(t *testing.T) {
	var r replays
	const all = 3*replayMemory + 1000
	for n := range all {
		if r.seen(mark(authenticatorNo(n)), start) {
			t.Fatalf("%d: seen before it came", n)
		}
		r.add(mark(authenticatorNo(n)), start)
		if n%10_000 == 0 && r.young.used+r.old.used > 2*replayMemory {
			t.Fatalf("%d remembered", r.young.used+r.old.used)
		}
	}
	for n := all - replayMemory; n < all; n++ {
		if !r.seen(mark(authenticatorNo(n)), start) {
			t.Fatalf("%d of %d is forgotten", n, all)
		}
	}
	r.forget(mark(authenticatorNo(all - 1)))
	r.forget(mark(authenticatorNo(all - 2000)))
	if r.seen(mark(authenticatorNo(all-1)), start) || r.seen(mark(authenticatorNo(all-2000)), start) {
		t.Error("seen after it was forgotten")
	}
}

func TestBucket(t *testing.T) {
	var b bucket
	take := func(after time.Duration) (n int) {
		for b.take(start.Add(after), 5, 20) {
			n++
		}
		return n
	}
	for _, tt := range []struct {
		after time.Duration
		want  int
	}{{0, 20}, {100 * time.Millisecond, 0}, {200 * time.Millisecond, 1}, {1200 * time.Millisecond, 5}, {time.Hour, 20}, {time.Hour, 0}} {
		if got := take(tt.after); got != tt.want {
			t.Errorf("after %v: %d, want %d", tt.after, got, tt.want)
		}
	}
}

// TestDropsAreQuiet: each reason by itself, at once and then at most every ten seconds, with the count since.
func TestDropsAreQuiet(t *testing.T) {
	var d drops
	for _, tt := range []struct {
		why   dropped
		after time.Duration
		want  uint64
	}{
		{malformed, 0, 1}, {malformed, 0, 0}, {malformed, time.Second, 0}, {ambiguous, time.Second, 1},
		{malformed, quietly - 1, 0}, {malformed, quietly, 4}, {malformed, quietly, 0}, {malformed, time.Hour, 2},
		{inProgress, 0, 0}, {inProgress, time.Hour, 0},
	} {
		if got := d.add(tt.why, start.Add(tt.after)); got != tt.want {
			t.Errorf("%v after %v: %d, want %d", tt.why, tt.after, got, tt.want)
		}
	}
	if got := d.counts[malformed].Load(); got != 7 {
		t.Errorf("%d malformed in all, want 7", got)
	}
	for why := passed; why < reasons; why++ {
		if why.String() == "" {
			t.Errorf("reason %d has no name", why)
		}
	}
}

// TestC5_LinkLocalLookup: the zone says where to reply, not who asks.
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
		if got := list.find(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v, want %v", addr, got, want)
		}
	}
	if list.find(netip.Addr{}) != nil {
		t.Error("no address is a client")
	}
	if !link.single(netip.MustParseAddr("fe80::1")) || wide.single(netip.MustParseAddr("fe80::1")) {
		t.Error("single")
	}
}
