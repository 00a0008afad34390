package ldapauth

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"duoradiusd/policy"
	"duoradiusd/test/fakeldap"
)

// serviceBinds returns how many connections were opened to search.
func serviceBinds(s *fakeldap.Server) int { return s.Count("bind") - len(userBinds(s)) }

func TestPoolReuses(t *testing.T) {
	inBubble(t, 1, 5*time.Second, func(t *testing.T, w *world) {
		s := w.fakes[0]
		for range 3 {
			w.want("jo", "right", "yes")
			time.Sleep(maxIdle - time.Second)
		}
		if n := serviceBinds(s); n != 1 {
			t.Errorf("%d connections to search, want 1", n)
		}
		synctest.Wait()
		if n := s.Connections(); n != 1 {
			t.Errorf("%d connections kept, want 1", n)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := s.Connections(); n != 0 {
			t.Errorf("%d connections kept after a minute, want none", n)
		}
		if u := s.Requests("unbind"); len(u) != 4 {
			t.Errorf("%d unbinds, want one a connection", len(u))
		}
		w.want("jo", "right", "yes")
		if n := serviceBinds(s); n != 2 {
			t.Errorf("%d connections to search, want 2", n)
		}
	})
}

// TestStale: a directory that has closed or lost idle connections fails no login.
func TestStale(t *testing.T) {
	for name, stale := range map[string]func(s *fakeldap.Server){
		"closed":           func(s *fakeldap.Server) { s.Cut(); synctest.Wait() },
		"closed meanwhile": func(s *fakeldap.Server) { s.Inject("search", fakeldap.Fault{Drop: true}) },
		"notice":           func(s *fakeldap.Server) { s.Inject("search", fakeldap.Fault{Notice: true}) },
		"forgotten": func(s *fakeldap.Server) {
			s.Inject("search", fakeldap.Fault{Code: 1, Diagnostic: "a bind must be completed"})
		},
		"silent": func(s *fakeldap.Server) { s.Inject("search", fakeldap.Fault{Hang: true}) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 1, 5*time.Second, func(t *testing.T, w *world) {
				w.want("jo", "right", "yes")
				stale(w.fakes[0])
				w.want("jo", "right", "yes")
				if n := serviceBinds(w.fakes[0]); n != 2 {
					t.Errorf("%d connections to search, want 2", n)
				}
				w.wantTold()
				w.want("jo", "wrong", "no")
			})
		})
	}
}

// TestStaleOnce: there is one more try, and not one for each idle connection. The others are not used any more.
func TestStaleOnce(t *testing.T) {
	inBubble(t, 1, 5*time.Second, func(t *testing.T, w *world) {
		w.crowd(5)
		w.fakes[0].Inject("search", fakeldap.Fault{Drop: true})
		w.want("jo", "right", "yes")
		synctest.Wait()
		if n := w.fakes[0].Connections(); n != 1 {
			t.Errorf("%d connections kept, want the fresh one", n)
		}
		w.fakes[0].Forget()
		w.fakes[0].Inject("search", fakeldap.Fault{Drop: true, Times: -1})
		wantIn(t, answer(t, w.Directory, "jo", "right"), "EOF")
		if n := w.fakes[0].Count("search"); n != 2 {
			t.Errorf("%d searches, want 2", n)
		}
	})
}

// crowd logs n users in at once.
func (w *world) crowd(n int) {
	w.t.Helper()
	for _, s := range w.fakes {
		s.Inject("search", fakeldap.Fault{Delay: time.Second, Times: n})
	}
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if _, err := w.Authenticate(w.t.Context(), policy.FirstRequest{User: "jo", Password: "right"}); err != nil {
				w.t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestPoolBound(t *testing.T) {
	inBubble(t, 1, 10*time.Second, func(t *testing.T, w *world) {
		begin := time.Now()
		w.crowd(3 * maxPooled)
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("took %v, want three rounds of a second", took)
		}
		if n := serviceBinds(w.fakes[0]); n != maxPooled {
			t.Errorf("%d connections to search, want %d", n, maxPooled)
		}
		synctest.Wait()
		if n := w.fakes[0].Connections(); n != maxPooled {
			t.Errorf("%d connections kept, want %d", n, maxPooled)
		}
	})
}

// TestBindBound: the number of users' binds is bounded, too. A login that waits too long could not ask.
func TestBindBound(t *testing.T) {
	inBubble(t, 1, 10*time.Second, func(t *testing.T, w *world) {
		s := w.fakes[0]
		s.Inject("bind", fakeldap.Fault{DN: joDN, Hang: true, Times: -1})
		var wg sync.WaitGroup
		for range maxBinds + 5 {
			wg.Go(func() {
				if got := answer(t, w.Directory, "jo", "right"); got == "yes" || got == "no" {
					t.Errorf("got %q", got)
				}
			})
		}
		time.Sleep(time.Second)
		if n := len(userBinds(s)); n != maxBinds {
			t.Errorf("%d binds at once, want %d", n, maxBinds)
		}
		wg.Wait()
	})
}

// TestClose: after Close no connection is kept, and logins still work.
func TestClose(t *testing.T) {
	inBubble(t, 1, 5*time.Second, func(t *testing.T, w *world) {
		w.want("jo", "right", "yes")
		w.Close()
		for range 2 {
			synctest.Wait()
			if n := w.fakes[0].Connections(); n != 0 {
				t.Errorf("%d connections left", n)
			}
			w.want("jo", "right", "yes")
		}
	})
}
