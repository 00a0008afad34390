package radiusauth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"layeh.com/radius"

	"duoradiusd/policy"
	"duoradiusd/radiusd/wire"
)

const one = "192.0.2.1:1812"
const two = "192.0.2.2:1812"
const three = "192.0.2.3:1812"

func mute(*query) {}

// TestU3Retransmission: copies leave at 0, 2, 6, 14 and 30 s without jitter, with the same octets and from one port.
func TestU3Retransmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		f := w.serve(one).does(mute)
		u := w.upstream(Config{Timeout: 45 * time.Second}, one)
		begun := time.Now()
		_, err := u.Authenticate(t.Context(), pap("jo", "hunter2"))
		if err == nil || errors.Is(err, policy.ErrRejected) {
			t.Errorf("got %v, want could not ask", err)
		}
		if took := time.Since(begun); took != 45*time.Second {
			t.Errorf("took %v, want 45s", took)
		}
		var when []time.Duration
		for _, q := range f.queries() {
			when = append(when, q.at.Sub(begun))
			if first := f.queries()[0]; !bytes.Equal(q.raw, first.raw) || q.socket != first.socket {
				t.Errorf("copy after %v differs", when[len(when)-1])
			}
		}
		if got, want := fmt.Sprint(when), "[0s 2s 6s 14s 30s]"; got != want {
			t.Errorf("sent at %s, want %s", got, want)
		}
		if h := u.Health()[0]; h.Requests != 1 || h.Retransmissions != 4 || h.Silences != 1 || !h.Down {
			t.Errorf("health %+v", h)
		}
		u.Close()
	})
}

func TestU3Jitter(t *testing.T) {
	for _, tt := range []struct {
		rand float64
		want []float64 // seconds
	}{
		{0, []float64{2, 4, 8, 16}},
		{0.1, []float64{2.2, 4.62, 9.702, 17.6}},
		{-0.1, []float64{1.8, 3.42, 6.498, 12.3462}},
	} {
		s := retransmission{rand: func() float64 { return tt.rand }}
		for i, want := range tt.want {
			if wait, again := s.next(); !again || math.Abs(wait.Seconds()-want) > 1e-6 {
				t.Errorf("rand %v: wait %d is %v, %v, want %vs", tt.rand, i, wait, again, want)
			}
		}
		if _, again := s.next(); again {
			t.Errorf("rand %v: a sixth copy", tt.rand)
		}
	}
	low, high := 1.0, -1.0
	for range 2000 {
		r := jitter()
		low, high = min(low, r), max(high, r)
	}
	if low < -0.1 || low > -0.08 || high > 0.1 || high < 0.08 {
		t.Errorf("jitter between %v and %v, want the better part of -0.1 to 0.1", low, high)
	}
}

// TestU3Retry: the answer counts, whichever copy it answers.
func TestU3Retry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		f := w.serve(one)
		f.does(func(q *query) {
			if len(f.queries()) == 2 {
				q.reply(radius.CodeAccessAccept)
				q.reply(radius.CodeAccessReject)
			}
		})
		u := w.upstream(Config{}, one)
		begun := time.Now()
		if got := said(u.Authenticate(t.Context(), pap("jo", "hunter2"))); got != "yes" || time.Since(begun) != 2*time.Second {
			t.Errorf("got %s after %v, want yes after 2s", got, time.Since(begun))
		}
		synctest.Wait()
		if h := u.Health()[0]; h.Down || h.Discarded[replyUnexpected.String()] != 1 {
			t.Errorf("health %+v, want up, and one reply that nothing waited for", h)
		}
		u.Close()
	})
}

// TestU6OneRequest: each login is one request, with an authenticator of its own.
func TestU6OneRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		f := w.serve(one)
		u := w.upstream(Config{}, one)
		seen := make(map[[16]byte]bool)
		for range 300 {
			if got := said(u.Authenticate(t.Context(), pap("jo", "hunter2"))); got != "yes" {
				t.Fatal(got)
			}
		}
		for _, q := range f.queries() {
			seen[q.Authenticator] = true
		}
		if len(f.queries()) != 300 || len(seen) != 300 {
			t.Errorf("%d requests with %d authenticators for 300 logins", len(f.queries()), len(seen))
		}
		u.Close()
	})
}

