package radiusd

import (
	"crypto/rand"
	"encoding/binary"
	mathrand "math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"duoradiusd/radiusd/wire"
	"duoradiusd/test/nas"
)

var start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// requestNo returns a request of its own, on a slot of its own.
func requestNo(n int, c *Client) *request {
	x := &request{client: c, key: requestKey(n + 1)}
	x.slot = slot{asker{from: netip.AddrPortFrom(home.Addr(), uint16(n/256))}, byte(n)}
	binary.BigEndian.PutUint64(x.authenticator[:], uint64(n)+1)
	return x
}

// begin adds x, which is no copy.
func (t *duplicates) begin(x *request, resumes bool, now time.Time) dropReason {
	_, why := t.add(x, resumes, now)
	return why
}

// answer ends the login of x, which waits, with a reply; if there is none, nobody gets one.
func (t *duplicates) answer(x *request, reply []byte, now time.Time) {
	for _, y := range t.end(x, reply != nil, now) {
		if reply == nil {
			t.discard(y)
		} else {
			t.finish(y, reply, false, now)
		}
	}
}

// copyOf hands the table another copy of x.
func (t *duplicates) copyOf(x *request, now time.Time) (reply []byte, why dropReason) {
	c := &request{key: x.key, slot: x.slot, authenticator: x.authenticator, client: x.client, authentic: x.authentic}
	return t.add(c, false, now)
}

func clientOfTraffic() *Client {
	return &Client{Secret: wire.NewSecret(testSecret), traffic: &traffic{}}
}

// TestD4_ReplyLife: a reply is kept for 30 s after it was given, or for the client's timeout where that is longer.
func TestD4_ReplyLife(t *testing.T) {
	for timeout, life := range map[time.Duration]time.Duration{10 * time.Second: 30 * time.Second, time.Minute: time.Minute} {
		c := clientOfTraffic()
		c.Timeout = timeout
		x := requestNo(1, c)
		table := newDuplicates(100)
		if why := table.begin(x, false, start); why != notDropped {
			t.Fatal(why)
		}
		given := start.Add(time.Hour / 2) // the wait does not count
		if reply, why := table.copyOf(x, given); reply != nil || why != dropInProgress {
			t.Errorf("in progress: % x, %v", reply, why)
		}
		_, first := table.finish(x, []byte("reply"), false, given)
		if _, again := table.finish(x, []byte("another"), false, given); !first || again {
			t.Error("finish twice")
		}
		for _, after := range []time.Duration{0, 5 * time.Second, life - 1} {
			if reply, why := table.copyOf(x, given.Add(after)); string(reply) != "reply" || why != notDropped {
				t.Errorf("after %v: %q, %v", after, reply, why)
			}
		}
		// After that, only the memory of Request Authenticators prevents another push.
		if reply, why := table.copyOf(x, given.Add(life)); reply != nil || why != dropReplayed {
			t.Errorf("after %v: %q, %v", life, reply, why)
		}
		if inFlight, kept := table.load(); inFlight != 0 || kept != 0 || len(table.byKey) != 0 {
			t.Errorf("%d in flight, %d kept, %d known", inFlight, kept, len(table.byKey))
		}
	}
}

// TestD4_LongLifeBeforeShort: expired replies are removed even if a reply that is kept longer stands before them.
func TestD4_LongLifeBeforeShort(t *testing.T) {
	table, long, short := newDuplicates(100), clientOfTraffic(), clientOfTraffic()
	long.Timeout = 10 * time.Minute
	a, b := requestNo(1, long), requestNo(2, short)
	for _, x := range []*request{a, b} {
		table.begin(x, false, start)
		table.finish(x, []byte("reply"), false, start)
	}
	if reply, why := table.copyOf(b, start.Add(time.Minute)); reply != nil || why != dropReplayed {
		t.Errorf("%q, %v", reply, why)
	}
	if reply, _ := table.copyOf(a, start.Add(time.Minute)); reply == nil {
		t.Error("the long one is gone")
	}
	table.expire(start.Add(time.Hour))
	if _, kept := table.load(); kept != 0 || len(table.byKey) != 0 || table.newest != nil {
		t.Errorf("%d kept, %d known", kept, len(table.byKey))
	}
}

