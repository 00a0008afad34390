package duo_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/duo"
	"duoradiusd/policy/factor"
	"duoradiusd/test/fakeduo"
)

// within reports whether took is want, plus the jitter of n waits.
func within(took, want time.Duration, n int) bool {
	return took >= want && took < want+time.Duration(n)*256*time.Millisecond
}

// How long the client waits after a 429: as long as Duo says, or else a second, doubled each time, with one request for
// each try.
func TestRateLimit(t *testing.T) {
	for _, tt := range []struct {
		name   string
		faults []fakeduo.Fault
		want   time.Duration
	}{
		{"seconds", []fakeduo.Fault{{RetryAfter: "3"}}, 3 * time.Second},
		{"seconds, X", []fakeduo.Fault{{XRetryAfter: "4"}}, 4 * time.Second},
		{"both", []fakeduo.Fault{{RetryAfter: "2", XRetryAfter: "5"}}, 2 * time.Second},
		{"garbage, then X", []fakeduo.Fault{{RetryAfter: "soon", XRetryAfter: "5"}}, 5 * time.Second},
		{"date", []fakeduo.Fault{{RetryAfter: "Sat, 01 Jan 2000 00:00:06 GMT"}}, 6 * time.Second},
		{"date, X", []fakeduo.Fault{{XRetryAfter: "Sat, 01 Jan 2000 00:00:07 GMT"}}, 7 * time.Second},
		{"date gone by", []fakeduo.Fault{{RetryAfter: "Fri, 31 Dec 1999 23:59:59 GMT"}}, time.Second},
		{"none", []fakeduo.Fault{{}}, time.Second},
		{"none, three times", []fakeduo.Fault{{}, {}, {}}, 7 * time.Second},
		{"garbage", []fakeduo.Fault{{RetryAfter: "1.5"}, {RetryAfter: "a while"}}, 3 * time.Second},
		{"at once, three times", []fakeduo.Fault{{RetryAfter: "0"}, {RetryAfter: "0"}, {RetryAfter: "-1"}}, 3 * time.Second},
		{"mixed", []fakeduo.Fault{{RetryAfter: "2"}, {}, {XRetryAfter: "1"}}, 5 * time.Second},
	} {
		for _, http1 := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s %v", tt.name, http1), func(t *testing.T) {
				bubble(t, fakeduo.Config{DisableHTTP2: http1}, fakeduo.User{Passcodes: []string{"123456"}}, nil, func(t *testing.T, w *world) {
					for _, f := range tt.faults {
						f.Status = 429
						w.Inject(authPath, f)
					}
					got, err := w.Auth(t.Context(), &policy.AuthRequest{User: jo, Factor: factor.Passcode, Passcode: "123456"})
					if err != nil || !got.Allowed {
						t.Errorf("got %+v, %v", got, err)
					}
					if took := w.took(); !within(took, tt.want, len(tt.faults)) {
						t.Errorf("took %v, want %v", took, tt.want)
					}
					wantSignedAnew(t, w.Server, len(tt.faults)+1)
				})
			})
		}
	}
}

// wantSignedAnew checks that n requests came to /auth over one connection, each complete, and with a date and signature of
// its own.
func wantSignedAnew(t *testing.T, s *fakeduo.Server, n int) {
	t.Helper()
	requests := s.Requests()
	if len(requests) != n {
		t.Errorf("%d requests, want %d", len(requests), n)
	}
	dates := map[string]bool{}
	for _, r := range requests {
		dates[r.Date] = true
		if r.Repeated || r.Date != r.Time.UTC().Format(time.RFC1123Z) || r.ContentLength < 40 ||
			form(r) != "[factor=passcode\n passcode=123456\n username=jo\n]" {
			t.Errorf("got %+v", r)
		}
	}
	if len(dates) != n {
		t.Errorf("%d dates in %d requests", len(dates), n)
	}
}

