package ldapauth

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"duoradiusd/policy"
	"duoradiusd/test/fakeldap"
)

func TestFailover(t *testing.T) {
	inBubble(t, 2, 5*time.Second, func(t *testing.T, w *world) {
		w.want("jo", "right", "yes")
		w.wantAsked(1, 0)
		w.down(0)
		w.want("jo", "right", "yes")
		w.want("jo", "wrong", "no")
		w.wantAsked(0, 2)
		w.wantTold("ldap://a search \"dc=example,dc=com\": bind " + service + ": ")

		w.fakes[0].Heal()
		time.Sleep(avoidFor - time.Nanosecond)
		w.want("jo", "right", "yes")
		w.wantAsked(0, 1) // it is still marked for avoidFor
		w.wantTold()
		time.Sleep(time.Nanosecond)
		w.want("jo", "right", "yes")
		w.wantAsked(1, 0)
		w.wantTold("ldap://a <nil>")
	})
}

// TestAllDown: a login tries even servers that are marked as down, and the error says what failed at each.
func TestAllDown(t *testing.T) {
	inBubble(t, 2, 5*time.Second, func(t *testing.T, w *world) {
		w.down(0)
		w.down(1)
		for range 2 {
			got := answer(t, w.Directory, "jo", "right")
			wantIn(t, got, "directory: ldap://a: search", "; ldap://b: search")
		}
		w.fakes[1].Heal()
		w.want("jo", "right", "yes")
		w.want("jo", "right", "yes")
		w.wantAsked(0, 2)
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.told) != 3 || w.told[2] != "ldap://b <nil>" {
			t.Errorf("OnHealth was told %q", w.told)
		}
	})
}

func TestHealth(t *testing.T) {
	inBubble(t, 2, 5*time.Second, func(t *testing.T, w *world) {
		start := time.Now()
		h := w.Health()
		if len(h) != 2 || h[0].URL != "ldap://a" || h[0].Down || !h[0].Since.IsZero() || h[0].Err != nil {
			t.Errorf("never asked: %+v", h)
		}
		w.want("jo", "wrong", "no") // this counts as an answer, too
		if h := w.Health()[0]; h.Down || !h.Since.Equal(start) {
			t.Errorf("answers: %+v", h)
		}
		time.Sleep(time.Minute)
		w.down(0)
		w.want("jo", "right", "yes")
		down := time.Now()
		if h := w.Health()[0]; !h.Down || !h.Since.Equal(down) || h.Err == nil {
			t.Errorf("down: %+v", h)
		}
		w.fakes[0].Heal()
		time.Sleep(time.Minute)
		w.want("jo", "right", "yes")
		if h := w.Health()[0]; h.Down || !h.Since.Equal(time.Now()) || h.Err == nil {
			t.Errorf("up again: %+v", h)
		}
	})
}

// TestHanging: the first server stops answering at each step in turn. The login still has time for the second server.
func TestHanging(t *testing.T) {
	for _, tt := range []struct {
		op, dn string
	}{{"connect", ""}, {"bind", service}, {"search", ""}, {"bind", joDN}} {
		t.Run(tt.op+" "+tt.dn, func(t *testing.T) {
			inBubble(t, 2, 5*time.Second, func(t *testing.T, w *world) {
				w.fakes[0].Inject(tt.op, fakeldap.Fault{DN: tt.dn, Hang: true, Times: -1})
				for _, limit := range []time.Duration{4 * time.Second, time.Minute} {
					time.Sleep(avoidFor)
					w.fakes[1].Forget()
					ctx, cancel := context.WithTimeout(t.Context(), limit)
					begin := time.Now()
					_, err := w.Authenticate(ctx, policy.FirstRequest{User: "jo", Password: "right"})
					cancel()
					took := time.Since(begin)
					if err != nil || took != min(limit/2, 5*time.Second) || len(userBinds(w.fakes[1])) != 1 {
						t.Errorf("within %v: %v after %v", limit, err, took)
					}
					begin = time.Now()
					w.want("jo", "right", "yes")
					if took := time.Since(begin); took != 0 {
						t.Errorf("the next login took %v", took)
					}
				}
			})
		})
	}
}

