package duo_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/duo"
	"duoradiusd/policy/factor"
	"duoradiusd/test/fakeduo"
)

// wantPush checks that one push rang, for one /auth, and that got is its answer.
func wantPush(t *testing.T, s *fakeduo.Server, got policy.AuthResult, err error, status string) {
	t.Helper()
	if err != nil || got.Status != status || got.Allowed != (status == "allow") {
		t.Errorf("got %+v, %v; want %s", got, err, status)
	}
	if s.Pushes() != 1 || s.Count(authPath) != 1 {
		t.Errorf("%d pushes by %d calls, want one by one", s.Pushes(), s.Count(authPath))
	}
	if tx := s.Transactions(); len(tx) != 1 || got.Txid != tx[0].Txid {
		t.Errorf("got txid %s of %+v", got.Txid, tx)
	}
}

// When the answer comes, and after how many polls: whatever happens to the polls, and never later than necessary.
func TestPoll(t *testing.T) {
	const waiting = `{"stat":"OK","response":{"result":"waiting","status":"pushed"}}`
	for _, tt := range []struct {
		name   string
		user   fakeduo.User
		faults []fakeduo.Fault // the answers to auth_status, in order
		took   time.Duration
		polls  int
		factor factor.Factor // "" means push
	}{
		{name: "at once", polls: 1},
		{name: "news, then the answer", user: fakeduo.User{Delay: 3 * time.Second}, took: 3 * time.Second, polls: 2},
		{name: "a call", user: fakeduo.User{Delay: 4 * time.Second}, took: 4 * time.Second, polls: 3, factor: factor.Phone},
		{name: "two empty polls", user: fakeduo.User{Delay: 59 * time.Second}, took: 59 * time.Second, polls: 3},
		{name: "cut", faults: []fakeduo.Fault{{CutBefore: true}}, polls: 2},
		{name: "cut after", faults: []fakeduo.Fault{{CutAfter: true}}, polls: 2},
		{name: "cut in the middle", user: fakeduo.User{Delay: 9 * time.Second},
			faults: []fakeduo.Fault{{}, {CutAfter: true}}, took: 9 * time.Second, polls: 3},
		{name: "500", faults: []fakeduo.Fault{{Status: 500}}, polls: 2},
		{name: "502, HTML", faults: []fakeduo.Fault{{Status: 502, Body: "<html>"}}, polls: 2},
		{name: "40002 at once", faults: []fakeduo.Fault{{Code: 40002}}, polls: 2},
		{name: "ten at once", faults: []fakeduo.Fault{{Times: 10, Body: waiting}}, polls: 11,
			took: (50 + 100 + 200 + 400 + 800 + 1600 + 2000) * time.Millisecond},
		{name: "503 for a while", faults: []fakeduo.Fault{{Times: 6, Code: 50300}}, polls: 7, took: 350 * time.Millisecond},
		{name: "slow 503", faults: []fakeduo.Fault{{Times: 6, Code: 50300, Delay: 5 * time.Second}}, polls: 7, took: 30 * time.Second},
		{name: "hang", faults: []fakeduo.Fault{{Hang: true}}, polls: 2, took: 45 * time.Second},
	} {
		for _, proto := range protocols {
			t.Run(tt.name+" "+proto.name, func(t *testing.T) {
				bubble(t, proto.cfg, tt.user, nil, func(t *testing.T, w *world) {
					for _, f := range tt.faults {
						w.Inject(statusPath, f)
					}
					r := push
					if tt.factor != "" {
						r.Factor = tt.factor
					}
					got, err := w.Auth(t.Context(), &r)
					wantPush(t, w.Server, got, err, "allow")
					if w.took() != tt.took {
						t.Errorf("took %v, want %v", w.took(), tt.took)
					}
					// net/http repeats a GET by itself if a used connection breaks, which makes one more request.
					cut := strings.HasPrefix(tt.name, "cut") && proto.cfg.DisableHTTP2
					if n := w.Count(statusPath); n != tt.polls && !(cut && n == tt.polls+1) {
						t.Errorf("%d polls, want %d", n, tt.polls)
					}
				})
			})
		}
	}
}

