package fakeduo_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"duoradiusd/test/fakeduo"
)

// polled is what a poll brought, and how long it took.
func polled(t *testing.T, s *fakeduo.Server, txid string) (string, time.Duration) {
	t.Helper()
	start := time.Now()
	a := status(t, s, txid)
	if a.Stat == "FAIL" {
		return a.Message + a.Detail, time.Since(start)
	}
	return a.Response.Result + " " + a.Response.Status, time.Since(start)
}

// A login's whole life by the clock, poll after poll.
func TestPolling(t *testing.T) {
	type step struct {
		want  string
		after time.Duration
	}
	empty := "Invalid request parameters"
	for _, tt := range []struct {
		name   string
		user   fakeduo.User
		factor string
		steps  []step
	}{
		{"at once", fakeduo.User{}, "push", []step{{"allow allow", 0}, {"allow allow", 0}}},
		{"approved", fakeduo.User{Delay: 3 * time.Second}, "push",
			[]step{{"waiting pushed", 0}, {"allow allow", 3 * time.Second}, {"allow allow", 0}}},
		{"denied late", fakeduo.User{Tap: fakeduo.Deny, Delay: 40 * time.Second}, "push",
			[]step{{"waiting pushed", 0}, {empty, 25 * time.Second}, {"deny deny", 15 * time.Second}}},
		{"ignored", fakeduo.User{Tap: fakeduo.Ignore}, "push",
			[]step{{"waiting pushed", 0}, {empty, 25 * time.Second}, {empty, 25 * time.Second}, {"deny timeout", 10 * time.Second}}},
		{"too late", fakeduo.User{Delay: 2 * time.Minute}, "push",
			[]step{{"waiting pushed", 0}, {empty, 25 * time.Second}, {empty, 25 * time.Second}, {"deny timeout", 10 * time.Second}}},
		{"called", fakeduo.User{Delay: 8 * time.Second}, "phone",
			[]step{{"waiting calling", 0}, {"waiting answered", 4 * time.Second}, {"allow allow", 4 * time.Second}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := fakeduo.New(fakeduo.Config{PollWait: 25 * time.Second})
				defer s.Close()
				tt.user.Username = "jo"
				s.SetUser(tt.user)
				txid := pushed(t, s, "factor", tt.factor)
				for i, step := range tt.steps {
					got, took := polled(t, s, txid)
					if got != step.want || took != step.after {
						t.Errorf("poll %d: got %q after %v, want %q after %v", i+1, got, took, step.want, step.after)
					}
				}
			})
		})
	}
}

func TestSyncHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := withJo(fakeduo.User{Tap: fakeduo.Ask})
		defer s.Close()
		start := time.Now()
		got := auth(t, s, "username", "jo", "factor", "phone", "device", "auto").Response
		if got.Status != "timeout" || got.StatusMsg != "No keypress detected. Please try again." || time.Since(start) != time.Minute {
			t.Errorf("got %+v after %v, want a timeout after a minute", got, time.Since(start))
		}
	})
}

// Every poll that waits hears the news, and one whose client went is let go.
func TestPollsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := withJo(fakeduo.User{Tap: fakeduo.Ask})
		defer s.Close()
		txid := pushed(t, s)
		polled(t, s, txid)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if got, _ := polled(t, s, txid); got != "deny fraud" {
					t.Errorf("got %s", got)
				}
			})
		}
		gone, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			defer func() {
				if p := recover(); p != http.ErrAbortHandler {
					t.Errorf("client gone: %v, want the request abandoned", p)
				}
			}()
			s.ServeHTTP(httptest.NewRecorder(), signed(s, "GET", "/auth/v2/auth_status", params("txid", txid)).WithContext(gone))
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		if err := s.Answer(txid, fakeduo.Fraud); err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
}

func TestVerifiedPushExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := withJo(fakeduo.User{VerifiedPush: true})
		defer s.Close()
		pre := post(t, s, "/auth/v2/preauth", "username", "jo", "client_supports_verified_push", "1").Response
		time.Sleep(61 * time.Second)
		got := auth(t, s, "username", "jo", "factor", "push", "device", "auto", "txid", pre.Txid)
		if got.Detail != "txid" {
			t.Errorf("got %+v", got)
		}
	})
}

func TestAnswer(t *testing.T) {
	s := withJo(fakeduo.User{Tap: fakeduo.Ask})
	txid := pushed(t, s)
	for _, tt := range []struct {
		txid string
		tap  fakeduo.Tap
		want string
	}{
		{"none", fakeduo.Deny, "fakeduo: answer none: no such transaction"},
		{txid, fakeduo.Ask, "fakeduo: answer " + txid + ": ask is not an answer"},
		{txid, fakeduo.Approve, ""},
		{txid, fakeduo.Deny, "fakeduo: answer " + txid + ": settled already: allow"},
	} {
		err := s.Answer(tt.txid, tt.tap)
		if got := errorText(err); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
	if got, _ := polled(t, s, "none"); got != "Invalid request parameterstxid" {
		t.Errorf("poll of an unknown txid: got %q", got)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestAwaitPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := withJo(fakeduo.User{Tap: fakeduo.Ask})
		defer s.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.AwaitPending(ctx, "jo"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("nothing pending: got %v", err)
		}
		var txid string
		go func() { txid = pushed(t, s) }()
		got, err := s.AwaitPending(t.Context(), "jo")
		synctest.Wait()
		if err != nil || got.Txid != txid || !got.Pending() {
			t.Errorf("got %+v, %v, want %s", got, err, txid)
		}
	})
}

// Pending transactions cost memory and a timer each, no goroutine, and all of them end.
func TestManyPending(t *testing.T) {
	const n = 1000 // as many as the race detector has patience for; BenchmarkPending has more
	synctest.Test(t, func(t *testing.T) {
		s := withJo(fakeduo.User{Tap: fakeduo.Ignore})
		defer s.Close()
		before := runtime.NumGoroutine()
		for range n {
			pushed(t, s)
		}
		if got := runtime.NumGoroutine() - before; got > 100 { // others' tests may have some
			t.Errorf("goroutines: got %d more", got)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, tx := range s.Transactions() {
			if tx.Status != "timeout" {
				t.Fatalf("got %+v, want timeout", tx)
			}
		}
		if s.Pushes() != n {
			t.Errorf("pushes: got %d, want %d", s.Pushes(), n)
		}
	})
}
