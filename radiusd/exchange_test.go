package radiusd

import (
	"crypto/rand"
	"encoding/binary"
	mathrand "math/rand/v2"
	"testing"
	"time"
)

var start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// exchangeNo returns an exchange on a slot of its own.
func exchangeNo(n int, c *Client) *exchange {
	x := &exchange{client: c, abandon: func(error) {}, asking: &asking{}}
	x.slot = slot(10+n) * 0x9e3779b97f4a7c15 // spread, as hashes are
	binary.BigEndian.PutUint64(x.authenticator[:], uint64(n)+1)
	return x
}

// claim takes x in, which repeats nothing.
func (t *exchanges) claim(x *exchange, resumes bool, now time.Time) dropped {
	_, why := t.take(x, resumes, now)
	return why
}

// repeated has another copy of a request come, if there is any on the slot.
func (t *exchanges) repeated(s slot, authenticator [16]byte, now time.Time) (reply []byte, why dropped, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire(now)
	newest, _ := t.bySlot.get(uint64(s))
	x := newest.generation(authenticator)
	if x == nil {
		return nil, passed, false
	}
	reply, why = x.repeated(now)
	return reply, why, true
}

func clientOfTraffic() *Client { return &Client{traffic: &traffic{}} }

// TestD4_ReplyLife: a reply is kept for 30 s from when it was given.
func TestD4_ReplyLife(t *testing.T) {
	x := exchangeNo(1, clientOfTraffic())
	table := newExchanges(100)
	if why := table.claim(x, false, start); why != passed {
		t.Fatal(why)
	}
	answered := start.Add(time.Hour) // the wait does not count
	if reply, why, known := table.repeated(x.slot, x.authenticator, answered); reply != nil || why != inProgress || !known {
		t.Errorf("in progress: % x, %v, %v", reply, why, known)
	}
	if !table.finish(x, []byte("reply"), answered) || table.finish(x, []byte("another"), answered) {
		t.Error("finish twice")
	}
	for _, after := range []time.Duration{0, 5 * time.Second, 30*time.Second - 1} {
		if reply, why, known := table.repeated(x.slot, x.authenticator, answered.Add(after)); string(reply) != "reply" || why != passed || !known {
			t.Errorf("after %v: %q, %v, %v", after, reply, why, known)
		}
	}
	if reply, _, known := table.repeated(x.slot, x.authenticator, answered.Add(30*time.Second)); reply != nil || known {
		t.Errorf("after 30 s: %q", reply)
	}
	if inFlight, kept := table.load(); inFlight != 0 || kept != 0 || table.bySlot.len() != 0 {
		t.Errorf("%d in flight, %d kept, %d slots", inFlight, kept, table.bySlot.len())
	}
	// Then only the memory of Authenticators stands between it and another push.
	again := exchangeNo(1, x.client)
	if why := table.claim(again, false, answered.Add(replyLife)); why != replayed {
		t.Errorf("again: %v", why)
	}
}

// TestOvertaken: of two requests on a slot the one that was read first comes second. It was given up when the other was
// sent, so nobody is asked about it; but where the other could be anybody's both go on.
func TestOvertaken(t *testing.T) {
	for _, tt := range []struct {
		name         string
		newer, older uint64 // turns
		authentic    bool   // the newer one is
		want         dropped
	}{
		{"overtaken", 2, 1, true, overtaken},
		{"in order", 1, 2, true, passed},
		{"read together", 1, 1, true, passed},
		{"by what anybody could have sent", 2, 1, false, passed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table := newExchanges(10)
			first, second := exchangeNo(1, clientOfTraffic()), exchangeNo(1, nil)
			first.turn, second.turn = tt.newer, tt.older
			first.authentic, second.authentic = tt.authentic, true
			second.client, second.authenticator[15] = first.client, 0xff
			gaveUp := false
			table.claim(first, false, start)
			table.waits(first, "jo", func(error) { gaveUp = true }, start)
			if got := table.claim(second, false, start); got != tt.want {
				t.Fatalf("%v, want %v", got, tt.want)
			}
			if tt.want == passed {
				return
			}
			if gaveUp || !table.finish(first, []byte("reply"), start) {
				t.Error("the newer one is not answered")
			}
			if again := table.claim(second, false, start); again != replayed {
				t.Errorf("its copy: %v", again)
			}
			check(t, table, []*Client{first.client})
		})
	}
}

// TestOvertakenByTwo: what stands between the late one and the one that has taken its place does not help it.
func TestOvertakenByTwo(t *testing.T) {
	table, c := newExchanges(10), clientOfTraffic()
	named := func(turn uint64, authentic bool) *exchange {
		x := exchangeNo(1, c)
		x.turn, x.authentic, x.authenticator[15] = turn, authentic, byte(turn)
		return x
	}
	newer, anybody := named(5, true), named(6, false)
	for _, x := range []*exchange{newer, anybody} {
		if why := table.claim(x, false, start); why != passed {
			t.Fatal(why)
		}
	}
	if why := table.claim(named(4, true), false, start); why != overtaken || newer.gone {
		t.Errorf("%v, and the newer one is gone: %v", why, newer.gone)
	}
	if why := table.claim(named(3, false), false, start); why != overtaken {
		t.Errorf("what anybody could have sent: %v", why)
	}
	table, c = newExchanges(10), clientOfTraffic()
	answered := named(6, false)
	table.claim(answered, false, start)
	table.finish(answered, []byte("reply"), start)
	if why := table.claim(named(5, false), false, start); why != overtaken || answered.gone {
		t.Errorf("%v, and the kept reply is gone: %v", why, answered.gone)
	}
}