// TestU4LeastRecentlyUsed: of the free Identifiers, the one that has been free for the longest time is used.
func TestU4LeastRecentlyUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		f := w.serve(one)
		u := w.upstream(Config{}, one)
		for range 600 {
			if got := said(u.Authenticate(t.Context(), pap("jo", "hunter2"))); got != "yes" {
				t.Fatal(got)
			}
		}
		for i, q := range f.queries() {
			if q.Identifier != byte(i) || q.socket != "socketA" {
				t.Fatalf("request %d has Identifier %d on %s", i, q.Identifier, q.socket)
			}
		}
		u.Close()
	})
}

// TestU4Reuse: the Identifier that became free first is used first, and not the lowest one.
func TestU4Reuse(t *testing.T) {
	k := newSocket(nil, netip.MustParseAddrPort(one), nil)
	var calls []*call
	for range 256 {
		c := newCall(newRequest(wire.AccessRequest))
		if !k.assign(c) {
			t.Fatal("no Identifier")
		}
		calls = append(calls, c)
	}
	if k.assign(newCall(newRequest(wire.AccessRequest))) {
		t.Error("a 257th Identifier")
	}
	for _, i := range []int{200, 3, 77} {
		k.release(calls[i])
	}
	for _, want := range []byte{200, 3, 77} {
		c := newCall(newRequest(wire.AccessRequest))
		if k.assign(c); c.packet[1] != want {
			t.Errorf("Identifier %d, want %d", c.packet[1], want)
		}
	}
	k.release(calls[9])
	if k.retire(); k.assign(newCall(newRequest(wire.AccessRequest))) {
		t.Error("a retired socket takes a request")
	}
}

// TestU4Sockets: there is one more socket for every 256 requests in flight, and no more than that.
func TestU4Sockets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		release := make(chan struct{})
		f := w.serve(one).does(func(q *query) {
			<-release
			q.reply(radius.CodeAccessAccept)
		})
		u := w.upstream(Config{Timeout: time.Minute}, one)
		var all sync.WaitGroup
		for range 600 {
			all.Go(func() {
				if got := said(u.Authenticate(t.Context(), pap("jo", "hunter2"))); got != "yes" {
					t.Error(got)
				}
			})
		}
		synctest.Wait()
		used := make(map[string]map[byte]bool)
		for _, q := range f.queries() {
			if used[q.socket] == nil {
				used[q.socket] = make(map[byte]bool)
			}
			if used[q.socket][q.Identifier] {
				t.Errorf("Identifier %d twice on %s", q.Identifier, q.socket)
			}
			used[q.socket][q.Identifier] = true
		}
		if len(used) != 3 || len(used["socketA"]) != 256 || len(used["socketB"]) != 256 || len(used["socketC"]) != 88 {
			t.Errorf("%d sockets", len(used))
		}
		close(release)
		all.Wait()
		if w.sockets != 3 {
			t.Errorf("%d sockets dialed, want 3", w.sockets)
		}
		u.Close()
	})
}

// TestGuard: with 4096 requests in flight the next login fails at once, and later ones find room again.
func TestGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		release := make(chan struct{})
		w.serve(one).does(func(q *query) {
			<-release
			q.reply(radius.CodeAccessAccept)
		})
		u := w.upstream(Config{Timeout: time.Minute}, one)
		var all sync.WaitGroup
		for range maxInFlight {
			all.Go(func() { u.Authenticate(t.Context(), pap("jo", "hunter2")) })
		}
		synctest.Wait()
		if got := said(u.Authenticate(t.Context(), pap("jo", "hunter2"))); got != "upstream: 4096 requests are in flight already" {
			t.Errorf("got %q", got)
		}
		close(release)
		all.Wait()
		if got := said(u.Authenticate(t.Context(), pap("jo", "hunter2"))); got != "yes" {
			t.Errorf("got %q", got)
		}
		u.Close()
	})
}