// TestNoTime: a login ends while the only server does not answer, and nothing of it is left.
func TestNoTime(t *testing.T) {
	inBubble(t, 1, 5*time.Second, func(t *testing.T, w *world) {
		w.fakes[0].Inject("search", fakeldap.Fault{Hang: true, Times: 3})
		begin := time.Now()
		got := answer(t, w.Directory, "jo", "right")
		if time.Since(begin) != 5*time.Second {
			t.Errorf("after %v", time.Since(begin))
		}
		wantIn(t, got, "context deadline exceeded")
		synctest.Wait()
		if n := w.fakes[0].Connections(); n != 0 {
			t.Errorf("%d connections left", n)
		}

		// The client goes away, which says nothing about the server.
		w.told = nil
		time.Sleep(avoidFor)
		w.want("nobody", "right", "directory: ldap://a: search \"dc=example,dc=com\": context deadline exceeded")
		w.fakes[0].Heal()
		w.want("jo", "right", "yes")
		w.told = nil
		w.fakes[0].Inject("search", fakeldap.Fault{Hang: true})
		ctx, cancel := context.WithCancelCause(t.Context())
		gone := errors.New("gone")
		time.AfterFunc(time.Second, func() { cancel(gone) })
		_, err := w.Authenticate(ctx, policy.FirstRequest{User: "jo", Password: "right"})
		if !errors.Is(err, gone) || errors.Is(err, policy.ErrRejected) {
			t.Errorf("got %v", err)
		}
		// There is hardly any time left.
		w.fakes[0].Inject("search", fakeldap.Fault{Hang: true, Times: 2})
		short, cancel2 := context.WithTimeout(t.Context(), time.Second)
		defer cancel2()
		if _, err = w.Authenticate(short, policy.FirstRequest{User: "jo", Password: "right"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		w.wantTold()
		if w.Health()[0].Down {
			t.Error("marked down")
		}
	})
}

// TestOneTries: of many logins, one finds out whether a server that did not answer still does not. The others do not wait
// for it.
func TestOneTries(t *testing.T) {
	inBubble(t, 2, 5*time.Second, func(t *testing.T, w *world) {
		w.fakes[0].Inject("connect", fakeldap.Fault{Hang: true, Times: -1})
		w.want("jo", "right", "yes")
		time.Sleep(avoidFor)
		var mu sync.Mutex
		slow := 0
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				begin := time.Now()
				w.want("jo", "right", "yes")
				if time.Since(begin) > 0 {
					mu.Lock()
					slow++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if slow != 1 {
			t.Errorf("%d logins waited, want 1", slow)
		}
	})
}

// TestBrokenMidway: the connection breaks while the user binds. The next server is asked, and its no counts.
func TestBrokenMidway(t *testing.T) {
	for _, f := range []fakeldap.Fault{{Drop: true}, {Notice: true}, {Raw: []byte("not LDAP at all")}, {Raw: []byte{0x30, 0x80}, Hang: false}} {
		inBubble(t, 2, 5*time.Second, func(t *testing.T, w *world) {
			f.Times, f.DN = -1, joDN
			w.fakes[0].Inject("bind", f)
			w.want("jo", "right", "yes")
			w.want("jo", "wrong", "no")
			if h := w.Health(); !h[0].Down || h[1].Down {
				t.Errorf("%v: %+v", f, h)
			}
		})
	}
}

// TestTooLong: an endless answer is not read to its end.
func TestTooLong(t *testing.T) {
	inBubble(t, 1, 5*time.Second, func(t *testing.T, w *world) {
		for _, raw := range [][]byte{
			append([]byte{0x04, 0x84, 0x7f, 0xff, 0xff, 0xff}, make([]byte, maxAnswer)...), // one endless string
			// These are answers to requests that were not made.
			[]byte(strings.Repeat("\x30\x82\x03\xf8\x02\x01\x63\x65\x82\x03\xf1\x0a\x01\x00\x04\x00\x04\x82\x03\xe8"+strings.Repeat("x", 1000), 1100)),
		} {
			w.fakes[0].Inject("search", fakeldap.Fault{Raw: raw})
			got := answer(t, w.Directory, "jo", "right")
			wantIn(t, got, "search", errTooLong.Error())
		}
		w.want("jo", "right", "yes")
	})
}

// TestUnlimited: a server ignores the size limit and sends a third entry and more.
func TestUnlimited(t *testing.T) {
	inBubble(t, 1, 5*time.Second, func(t *testing.T, w *world) {
		for _, ou := range []string{"a", "b", "c", "d"} {
			w.fakes[0].Set(fakeldap.Entry{DN: "uid=jo,ou=" + ou + ",dc=example,dc=com", Attributes: map[string][]string{"uid": {"jo"}}})
		}
		w.want("jo", "right", "no: two entries match user_filter")
		w.fakes[0].Inject("search", fakeldap.Fault{Unlimited: true})
		w.want("jo", "right", "no: two entries match user_filter")
		w.fakes[0].Set(fakeldap.Entry{DN: "uid=ann,dc=example,dc=com", Password: "x", Attributes: map[string][]string{"uid": {"ann"}}})
		w.want("ann", "x", "yes") // nothing of the earlier answer is left
	})
}

// TestNoDN: an entry without a DN would cause an anonymous bind, which succeeds.
func TestNoDN(t *testing.T) {
	inBubble(t, 1, 5*time.Second, func(t *testing.T, w *world) {
		w.fakes[0].Set(fakeldap.Entry{Attributes: map[string][]string{"uid": {"ghost"}}})
		wantIn(t, answer(t, w.Directory, "ghost", "any"), "an entry without a DN")
		w.wantAsked(0)
	})
}