// TestD12_KeptRepliesAreBounded: the oldest go first, and never one that is in progress.
func TestD12_KeptRepliesAreBounded(t *testing.T) {
	const pending, more = 1000, 5000
	c := clientOfTraffic()
	table := newExchanges(1 << 20)
	for n := range pending {
		table.claim(exchangeNo(n, c), false, start)
	}
	for n := pending; n < pending+maxReplies+more; n++ {
		x := exchangeNo(n, c)
		if why := table.claim(x, false, start); why != passed {
			t.Fatal(why)
		}
		table.finish(x, []byte("reply"), start)
	}
	if inFlight, kept := table.load(); inFlight != pending || kept != maxReplies || table.bySlot.len() != pending+maxReplies {
		t.Errorf("%d in flight, %d kept, %d slots", inFlight, kept, table.bySlot.len())
	}
	if len(table.kept.places) > 3*maxReplies {
		t.Errorf("the list has %d places for %d replies", len(table.kept.places), maxReplies)
	}
	known := func(n int) bool {
		x := exchangeNo(n, c)
		_, _, known := table.repeated(x.slot, x.authenticator, start)
		return known
	}
	for n, want := range map[int]bool{0: true, pending - 1: true, pending: false, pending + more - 1: false,
		pending + more: true, pending + maxReplies + more - 1: true} {
		if known(n) != want {
			t.Errorf("exchange %d known: %v, want %v", n, !want, want)
		}
	}
	table.expire(start.Add(replyLife))
	if inFlight, kept := table.load(); inFlight != pending || kept != 0 || table.bySlot.len() != pending {
		t.Errorf("later: %d in flight, %d kept, %d slots", inFlight, kept, table.bySlot.len())
	}
}

func TestRoom(t *testing.T) {
	for _, tt := range []struct {
		taken, limit   int
		fresh, resumes bool
	}{
		{0, 1, true, true}, {1, 1, false, false}, {14, 16, true, true}, {15, 16, false, true}, {16, 16, false, false},
		{29999, 32000, true, true}, {30000, 32000, false, true}, {31999, 32000, false, true},
	} {
		if fresh, resumes := room(tt.taken, tt.limit, false), room(tt.taken, tt.limit, true); fresh != tt.fresh || resumes != tt.resumes {
			t.Errorf("%d of %d: %v and %v, want %v and %v", tt.taken, tt.limit, fresh, resumes, tt.fresh, tt.resumes)
		}
	}
}

// TestExchangesAtRandom does what clients and attackers do, in any order, and compares with a simple account of it.
func TestExchangesAtRandom(t *testing.T) {
	dice := mathrand.New(mathrand.NewPCG(1, 2))
	table := newExchanges(40)
	clients := []*Client{clientOfTraffic(), clientOfTraffic()}
	var all []*exchange
	abandoned := make(map[*exchange]bool)
	now := start
	for range 50_000 {
		now = now.Add(time.Duration(dice.IntN(200)) * time.Millisecond)
		switch dice.IntN(4) {
		case 0, 1:
			x := &exchange{client: clients[dice.IntN(2)], authentic: dice.IntN(2) == 0, asking: &asking{}}
			x.abandon = func(error) { abandoned[x] = true }
			x.slot = slot(10 + dice.IntN(10))
			rand.Read(x.authenticator[:])
			before := table.inFlight
			if why := table.claim(x, dice.IntN(4) == 0, now); why == passed {
				all = append(all, x)
			} else if table.inFlight != before {
				t.Fatalf("refused as %q, and yet something changed", why)
			}
		case 2:
			if len(all) > 0 {
				x := all[dice.IntN(len(all))]
				before := x.reply
				if sent := table.finish(x, []byte{1}, now); sent && (abandoned[x] || before != nil) {
					t.Fatal("answered twice, or after it was abandoned")
				}
			}
		case 3:
			if len(all) > 0 {
				x := all[dice.IntN(len(all))]
				if dice.IntN(4) == 0 {
					table.discard(x)
				} else {
					table.repeated(x.slot, x.authenticator, now)
				}
			}
		}
		check(t, table, clients)
		all = all[max(0, len(all)-60):]
	}
}

// check fails when the table contradicts itself.
func check(t *testing.T, table *exchanges, clients []*Client) {
	t.Helper()
	inFlight, linked := 0, 0
	for x := range table.bySlot.all() {
		s := x.slot
		generations, authentic := 0, 0
		for ; x != nil; x = x.older {
			if linked++; x.slot != s || x.gone {
				t.Fatal("a slot leads to an exchange that is gone")
			}
			if x.reply == nil {
				inFlight++
			}
			if x.authentic {
				authentic++
			}
			if generations++; generations > 3 || authentic > 1 {
				t.Fatalf("%d generations on one slot, %d of them authentic", generations, authentic)
			}
		}
	}
	perClient := 0
	for _, c := range clients {
		perClient += c.traffic.inFlight
	}
	if inFlight != table.inFlight || perClient != inFlight || inFlight < 0 {
		t.Fatalf("%d in flight by the slots, %d by the table, %d by the clients", inFlight, table.inFlight, perClient)
	}
	alive := 0
	for i, p := range table.kept.places {
		switch x := p.exchange; {
		case x == nil:
		case i < table.kept.first || x.gone || x.place != table.kept.number+uint64(i):
			t.Fatal("an exchange that is gone keeps its place")
		default:
			alive++
		}
	}
	if alive+inFlight != linked {
		t.Fatalf("%d kept and %d in flight, but %d on slots", alive, inFlight, linked)
	}
}