// Nobody answers the push. Either Duo says so after a minute, or the client stops when its own time is over.
func TestPushTimeout(t *testing.T) {
	for _, tt := range []struct {
		name    string
		cfg     fakeduo.Config
		patient time.Duration
		fault   fakeduo.Fault
		took    time.Duration
		message string
	}{
		{"Duo's", fakeduo.Config{Expiry: 30 * time.Second}, 0, fakeduo.Fault{}, 30 * time.Second, "Login timed out."},
		{"ours", fakeduo.Config{}, 20 * time.Second, fakeduo.Fault{}, 20 * time.Second, ""},
		{"ours, after empty polls", fakeduo.Config{PollWait: 3 * time.Second}, 20 * time.Second, fakeduo.Fault{}, 20 * time.Second, ""},
		{"hanging", fakeduo.Config{}, 0, fakeduo.Fault{Hang: true, Times: -1}, time.Minute, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			edit := func(c *duo.Config) { c.PushTimeout = tt.patient }
			bubble(t, tt.cfg, fakeduo.User{Tap: fakeduo.Ignore}, edit, func(t *testing.T, w *world) {
				if tt.fault.Times != 0 {
					w.Inject(statusPath, tt.fault)
				}
				got, err := w.Auth(t.Context(), &push)
				wantPush(t, w.Server, got, err, "timeout")
				if w.took() != tt.took || got.Message != tt.message {
					t.Errorf("took %v and said %q, want %v and %q", w.took(), got.Message, tt.took, tt.message)
				}
			})
		})
	}
}

// Polls that are answered at once for a minute are few.
func TestPollStorm(t *testing.T) {
	for name, fault := range map[string]fakeduo.Fault{
		"no news":   {Code: 40002},
		"waiting":   {Body: `{"stat":"OK","response":{"result":"waiting","status":"pushed"}}`},
		"503":       {Status: 503},
		"cut":       {CutBefore: true},
		"429, long": {Status: 429, RetryAfter: "60"},
		"429":       {Status: 429, RetryAfter: "0"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, fakeduo.Config{}, fakeduo.User{Tap: fakeduo.Ask}, nil, func(t *testing.T, w *world) {
				fault.Times = -1
				w.Inject(statusPath, fault)
				got, err := w.Auth(t.Context(), &push)
				down := name == "503" || name == "cut"
				if got.Allowed || got.Txid == "" || down != (kind(err) == "unavailable") || !down && got.Status != "timeout" {
					t.Errorf("got %+v, %v", got, err)
				}
				if n := w.Count(statusPath); n > 60 || w.Pushes() != 1 || w.took() != time.Minute {
					t.Errorf("%d polls and %d pushes in %v", n, w.Pushes(), w.took())
				}
			})
		})
	}
}

// What ends a poll without an answer: it is never an allow, and never makes a second push.
func TestPollErrors(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault fakeduo.Fault
		user  fakeduo.User
		kind  string
	}{
		{"HTML", fakeduo.Fault{Body: "<html>"}, fakeduo.User{}, "unknown"},
		{"half an answer", fakeduo.Fault{Body: `{"stat":"OK","response":{"result":"allow"`}, fakeduo.User{}, "unknown"},
		{"FAIL with 200", fakeduo.Fault{Status: 200, Code: 40301}, fakeduo.User{}, "unknown"},
		{"no result", fakeduo.Fault{Body: `{"stat":"OK","response":{"status":"allow"}}`}, fakeduo.User{}, "unknown"},
		{"unknown result", fakeduo.Fault{}, fakeduo.User{AuthResult: "permit"}, "unknown"},
		{"another case", fakeduo.Fault{}, fakeduo.User{AuthResult: "ALLOW"}, "unknown"},
		{"wrong clock", fakeduo.Fault{Code: 40105}, fakeduo.User{}, "misconfigured"},
		{"403", fakeduo.Fault{Status: 403}, fakeduo.User{}, "misconfigured"},
		{"404", fakeduo.Fault{Status: 404}, fakeduo.User{}, "refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, fakeduo.Config{}, tt.user, nil, func(t *testing.T, w *world) {
				if tt.fault != (fakeduo.Fault{}) {
					w.Inject(statusPath, tt.fault)
				}
				got, err := w.Auth(t.Context(), &push)
				if got.Allowed || kind(err) != tt.kind || w.took() != 0 || w.Count(statusPath) != 1 || w.Pushes() != 1 {
					t.Errorf("got %+v, %v (%s) after %v, %d polls, %d pushes", got, err, kind(err), w.took(), w.Count(statusPath), w.Pushes())
				}
			})
		})
	}
}

// The caller ends the wait: if it gives up, the error says so. If its deadline has passed, there is no answer.
func TestPollContext(t *testing.T) {
	bubble(t, fakeduo.Config{}, fakeduo.User{Tap: fakeduo.Ask}, nil, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(5*time.Second, cancel)
		got, err := w.Auth(ctx, &push)
		if got.Allowed || got.Txid == "" || kind(err) != "unknown" || !errors.Is(err, context.Canceled) || w.took() != 5*time.Second {
			t.Errorf("cancelled: got %+v, %v after %v", got, err, w.took())
		}
		ctx, cancel = context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		got, err = w.Auth(ctx, &push)
		if err != nil || got.Status != "timeout" || got.Allowed || w.took() != 10*time.Second {
			t.Errorf("deadline: got %+v, %v after %v", got, err, w.took())
		}
	})
}

