package radiusauth

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"layeh.com/radius"

	"duoradiusd/policy"
)

// TestFailover: the second server is asked when the first was silent for its time, and no sooner.
func TestFailover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first, second := w.serve(one).does(mute), w.serve(two)
		var told []string
		u := w.upstream(Config{OnHealth: func(server string, err error) { told = append(told, fmt.Sprint(server, " ", err)) }}, one, two)
		defer u.Close()
		login := func(want string, took time.Duration) {
			t.Helper()
			begun := time.Now()
			if got := said(u.Authenticate(t.Context(), pap("jo", "hunter2"))); got != want || time.Since(begun) != took {
				t.Errorf("got %s after %v, want %s after %v", got, time.Since(begun), want, took)
			}
		}
		login("yes", 5*time.Second)
		if q := first.queries()[0]; q.value(2) == second.queries()[0].value(2) || q.Authenticator == second.queries()[0].Authenticator {
			t.Error("the second server gets the first's authenticator")
		}
		login("yes", 0) // the first server is last in the order now
		if n := len(first.queries()); n != 2 {
			t.Errorf("the silent server got %d packets, want 2", n)
		}
		time.Sleep(avoidFor)
		login("yes", 5*time.Second) // one login finds out that it is still silent
		login("yes", 0)
		first.does(nil)
		time.Sleep(avoidFor)
		login("yes", 0)
		if n := len(second.queries()); n != 4 {
			t.Errorf("the second got %d, want 4", n)
		}
		want := []string{one + " ask " + one + " for 5s: no answer", one + " <nil>"}
		if fmt.Sprint(told) != fmt.Sprint(want) {
			t.Errorf("told %q, want %q", told, want)
		}
	})
}

// TestWellAgain: any valid reply, also to Status-Server, gives a server back its place in the order.
func TestWellAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first, second := w.serve(one).does(mute), w.serve(two)
		u := w.upstream(Config{}, one, two)
		defer u.Close()
		u.Authenticate(t.Context(), pap("jo", "x"))
		first.does(nil)
		u.Check(t.Context())
		before := len(second.queries())
		if got := said(u.Authenticate(t.Context(), pap("jo", "x"))); got != "yes" || len(second.queries()) != before || u.Health()[0].Down {
			t.Errorf("got %s, health %+v", got, u.Health()[0])
		}
	})
}

// TestFailoverAllSilent: the error names each server, and one that answers again is asked in its place in the order.
func TestFailoverAllSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve(one).does(mute)
		w.serve(two).does(func(q *query) { q.send(flip(q.build(2), 5)) })
		u := w.upstream(Config{}, one, two)
		defer u.Close()
		got := said(u.Authenticate(t.Context(), pap("jo", "hunter2")))
		want := "upstream: ask " + one + " for 5s: no answer; ask " + two +
			" for 5s: no answer, only a reply with a wrong authenticator: is the secret right?"
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		w.serve(one)
		begun := time.Now()
		if got := said(u.Authenticate(t.Context(), pap("jo", "hunter2"))); got != "yes" || time.Since(begun) != 0 {
			t.Errorf("got %s after %v", got, time.Since(begun))
		}
	})
}

// TestFailoverShare: however short the time is, the last server gets a part of it, and the login ends in time.
func TestFailoverShare(t *testing.T) {
	for _, tt := range []struct {
		timeout, whole, want time.Duration // want: when the third server is asked
	}{
		{5 * time.Second, 60 * time.Second, 10 * time.Second},
		{5 * time.Second, 9 * time.Second, 6 * time.Second},
		{30 * time.Second, 30 * time.Second, 20 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.serve(one).does(mute)
			w.serve(two).does(mute)
			third := w.serve(three)
			u := w.upstream(Config{Timeout: tt.timeout}, one, two, three)
			defer u.Close()
			ctx, cancel := contextFor(t, tt.whole)
			defer cancel()
			begun := time.Now()
			if got := said(u.Authenticate(ctx, pap("jo", "hunter2"))); got != "yes" || third.queries()[0].at.Sub(begun) != tt.want {
				t.Errorf("%+v: got %s after %v", tt, got, time.Since(begun))
			}
			third.does(mute)
			ctx, cancel = contextFor(t, tt.whole)
			defer cancel()
			begun = time.Now()
			_, err := u.Authenticate(ctx, pap("jo", "hunter2"))
			if err == nil || errors.Is(err, policy.ErrRejected) || time.Since(begun) > tt.whole {
				t.Errorf("%+v: %v after %v", tt, err, time.Since(begun))
			}
		})
	}
}

