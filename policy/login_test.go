package policy_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/guard"
)

// TestFirstFactor: the three answers of the first factor. failmode applies to none of them.
func TestFirstFactor(t *testing.T) {
	const (
		wrong = ": Wrong user name or password."
		later = ": The login can't be checked now. Try again in a minute."
	)
	for _, failmode := range []Failmode{FailmodeSecure, FailmodeSafe, FailmodeSilent} {
		for _, tt := range []struct {
			name, user, password string
			err                  error
			delay                time.Duration
			asked, want          string
		}{
			{name: "yes", user: "alice", password: "pw", asked: "alice:pw", want: "accept approved push T1"},
			{name: "no", user: "alice", password: "no", asked: "alice:no", want: "reject bad-password" + wrong},
			{name: "no such user", user: "nobody", password: "pw", asked: "nobody:pw", want: "reject bad-password" + wrong},
			{name: "could not ask", user: "alice", password: "pw", err: errNoBind, asked: "alice:pw",
				want: "reject first-factor-unavailable" + later},
			{name: "could not ask Duo's way", user: "alice", password: "pw", err: ErrUnavailable, asked: "alice:pw",
				want: "reject first-factor-unavailable" + later},
			{name: "no answer in time", user: "alice", password: "pw", delay: time.Hour, asked: "alice:pw",
				want: "reject first-factor-unavailable" + later},
			{name: "empty", user: "alice", password: "", want: "reject bad-password" + wrong},
			{name: "empty before a factor", user: "alice", password: ",push", want: "reject bad-password" + wrong},
			{name: "empty before a code", user: "alice", password: ",123456", want: "reject bad-password" + wrong},
		} {
			t.Run(string(failmode)+"/"+tt.name, func(t *testing.T) {
				inWorld(t, func(w *world) {
					w.client.Failmode = failmode
					w.ldap.err, w.ldap.delay = tt.err, tt.delay
					if tt.name == "yes" {
						w.answers(allows(time3))
					}
					v := w.login(tt.password, as(tt.user))
					w.wants(v, tt.want)
					w.told(tt.asked)
					if (v.Reason == ReasonNoFirstFactor) != (v.Err != nil) || tt.err != nil && !errors.Is(v.Err, tt.err) {
						t.Errorf("Err is %v", v.Err)
					}
					if preauths, _ := w.duo.counts(); tt.name != "yes" && preauths != 0 {
						t.Error("Duo was asked")
					}
				})
			})
		}
	}
}

// TestFirstFactorEnds: a login ends while the first factor is asked.
func TestFirstFactorEnds(t *testing.T) {
	for _, tt := range []struct {
		cause error
		want  string
	}{
		{ErrAbandoned, "reject abandoned"},
		{context.Canceled, "reject shutting-down: The login can't be checked now. Try again in a minute."},
		{errors.New("SIGTERM"), "reject shutting-down: The login can't be checked now. Try again in a minute."},
	} {
		for _, deaf := range []bool{false, true} {
			inWorld(t, func(w *world) {
				w.client.Failmode = FailmodeSafe
				w.ldap.delay, w.ldap.deaf = 10*time.Second, deaf
				ctx, cancel := context.WithCancelCause(w.Context())
				time.AfterFunc(time.Second, func() { cancel(tt.cause) })
				w.wants(w.decide(ctx, w.attempt("pw")), tt.want)
				if preauths, _ := w.duo.counts(); preauths != 0 {
					t.Error("Duo was asked for a login that nobody waits for")
				}
			})
		}
	}
}

// TestFacts: what the Verdict tells the log.
func TestFacts(t *testing.T) {
	inWorld(t, func(w *world) {
		w.ldap.delay = 2 * time.Second
		w.preauthTakes(time.Second)
		w.answers(allows(time3))
		v := w.login("pw")
		if v.FirstFactor != 2*time.Second || v.Duo != 4*time.Second || v.User != "alice" {
			t.Errorf("first factor %v, Duo %v, user %q", v.FirstFactor, v.Duo, v.User)
		}
		if v = w.login("no"); v.FirstFactor != 2*time.Second || v.Duo != 0 || v.User != "alice" {
			t.Errorf("first factor %v, Duo %v, user %q", v.FirstFactor, v.Duo, v.User)
		}
	})
}