// TestD12_KeptRepliesAreBounded: the oldest replies are removed first, and never a request that is in progress.
func TestD12_KeptRepliesAreBounded(t *testing.T) {
	const pending, more = 1000, 5000
	c := clientOfTraffic()
	table := newDuplicates(1 << 20)
	for n := range pending {
		table.begin(requestNo(n, c), false, start)
	}
	for n := pending; n < pending+maxKeptReplies+more; n++ {
		x := requestNo(n, c)
		if why := table.begin(x, false, start); why != notDropped {
			t.Fatal(why)
		}
		table.finish(x, []byte("reply"), false, start)
	}
	if inFlight, kept := table.load(); inFlight != pending || kept != maxKeptReplies || len(table.byKey) != pending+maxKeptReplies {
		t.Errorf("%d in flight, %d kept, %d known", inFlight, kept, len(table.byKey))
	}
	for n, want := range map[int]bool{0: true, pending - 1: true, pending: false, pending + more - 1: false,
		pending + more: true, pending + maxKeptReplies + more - 1: true} {
		if _, why := table.copyOf(requestNo(n, c), start); (why != dropReplayed) != want {
			t.Errorf("request %d known: %v, want %v", n, !want, want)
		}
	}
	table.expire(start.Add(keepReply))
	if inFlight, kept := table.load(); inFlight != pending || kept != 0 || len(table.byKey) != pending {
		t.Errorf("later: %d in flight, %d kept, %d known", inFlight, kept, len(table.byKey))
	}
}

// TestRequestKey: each part that distinguishes requests changes the key; what may differ between copies does not.
func TestRequestKey(t *testing.T) {
	signed, _ := walk(signedLogin().Bytes())
	key := func(change func(*datagram)) requestKey {
		d := datagram{asker: asker{listener: &listener{}, from: home}, packet: signed, client: &Client{Name: "vpn"}}
		change(&d)
		return d.requestKey()
	}
	linkLocal := func(zone string) func(*datagram) {
		return func(d *datagram) { d.from = netip.AddrPortFrom(netip.MustParseAddr("fe80::1").WithZone(zone), 1024) }
	}
	octet := func(i int) func(*datagram) {
		return func(d *datagram) {
			b := slices.Clone(signed.b)
			b[i]++
			d.packet.b = b
		}
	}
	same := key(func(*datagram) {})
	for i, change := range []func(*datagram){
		func(d *datagram) { d.from = netip.AddrPortFrom(home.Addr(), 1025) },
		func(d *datagram) { d.listener = &listener{} },
		func(d *datagram) { d.to = netip.MustParseAddr("127.0.0.1") },
		func(d *datagram) { d.client = &Client{Name: "vpn"} },
	} {
		if key(change) != same {
			t.Errorf("copy %d is another request", i)
		}
	}
	seen := map[requestKey]int{same: -1}
	for i, change := range []func(*datagram){
		func(d *datagram) { d.from = abroad },
		func(d *datagram) { d.client = &Client{Name: "console"} },
		octet(1), octet(4), octet(len(signed.b) - 1),
		linkLocal(""), linkLocal("eth0"), linkLocal("eth1"),
	} {
		k := key(change)
		if other, ok := seen[k]; ok {
			t.Errorf("%d and %d are taken for copies", other, i)
		}
		seen[k] = i
	}
}

func TestHasRoom(t *testing.T) {
	for _, tt := range []struct {
		taken, limit   int
		fresh, resumes bool
	}{
		{0, 1, true, true}, {1, 1, false, false}, {14, 16, true, true}, {15, 16, false, true}, {16, 16, false, false},
		{29999, 32000, true, true}, {30000, 32000, false, true}, {31999, 32000, false, true},
	} {
		if fresh, resumes := hasRoom(tt.taken, tt.limit, false), hasRoom(tt.taken, tt.limit, true); fresh != tt.fresh || resumes != tt.resumes {
			t.Errorf("%d of %d: %v and %v, want %v and %v", tt.taken, tt.limit, fresh, resumes, tt.fresh, tt.resumes)
		}
	}
}

