package radiusauth

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"layeh.com/radius"
)

// nameService is a name service that counts the lookups.
type nameService struct {
	asked  atomic.Int32
	answer atomic.Pointer[[]netip.Addr] // nil means that it fails
	takes  time.Duration
}

func (n *nameService) set(addrs ...string) {
	var list []netip.Addr
	for _, a := range addrs {
		list = append(list, netip.MustParseAddr(a))
	}
	n.answer.Store(&list)
}

func (n *nameService) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	n.asked.Add(1)
	select {
	case <-time.After(n.takes):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if list := n.answer.Load(); list != nil && host == "nps.example" {
		return append([]netip.Addr(nil), *list...), nil
	}
	return nil, errors.New("no such host")
}

func named(w *world, n *nameService, c Config, more ...string) *Upstream {
	u := w.upstream(c, append([]string{"nps.example:1812"}, more...)...)
	u.lookup = n.lookup
	return u
}

// TestNames: a name is looked up when it is needed, once for all logins, and again after 30 s. While an address is known,
// no login waits for a lookup.
func TestNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve(one)
		moved := w.serve(two)
		n := &nameService{takes: time.Second}
		n.set("192.0.2.1")
		u := named(w, n, Config{})
		defer u.Close()
		if n.asked.Load() != 0 {
			t.Error("New asks the name service")
		}
		login := func(took time.Duration, asked int32) {
			t.Helper()
			begun := time.Now()
			got := said(u.Authenticate(t.Context(), pap("jo", "x")))
			if got != "yes" || time.Since(begun) != took || n.asked.Load() != asked {
				t.Errorf("got %s after %v, %d lookups; want yes after %v, %d", got, time.Since(begun), n.asked.Load(), took, asked)
			}
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			said(u.Authenticate(t.Context(), pap("ann", "x"))) // shares the lookup
		}()
		login(time.Second, 1)
		<-done
		login(0, 1)
		time.Sleep(29 * time.Second)
		login(0, 1)
		n.set("::ffff:192.0.2.2")
		time.Sleep(time.Second)
		login(0, 2) // it still has the old address
		time.Sleep(2 * time.Second)
		login(0, 2)
		if len(moved.queries()) != 1 || u.Health()[0].Addr != moved.addr {
			t.Errorf("the new address got %d requests", len(moved.queries()))
		}
		n.answer.Store(nil)
		time.Sleep(time.Hour)
		login(0, 3) // an old address is better than none
	})
}

// TestNameUnknown: a name without an address is an error, at once after the first lookup, and the next server is asked.
func TestNameUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve(one)
		w.serve(two)
		n := &nameService{}
		u := named(w, n, Config{})
		defer u.Close()
		want := "upstream: ask nps.example:1812 for 0s: look up nps.example: no such host"
		for range 3 {
			if got := said(u.Authenticate(t.Context(), pap("jo", "x"))); got != want {
				t.Errorf("got %s", got)
			}
		}
		if n.asked.Load() != 1 {
			t.Errorf("%d lookups within a second", n.asked.Load())
		}
		both := named(w, n, Config{}, two)
		defer both.Close()
		if got := said(both.Authenticate(t.Context(), pap("jo", "x"))); got != "yes" {
			t.Error(got)
		}
		n.set("192.0.2.1")
		time.Sleep(time.Second)
		if got := said(u.Authenticate(t.Context(), pap("jo", "x"))); got != "yes" {
			t.Error(got)
		}
	})
}

// TestNameServiceHangs: a lookup without an answer takes a server's share of the time, and no more.
func TestNameServiceHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve(two)
		u := named(w, &nameService{takes: time.Hour}, Config{}, two)
		defer u.Close()
		begun := time.Now()
		if got := said(u.Authenticate(t.Context(), pap("jo", "x"))); got != "yes" || time.Since(begun) != 5*time.Second {
			t.Errorf("got %s after %v", got, time.Since(begun))
		}
	})
}

// TestSilentMoves: after a silence the name is looked up at once, and another of its addresses is used.
func TestSilentMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first := w.serve(one)
		w.serve(two)
		other := w.serve(three)
		n := &nameService{}
		n.set("192.0.2.1", "192.0.2.2")
		u := named(w, n, Config{}, three)
		defer u.Close()
		u.Authenticate(t.Context(), pap("jo", "x"))
		first.does(mute)
		u.Authenticate(t.Context(), pap("jo", "x"))
		synctest.Wait()
		begun := time.Now()
		if got := said(u.Authenticate(t.Context(), pap("jo", "x"))); got != "yes" || time.Since(begun) != 0 || n.asked.Load() != 2 || len(other.queries()) != 1 {
			t.Errorf("got %s after %v, %d lookups, %d asked of another server", got, time.Since(begun), n.asked.Load(), len(other.queries()))
		}
		n.set("192.0.2.1") // the only address, silent or not
		time.Sleep(time.Minute)
		u.Authenticate(t.Context(), pap("jo", "x"))
		synctest.Wait()
		if got := u.Health()[0].Addr.String(); got != one {
			t.Errorf("asked at %s", got)
		}
	})
}

// TestStateGoesBackToAddress: the answer goes to the address of the challenge, even if the name has another address now.
func TestStateGoesBackToAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first := w.serve(one).does(func(q *query) {
			if q.value(24) == "" {
				q.reply(radius.CodeAccessChallenge, at{24, "s"})
				return
			}
			q.reply(radius.CodeAccessAccept)
		})
		second := w.serve(two)
		n := &nameService{}
		n.set("192.0.2.1")
		u := named(w, n, Config{})
		defer u.Close()
		_, err := u.Authenticate(t.Context(), pap("jo", "x"))
		state := stateOf(t, err)
		n.set("192.0.2.2")
		time.Sleep(time.Minute)
		u.Authenticate(t.Context(), pap("ann", "x"))
		synctest.Wait()
		u.Authenticate(t.Context(), pap("ann", "x"))
		if len(second.queries()) == 0 {
			t.Fatal("the name has not moved")
		}
		r := pap("jo", "123456")
		r.State = state
		before := len(first.queries())
		if got := said(u.Authenticate(t.Context(), r)); got != "yes" || len(first.queries()) != before+1 {
			t.Errorf("got %s", got)
		}
		for _, k := range u.servers[0].sockets {
			if k.addr != second.addr {
				t.Errorf("a socket towards %v is kept", k.addr)
			}
		}
	})
}

func TestChoose(t *testing.T) {
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	none := netip.Addr{}
	for _, tt := range []struct {
		found          []netip.Addr
		current, avoid netip.Addr
		want           netip.Addr
	}{
		{[]netip.Addr{a, b}, none, none, a},
		{[]netip.Addr{b, a}, a, none, a},
		{[]netip.Addr{a, b}, a, a, b},
		{[]netip.Addr{a}, a, a, a},
		{[]netip.Addr{b}, a, none, b},
	} {
		if got := chooseAddress(tt.found, tt.current, tt.avoid); got != tt.want {
			t.Errorf("%+v: got %v", tt, got)
		}
	}
}