// TestPushInfo: what the phone shows, and what Duo's own policies get.
func TestPushInfo(t *testing.T) {
	inWorld(t, func(w *world) {
		w.client.Service = "gateway"
		w.answers(allows(0), allows(0))
		w.login("pw")
		w.login("pw", from(nowIP))
		with, without := w.duo.auths[0], w.duo.auths[1]
		want := [][2]string{{"Service", "gateway"}, {"Client", "vpn (192.0.2.10)"}, {"User address", "198.51.100.7"}}
		for i, kv := range want {
			if with.Info[i] != kv {
				t.Errorf("pushinfo %d: %q", i, with.Info[i])
			}
		}
		if len(with.Info) != 3 || len(without.Info) != 2 {
			t.Errorf("pushinfo: %q, %q", with.Info, without.Info)
		}
		if with.IP != home || w.duo.preauths[0].IP != home || without.IP.IsValid() || w.duo.preauths[1].IP.IsValid() {
			t.Errorf("addresses: %v, %v", with.IP, without.IP)
		}
	})
}

// TestPanics: after a panic in a factor the login is a reject, no lock is held, and no entry is left.
func TestPanics(t *testing.T) {
	inWorld(t, func(w *world) {
		w.answers(reply{panics: true}, allows(time3))
		v := w.login("pw")
		w.wants(v, "reject panic push: The login can't be checked now. Try again in a minute.")
		if v.Err == nil || v.Err.Error() != "panic: the fake breaks" {
			t.Errorf("Err is %v", v.Err)
		}
		w.wants(w.login("pw"), pushPending) // nobody knows whether the phone rings after the panic
		time.Sleep(RingingTime)
		w.wants(w.login("pw"), "accept approved push T2")
	})
	inWorld(t, func(w *world) {
		second := w.client.Second
		w.client.Second = nil
		w.wants(w.login("pw"), "reject panic: The login can't be checked now. Try again in a minute.")
		w.client.Second = second
		w.answers(allows(time3))
		w.wants(w.login("pw"), "accept approved push T1")
	})
}

// TestClose: Close ends all live logins at once with a reject, and no login begins afterwards.
func TestClose(t *testing.T) {
	inWorld(t, func(w *world) {
		w.settings.Guard = guard.PushLimits{Pushes: 1, Window: time.Hour, Cooldown: time.Hour}
		w.load()
		w.answers(never, never)
		alice, bob := w.start("pw"), w.start("pw", as("bob"))
		closed := time.Now()
		w.process.Close()
		alice.wants("reject shutting-down push T1: The login can't be checked now. Try again in a minute.")
		bob.wants("reject shutting-down push T2: The login can't be checked now. Try again in a minute.")
		if took := time.Since(closed); took != 0 {
			t.Errorf("Close took %v", took)
		}
		synctest.Wait()
		w.ldap.passwords["carol"] = "pw"
		w.wants(w.login("pw", as("carol")), "reject shutting-down push: The login can't be checked now. Try again in a minute.")
		if _, auths := w.duo.counts(); auths != 2 {
			t.Error("a push after Close")
		}
		if w.cooling(Identity{Username: "alice"}) {
			t.Error("a push that Close ended counts against its user")
		}
	})
}

// TestCloseRace is for the race detector: logins begin while Close waits.
func TestCloseRace(t *testing.T) {
	for range 50 {
		inWorld(t, func(w *world) {
			w.duo.scripts = func(AuthRequest) reply { return never }
			for _, user := range []string{"alice", "bob", "alice", "bob"} {
				go w.decide(w.Context(), w.attempt("pw", as(user)))
			}
			w.process.Close()
		})
	}
}