// TestDuplicatesAtRandom does in random order what clients and attackers do, and compares the table with a simple model of
// it.
func TestDuplicatesAtRandom(t *testing.T) {
	dice := mathrand.New(mathrand.NewPCG(1, 2))
	table := newDuplicates(40)
	clients := []*Client{clientOfTraffic(), clientOfTraffic()}
	var all []*request
	abandoned := make(map[*request]bool)
	now := start
	for n := range 50_000 {
		now = now.Add(time.Duration(dice.IntN(200)) * time.Millisecond)
		pick := func() *request { return all[dice.IntN(len(all))] }
		switch kind := dice.IntN(4); {
		case kind < 2:
			c := clients[dice.IntN(2)]
			x := &request{client: c, authentic: dice.IntN(2) == 0, key: requestKey(n), datagram: someLogin(t, c, dice)}
			x.slot.identifier = byte(dice.IntN(10))
			rand.Read(x.authenticator[:])
			before := table.inFlight
			if why := table.begin(x, dice.IntN(4) == 0, now); why == dropInProgress { // a login that waits is asked for once more
				if x.waiting == nil || !slices.Contains(x.waiting.requests, x) {
					t.Fatal("a retry is not answered")
				}
				all = append(all, x)
				break
			} else if why != notDropped {
				if table.inFlight != before {
					t.Fatalf("refused as %q, and yet something changed", why)
				}
				break
			}
			all = append(all, x)
			if dice.IntN(3) > 0 {
				table.wait(x, []string{"jo", "al", ""}[dice.IntN(3)], func(error) { abandoned[x] = true }, now)
			} else {
				table.finish(x, []byte{1}, false, now)
			}
		case len(all) == 0:
		case kind == 2, dice.IntN(4) == 0:
			x := pick()
			requests := []*request{x}
			if x.waiting != nil {
				requests = table.end(x, kind == 2, now)
			}
			for _, y := range requests {
				before := y.reply
				if kind != 2 {
					table.discard(y)
				} else if _, sent := table.finish(y, []byte{1}, false, now); sent && (abandoned[x] || before != nil) {
					t.Fatal("answered twice, or after it was abandoned")
				}
			}
		default:
			table.copyOf(pick(), now)
		}
		check(t, table, clients)
		all = all[max(0, len(all)-60):]
	}
}

// someLogin is one of four logins of c, so that a login may be a retry.
func someLogin(t *testing.T, c *Client, dice *mathrand.Rand) *datagram {
	r := nas.AccessRequest(testSecret, []string{"jo", "al"}[dice.IntN(2)], []string{"hunter2", ""}[dice.IntN(2)])
	p, why := walk(r.Bytes())
	if why != notDropped {
		t.Fatal(why)
	}
	return &datagram{client: c, packet: p}
}

// check fails when the table contradicts itself.
func check(t *testing.T, table *duplicates, clients []*Client) {
	t.Helper()
	flying, waits := 0, 0
	for key, x := range table.byKey {
		if x.key != key || x.state == forgotten || (x.state == answered) != (x.reply != nil) {
			t.Fatal("a key leads to a request that is not its own, or is forgotten")
		}
		if x.state == inFlight {
			flying++
			if x.waiting != nil {
				waits++
			}
		}
	}
	for s, login := range table.bySlot {
		n := 0
		for ; login != nil; login = login.older {
			if n++; login.slot != s || len(login.requests) == 0 || len(login.requests) > 2 {
				t.Fatalf("a slot leads to a login that is over, or of too many requests: %d", len(login.requests))
			}
			for _, x := range login.requests {
				if x.slot != s || x.state != inFlight || x.waiting != login {
					t.Fatal("a login's request is over, or is another's")
				}
				waits--
			}
		}
		if n > 2 {
			t.Fatalf("%d logins on one slot", n)
		}
	}
	if waits != 0 {
		t.Fatalf("%d more requests wait than are on slots", waits)
	}
	perClient := 0
	for _, c := range clients {
		perClient += c.traffic.inFlight
	}
	if flying != table.inFlight || perClient != flying {
		t.Fatalf("%d in flight by the keys, %d by the table, %d by the clients", flying, table.inFlight, perClient)
	}
	kept := 0
	for x := table.oldest; x != nil; x = x.nextKept {
		kept++
	}
	if kept != table.kept {
		t.Fatalf("%d kept, counted %d", kept, table.kept)
	}
}

// TestSavedRepliesInLists: each kept reply is saved once, even if older ones expire and new ones come meanwhile.
func TestSavedRepliesInLists(t *testing.T) {
	c := clientOfTraffic()
	c.Timeout = time.Second
	table := newDuplicates(10_000)
	n := 0
	more := func(count int, now time.Time) {
		for range count {
			x := requestNo(n, c)
			x.datagram = &datagram{packet: packet{b: []byte{byte(n >> 8), byte(n)}}}
			if why := table.begin(x, false, now); why != notDropped {
				t.Fatal(why)
			}
			table.finish(x, []byte("reply"), true, now)
			n++
		}
	}
	more(savedAtOnce+10, start)
	later := start.Add(keepReply / 2)
	more(2*savedAtOnce, later)
	lists := 0
	seen := make(map[int]int)
	for list := range table.saveReplies(later) {
		if len(list) > savedAtOnce {
			t.Fatalf("%d in a list", len(list))
		}
		if lists++; lists == 1 {
			more(5, start.Add(keepReply)) // the replies of the start expire
		}
		for _, s := range list {
			seen[int(s.Request[0])<<8|int(s.Request[1])]++
		}
	}
	for i := range n {
		want := 1
		if i >= savedAtOnce && i < savedAtOnce+10 { // expired before they were read
			want = 0
		}
		if seen[i] != want {
			t.Errorf("reply %d: saved %d times, want %d", i, seen[i], want)
		}
	}
}