// Duo can't be reached while the phone rings, and then it can: the push and its answer are the same.
func TestDownDuringPoll(t *testing.T) {
	for _, proto := range protocols {
		t.Run(proto.name, func(t *testing.T) {
			s, c := ready(t, proto.cfg, fakeduo.User{Tap: fakeduo.Ask})
			r := push
			r.Started = func(txid string) {
				time.AfterFunc(20*time.Millisecond, func() {
					s.Down()
					if err := s.Answer(txid, fakeduo.Approve); err != nil {
						t.Error(err)
					}
					time.Sleep(60 * time.Millisecond)
					if err := s.Up(); err != nil {
						t.Error(err)
					}
				})
			}
			got, err := c.Auth(t.Context(), &r)
			wantPush(t, s, got, err, "allow")
		})
	}
}

// A connection that is dead without an error delays a poll not at all, and a preauth no longer than its own timeout.
func TestDeadConnection(t *testing.T) {
	bubble(t, fakeduo.Config{}, fakeduo.User{Delay: time.Second}, nil, func(t *testing.T, w *world) {
		r := push
		r.Started = func(string) {
			time.AfterFunc(500*time.Millisecond, func() { w.setDark(true) })
			time.AfterFunc(7*time.Second, func() { w.setDark(false) })
		}
		got, err := w.Auth(t.Context(), &r)
		wantPush(t, w.Server, got, err, "allow")
		if w.took() > 10*time.Second {
			t.Errorf("took %v", w.took())
		}
		start := w.took()
		w.setDark(true)
		time.AfterFunc(time.Second, func() { w.setDark(false) })
		_, err = w.Preauth(t.Context(), policy.PreauthRequest{User: jo})
		if h, _ := w.Health(); err != nil || h != duo.Up || w.took()-start > 10*time.Second {
			t.Errorf("preauth: got %v after %v, Duo is %v", err, w.took()-start, h)
		}
	})
}

// The connection breaks during /auth, before or after the push has begun, and is new or used. /auth is sent once.
func TestCutAuth(t *testing.T) {
	for _, proto := range protocols {
		for _, used := range []bool{false, true} {
			for _, fault := range []fakeduo.Fault{
				{CutBefore: true}, {CutAfter: true}, {CutBefore: true, Stream: true}, {CutAfter: true, Stream: true},
				{Status: 502, Effect: true}, {Body: "<html>", Effect: true}, {Body: `{"stat":"OK","response":{}}`, Effect: true},
			} {
				s, c := ready(t, proto.cfg, fakeduo.User{Tap: fakeduo.Ask}, func(c *duo.Config) { c.PushTimeout = time.Second })
				if used {
					if _, err := c.Preauth(t.Context(), policy.PreauthRequest{User: jo}); err != nil {
						t.Fatal(err)
					}
				}
				s.Inject(authPath, fault)
				got, err := c.Auth(t.Context(), &push)
				if got != (policy.AuthResult{}) || err == nil || s.Count(authPath) != 1 || s.Count(statusPath) != 0 {
					t.Errorf("%s, used %v, %v: got %+v, %v", proto.name, used, fault, got, err)
				}
				if begun := fault.CutAfter || fault.Effect; begun != (s.Pushes() == 1) || s.Pushes() > 1 {
					t.Errorf("%s, used %v, %v: %d pushes", proto.name, used, fault, s.Pushes())
				}
			}
		}
	}
}

// A connection that Duo has closed meanwhile fails no login, and makes no second push.
func TestStaleConnection(t *testing.T) {
	for _, proto := range protocols {
		bubble(t, proto.cfg, fakeduo.User{}, nil, func(t *testing.T, w *world) {
			for range 5 {
				if _, err := w.Preauth(t.Context(), policy.PreauthRequest{User: jo}); err != nil {
					t.Fatal(err)
				}
				w.sever()
				if got, err := w.Auth(t.Context(), &push); err != nil || !got.Allowed {
					t.Errorf("%s: got %+v, %v", proto.name, got, err)
				}
			}
			if w.Pushes() != 5 {
				t.Errorf("%s: %d pushes, want 5", proto.name, w.Pushes())
			}
		})
	}
}

// Preauth may be sent twice without harm, so a connection that breaks fails no login.
func TestCutPreauth(t *testing.T) {
	for _, proto := range protocols {
		s, c := ready(t, proto.cfg, fakeduo.User{})
		s.Inject(preauthPath, fakeduo.Fault{CutBefore: true})
		got, err := c.Preauth(t.Context(), policy.PreauthRequest{User: jo})
		if err != nil || got.Result != policy.PreauthAuth || !slices.Equal(paths(s), []string{"preauth", "preauth"}) {
			t.Errorf("%s: got %+v, %v and %v", proto.name, got, err, paths(s))
		}
		s.Inject(preauthPath, fakeduo.Fault{CutBefore: true, Times: 2})
		if _, err = c.Preauth(t.Context(), policy.PreauthRequest{User: jo}); kind(err) != "unavailable" {
			t.Errorf("%s: got %v", proto.name, err)
		}
	}
}