// A wait that would pass the deadline, or that is far too long, is not begun.
func TestRateLimitGivesUp(t *testing.T) {
	const full = "Duo auth: 429 (42901): Too many requests: slow down, jo"
	for _, tt := range []struct {
		name     string
		fault    fakeduo.Fault
		api, ctx time.Duration
		took     time.Duration
		requests int
	}{
		{"over the API timeout", fakeduo.Fault{RetryAfter: "10"}, 0, 0, 0, 1},
		{"over the caller's deadline", fakeduo.Fault{RetryAfter: "3"}, 0, 3 * time.Second, 0, 1},
		{"over 32 s", fakeduo.Fault{RetryAfter: "33"}, time.Hour, 0, 0, 1},
		{"over a year", fakeduo.Fault{RetryAfter: "99999999"}, time.Hour, 0, 0, 1},
		{"over 32 s, a date", fakeduo.Fault{RetryAfter: "Sat, 01 Jan 2000 00:00:33 GMT"}, time.Hour, 0, 0, 1},
		{"doubled over the API timeout", fakeduo.Fault{}, 0, 0, 7 * time.Second, 4},
		{"doubled over 32 s", fakeduo.Fault{}, time.Hour, 0, 63 * time.Second, 7},
	} {
		t.Run(tt.name, func(t *testing.T) {
			edit := func(c *duo.Config) { c.APITimeout = tt.api }
			bubble(t, fakeduo.Config{}, fakeduo.User{}, edit, func(t *testing.T, w *world) {
				tt.fault.Status, tt.fault.Times, tt.fault.Detail = 429, -1, "slow down, jo"
				w.Inject(authPath, tt.fault)
				ctx := t.Context()
				if tt.ctx > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.ctx)
					defer cancel()
				}
				got, err := w.Auth(ctx, &push)
				if got.Allowed || kind(err) != "refused" || err.Error() != full {
					t.Errorf("got %+v, %v", got, err)
				}
				if took := w.took(); !within(took, tt.took, tt.requests) || w.Count(authPath) != tt.requests {
					t.Errorf("took %v for %d requests, want %v for %d", took, w.Count(authPath), tt.took, tt.requests)
				}
				if h, _ := w.Health(); h != duo.Up || w.Pushes() != 0 {
					t.Errorf("Duo is %v, and %d pushes", h, w.Pushes())
				}
			})
		})
	}
}

// The caller may give up during the wait.
func TestRateLimitCancelled(t *testing.T) {
	bubble(t, fakeduo.Config{}, fakeduo.User{}, nil, func(t *testing.T, w *world) {
		w.Inject("", fakeduo.Fault{Status: 429, RetryAfter: "5", Times: -1})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(2*time.Second, cancel)
		_, err := w.Preauth(ctx, policy.PreauthRequest{User: jo})
		if kind(err) != "unknown" || err.Error() != "Duo preauth: context canceled" || w.took() != 2*time.Second {
			t.Errorf("got %v after %v", err, w.took())
		}
	})
}

// A poll that gets a 429 waits and then gets the answer. If it is told to wait too long, it still asks, slowly.
func TestRateLimitedPoll(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault fakeduo.Fault
		took  time.Duration
		polls int
	}{
		{"3 s", fakeduo.Fault{Status: 429, RetryAfter: "3"}, 3 * time.Second, 2},
		{"40 s, for 10 s", fakeduo.Fault{Status: 429, RetryAfter: "40", Times: 5}, 10 * time.Second, 6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, fakeduo.Config{}, fakeduo.User{}, nil, func(t *testing.T, w *world) {
				w.Inject(statusPath, tt.fault)
				got, err := w.Auth(t.Context(), &push)
				if err != nil || !got.Allowed || !within(w.took(), tt.took, 1) || w.Count(statusPath) != tt.polls || w.Pushes() != 1 {
					t.Errorf("got %+v, %v after %v and %d polls, want %v and %d", got, err, w.took(), w.Count(statusPath), tt.took, tt.polls)
				}
			})
		})
	}
}

// A 429 does not close the connection, not even over HTTP/1.1: duo_unix's fake Duo counts tries by connection.
func TestRateLimitKeepsConnection(t *testing.T) {
	s, c := ready(t, fakeduo.Config{DisableHTTP2: true}, fakeduo.User{})
	for range 5 {
		s.Inject(preauthPath, fakeduo.Fault{Status: http.StatusTooManyRequests, RetryAfter: "60"})
		if _, err := c.Preauth(t.Context(), policy.PreauthRequest{User: jo}); kind(err) != "refused" {
			t.Errorf("got %v", err)
		}
	}
	if s.TotalConnections() != 1 {
		t.Errorf("%d connections", s.TotalConnections())
	}
}