// TestHasty: a login that had no time says nothing about a server.
func TestHasty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve(one).does(mute)
		w.serve(two).does(mute)
		u := w.upstream(Config{}, one, two)
		defer u.Close()
		ctx, cancel := contextFor(t, time.Second)
		defer cancel()
		_, err := u.Authenticate(ctx, pap("jo", "hunter2"))
		if err == nil || errors.Is(err, policy.ErrRejected) || u.Health()[0].Down || u.Health()[1].Down {
			t.Errorf("%v, %+v", err, u.Health())
		}
	})
}

// TestPoison: a request to which a server does not reply says nothing about it while it answers other requests.
func TestPoison(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve(one).does(func(q *query) {
			if q.value(1) != "poison" {
				q.reply(radius.CodeAccessAccept)
			}
		})
		w.serve(two).does(func(q *query) { q.reply(radius.CodeAccessReject) })
		u := w.upstream(Config{}, one, two)
		defer u.Close()
		var all sync.WaitGroup
		all.Go(func() { u.Authenticate(t.Context(), pap("poison", "x")) })
		time.Sleep(time.Second)
		u.Authenticate(t.Context(), pap("jo", "x"))
		all.Wait()
		if got := said(u.Authenticate(t.Context(), pap("jo", "x"))); got != "yes" || u.Health()[0].Down {
			t.Errorf("got %s, health %+v", got, u.Health()[0])
		}
	})
}

// TestOneFindsOut: after a minute one login asks the silent server again, and the others do not.
func TestOneFindsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first := w.serve(one).does(mute)
		w.serve(two)
		u := w.upstream(Config{Timeout: 1500 * time.Millisecond}, one, two) // without copies
		defer u.Close()
		u.Authenticate(t.Context(), pap("jo", "x"))
		before := len(first.queries())
		time.Sleep(avoidFor)
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() { u.Authenticate(t.Context(), pap("jo", "x")) })
		}
		all.Wait()
		if n := len(first.queries()) - before; n != 1 {
			t.Errorf("%d logins waited for the silent server, want 1", n)
		}
	})
}

// TestStateGoesBack: an answer goes to the server that asked, even if it was silent, and to no other.
func TestStateGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first, second := w.serve(one).does(mute), w.serve(two)
		ask := func(q *query) {
			switch q.value(24) {
			case "":
				q.reply(radius.CodeAccessChallenge, at{24, "state\x00of two"}, at{18, "Code?"})
			case "state\x00of two":
				q.reply(radius.CodeAccessAccept)
			default:
				t.Errorf("State %q", q.value(24))
			}
		}
		second.does(ask)
		u := w.upstream(Config{}, one, two)
		defer u.Close()
		_, err := u.Authenticate(t.Context(), pap("jo", "x"))
		back, ok := errors.AsType[*policy.AskBack](err)
		if !ok {
			t.Fatal(err)
		}
		first.does(nil) // it answers again
		time.Sleep(avoidFor)
		r := pap("jo", "")
		r.State = back.State
		before := len(first.queries())
		if got := said(u.Authenticate(t.Context(), r)); got != "yes" || len(first.queries()) != before {
			t.Errorf("got %s", got)
		}
		if q := second.queries()[1]; len(q.value(2)) != 16 {
			t.Errorf("User-Password of %d octets for an empty answer, want 16", len(q.value(2)))
		}
		second.does(mute)
		got := said(u.Authenticate(t.Context(), r))
		if want := "upstream: ask " + two + " for 5s: no answer"; got != want || len(first.queries()) != before {
			t.Errorf("got %s, want %s", got, want)
		}
		fewer := w.upstream(Config{}, one)
		defer fewer.Close()
		if got := said(fewer.Authenticate(t.Context(), r)); got != "upstream: a State of "+two+", which is no longer among servers" {
			t.Error(got)
		}
		w.serve(two).does(ask)
		reloaded := w.upstream(Config{}, two, one)
		defer reloaded.Close()
		if got := said(reloaded.Authenticate(t.Context(), r)); got != "yes" {
			t.Errorf("after a reload: %s", got)
		}
	})
}