// TestU8GivesUp: nothing more is sent for a client that has given up, and the server is not blamed.
func TestU8GivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		f := w.serve(one).does(mute)
		u := w.upstream(Config{Timeout: 30 * time.Second}, one, two)
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(policy.ErrAbandoned) })
		_, err := u.Authenticate(ctx, pap("jo", "hunter2"))
		if !errors.Is(err, policy.ErrAbandoned) || errors.Is(err, policy.ErrRejected) {
			t.Errorf("got %v", err)
		}
		time.Sleep(time.Minute)
		if n := len(f.queries()); n != 1 || u.Health()[0].Down {
			t.Errorf("%d copies, down %v", n, u.Health()[0].Down)
		}
		u.Close()
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve(one).does(func(q *query) {
			time.Sleep(time.Second)
			q.reply(radius.CodeAccessAccept)
		})
		u, begun := w.upstream(Config{}, one), time.Now()
		var ended atomic.Bool
		go func() {
			if got := said(u.Authenticate(t.Context(), pap("jo", "hunter2"))); got != "yes" {
				t.Errorf("a login under way: %s", got)
			}
			ended.Store(true)
		}()
		synctest.Wait()
		if u.Close(); time.Since(begun) != time.Second {
			t.Errorf("closed after %v", time.Since(begun))
		}
		if synctest.Wait(); !ended.Load() {
			t.Error("a login under way never ends")
		}
		if got := said(u.Authenticate(t.Context(), pap("jo", "hunter2"))); got != "upstream: closed" {
			t.Errorf("got %q", got)
		}
		if c := u.Check(t.Context()); c[0].Err == nil {
			t.Error("checked by a closed one")
		}
		u.Close()
	})
}

func TestNew(t *testing.T) {
	for _, tt := range []struct {
		c    Config
		want string
	}{
		{Config{Secret: "s"}, "upstream: no server"},
		{Config{Servers: []string{one}}, "upstream: no secret"},
		{Config{Secret: "s", Servers: []string{"nps1"}}, `upstream: server "nps1": want host:port`},
		{Config{Secret: "s", Servers: []string{":1812"}}, `upstream: server ":1812": want host:port`},
		{Config{Secret: "s", Servers: []string{"nps1:0"}}, `upstream: server "nps1:0": want host:port`},
		{Config{Secret: "s", Servers: []string{"nps1:65536"}}, `upstream: server "nps1:65536": want host:port`},
		{Config{Secret: "s", Servers: []string{one, one}}, "upstream: server " + one + " is given twice"},
	} {
		if _, err := New(tt.c); err == nil || err.Error() != tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
	u, err := New(Config{Secret: "s", Servers: []string{"[2001:db8::1]:1812", "[::ffff:192.0.2.1]:1812"}})
	if err != nil || u.config.Timeout != 5*time.Second {
		t.Fatal(u, err)
	}
	if got := fmt.Sprint(u.servers[0].resolution.addr, u.servers[1].resolution.addr); got != "[2001:db8::1]:1812 192.0.2.1:1812" {
		t.Error(got)
	}
}

// TestNoSecretShown: the text of an error holds no secret, so it may go into a log.
func TestNoSecretShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve(one).does(mute)
		u := w.upstream(Config{Name: "nps"}, one)
		_, err := u.Authenticate(t.Context(), pap("jo", "hunter2"))
		if s := fmt.Sprint(err); strings.Contains(s, shared) || strings.Contains(s, "hunter2") || !strings.HasPrefix(s, "upstream: nps: ask") {
			t.Error(s)
		}
		u.Close()
	})
}

// brokenOnce is a connection whose first Write fails because of an earlier datagram.
type brokenOnce struct {
	net.Conn
	sent int
}

func (c *brokenOnce) Write(b []byte) (int, error) {
	if c.sent++; c.sent == 1 {
		return 0, &net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.ECONNREFUSED)}
	}
	return len(b), nil
}

// TestRefusedBefore: a write returns the error of an earlier datagram. The new datagram is sent all the same.
func TestRefusedBefore(t *testing.T) {
	conn := &brokenOnce{}
	k := newSocket(nil, netip.MustParseAddrPort(one), conn)
	before, now := newCall(newRequest(wire.AccessRequest)), newCall(newRequest(wire.AccessRequest))
	k.assign(before)
	k.assign(now)
	k.send(now)
	if conn.sent != 2 || len(now.unreachable) != 0 || len(before.unreachable) != 1 {
		t.Errorf("written %d times; told to this one %d, to the other %d", conn.sent, len(now.unreachable), len(before.unreachable))
	}
}