// TestChallengeWithoutState: an upstream may recognize the login without a State.
func TestChallengeWithoutState(t *testing.T) {
	_, err := answered(t, pap("jo", "x"), replying(11, at{18, "Code?"}))
	back, ok := errors.AsType[*policy.AskBack](err)
	if !ok || back.State == "" {
		t.Fatal(err)
	}
	r := pap("jo", "123456")
	r.State = back.State
	if q, answer := handedOn(t, r); q == nil || q.value(24) != "" {
		t.Error(answer)
	}
}

// refused is a connection to a port where nothing listens, on Linux: a write is lost, and an error follows.
func deafPort(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().String()
}

// TestRefused: if the system says that nothing listens there, the next server is asked at once.
func TestRefused(t *testing.T) {
	f := listen(t)
	u := towards(t, Config{Timeout: 20 * time.Second}, deafPort(t), f.addr.String())
	begun := time.Now()
	if got := said(u.Authenticate(t.Context(), pap("jo", "x"))); got != "yes" || time.Since(begun) > 10*time.Second {
		t.Errorf("got %s after %v", got, time.Since(begun))
	}
	if h := u.Health(); !h[0].Down || h[1].Down {
		t.Errorf("health %+v", h)
	}
}

// TestRefusedAlone: if there is no other server, the login goes on waiting: the server may be starting, or the refusal may
// be forged.
func TestRefusedAlone(t *testing.T) {
	addr := netip.MustParseAddrPort(deafPort(t))
	u := towards(t, Config{Timeout: 20 * time.Second}, addr.String())
	started := make(chan *net.UDPConn)
	go func() {
		for u.Health()[0].Requests == 0 {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(50 * time.Millisecond) // the refusal comes meanwhile; if it does not, the test checks less
		conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(addr))
		if err != nil {
			t.Error(err)
		} else {
			go func() {
				b := make([]byte, 4096)
				n, from, err := conn.ReadFromUDPAddrPort(b)
				if err != nil {
					return
				}
				p, _ := radius.Parse(b[:n], []byte(shared))
				q := &query{Packet: p, secret: shared}
				conn.WriteToUDPAddrPort(q.build(2), from)
			}()
		}
		started <- conn
	}()
	got := said(u.Authenticate(t.Context(), pap("jo", "x")))
	if conn := <-started; conn != nil {
		conn.Close()
	}
	if got != "yes" {
		t.Error(got)
	}
}

// TestRefusedToTheEnd: the error holds the system's error.
func TestRefusedToTheEnd(t *testing.T) {
	u := towards(t, Config{Timeout: 200 * time.Millisecond}, deafPort(t))
	if got := said(u.Authenticate(t.Context(), pap("jo", "x"))); !strings.Contains(got, "no answer: ") || !strings.Contains(got, "connection refused") {
		t.Error(got)
	}
}

// TestPorts: more than 256 requests are in flight on real sockets, and each reply goes to its own request.
func TestPorts(t *testing.T) {
	f := listen(t)
	var mu sync.Mutex
	waiting, order := make(map[string]*query), []*query(nil)
	f.does(func(q *query) { // it answers in reverse order, when all have come; then it answers copies whose first one was lost
		mu.Lock()
		defer mu.Unlock()
		if waiting[q.value(1)] == nil {
			waiting[q.value(1)] = q
			order = append(order, q)
		}
		for i := len(order) - 1; i >= 0 && len(waiting) == 300; i-- {
			order[i].reply(radius.CodeAccessAccept, at{25, order[i].value(1)})
		}
		if len(waiting) == 300 {
			order = nil
			q.reply(radius.CodeAccessAccept, at{25, q.value(1)})
		}
	})
	u := towards(t, Config{RequireMessageAuthenticator: true, Timeout: 20 * time.Second}, f.addr.String())
	var all sync.WaitGroup
	for i := range 300 {
		all.Go(func() {
			name := fmt.Sprint("user", i)
			a, err := u.Authenticate(t.Context(), pap(name, "x"))
			if err != nil || len(a.Attributes) != 1 || a.Attributes[0].Value != name {
				t.Errorf("%s: %v, %v", name, a.Attributes, err)
			}
		})
	}
	all.Wait()
	ports := make(map[string]bool)
	for _, q := range f.queries() {
		ports[q.socket] = true
	}
	if len(ports) != 2 {
		t.Errorf("%d ports, want 2", len(ports))
	}
}
