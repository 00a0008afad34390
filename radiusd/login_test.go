package radiusd

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"duoradiusd/policy"
	"duoradiusd/test/nas"
)

func patient(timeout time.Duration) *Client {
	c := testClient()
	c.Timeout = timeout
	return c
}

// TestRejectDelay: a reject is delayed by the delay to a quarter more, at random, and by no more than a third of the
// client's timeout.
func TestRejectDelay(t *testing.T) {
	for _, tt := range []struct {
		delay, timeout time.Duration
		least, most    time.Duration
	}{
		{time.Second, 55 * time.Second, time.Second, 1250 * time.Millisecond},
		{4 * time.Second, 12 * time.Second, 4 * time.Second, 4 * time.Second},
		{time.Second, 1500 * time.Millisecond, 500 * time.Millisecond, 500 * time.Millisecond},
		{time.Hour, 30 * time.Second, 10 * time.Second, 10 * time.Second},
		{0, 55 * time.Second, 0, 0},
		{-time.Second, 55 * time.Second, 0, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newDeaf(t, deny, tt.delay, patient(tt.timeout))
			seen := make(map[time.Duration]bool)
			for range 20 {
				r, start := signedLogin(), time.Now()
				s.take(r.Bytes(), home)
				time.Sleep(tt.timeout)
				p, at := s.reply(r)
				if p == nil || p.Code != nas.CodeAccessReject {
					t.Fatalf("%v, %v: got %v", tt.delay, tt.timeout, p)
				}
				took := at.Sub(start)
				if seen[took] = true; took < tt.least || took > tt.most {
					t.Errorf("%v, %v: after %v, want %v to %v", tt.delay, tt.timeout, took, tt.least, tt.most)
				}
				time.Sleep(keepReply)
			}
			if tt.least < tt.most && len(seen) < 10 {
				t.Errorf("only %d different delays in 20", len(seen))
			}
		})
	}
}

// TestRejectDelayCountsFromTheRequest: the time that the decision took is part of the delay.
func TestRejectDelayCountsFromTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newDeaf(t, func(context.Context, policy.Attempt) policy.Verdict {
			time.Sleep(5 * time.Second)
			return policy.Verdict{}
		}, time.Second)
		r, start := signedLogin(), time.Now()
		s.take(r.Bytes(), home)
		time.Sleep(10 * time.Second)
		if _, at := s.reply(r); at.Sub(start) != 5*time.Second {
			t.Errorf("answered after %v, want 5 s", at.Sub(start))
		}
	})
}

// TestOverdue: a Decider has until one margin before the client's timeout ends. A Decider that does not end with its
// context has half of the margin more. Then the client is answered without it.
func TestOverdue(t *testing.T) {
	for _, tt := range []struct {
		timeout  time.Duration
		stubborn bool
		want     time.Duration
	}{
		{60 * time.Second, false, 59 * time.Second},
		{60 * time.Second, true, 59500 * time.Millisecond},
		{5 * time.Second, false, 4800 * time.Millisecond},
		{5 * time.Second, true, 4900 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			s := newDeaf(t, func(ctx context.Context, _ policy.Attempt) policy.Verdict {
				if tt.stubborn {
					<-release
				} else {
					<-ctx.Done()
				}
				return policy.Verdict{Outcome: policy.OutcomeAccept}
			}, 0, patient(tt.timeout))
			r, start := signedLogin(), time.Now()
			s.take(r.Bytes(), home)
			time.Sleep(tt.timeout)
			p, at := s.reply(r)
			if p == nil || at.Sub(start) != tt.want || (p.Code == nas.CodeAccessReject) != tt.stubborn {
				t.Errorf("%v, stubborn %v: %v after %v, want %v", tt.timeout, tt.stubborn, p, at.Sub(start), tt.want)
			}
			if inFlight, kept := s.Pending(); inFlight != 0 || kept != 1 {
				t.Errorf("%d in progress, %d kept", inFlight, kept)
			}
			close(release)
			synctest.Wait()
			if again, _ := s.reply(r); again == nil || again.Code != p.Code {
				t.Errorf("the late verdict changed the reply to %v", again)
			}
		})
	}
}

// TestShutdownInTime: the context ends. Half a margin later every login has its reject, and Shutdown returns.
func TestShutdownInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := newDeaf(t, func(context.Context, policy.Attempt) policy.Verdict {
			<-release
			return policy.Verdict{Outcome: policy.OutcomeAccept}
		}, time.Hour)
		var asked []*nas.Request
		for range 100 {
			asked = append(asked, signedLogin())
			s.take(asked[len(asked)-1].Bytes(), home)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		start := time.Now()
		s.Shutdown(ctx)
		if took := time.Since(start); took != 10500*time.Millisecond {
			t.Errorf("took %v, want 10.5 s", took)
		}
		for _, r := range asked {
			if p, _ := s.reply(r); p == nil || p.Code != nas.CodeAccessReject {
				t.Fatalf("got %v", p)
			}
		}
		close(release)
	})
}

// TestAbandonedIsNeverAnswered: an abandoned request gets no reply, neither from its Decider nor when its time is over.
func TestAbandonedIsNeverAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := newDeaf(t, func(context.Context, policy.Attempt) policy.Verdict {
			<-release
			return policy.Verdict{Outcome: policy.OutcomeAccept}
		}, 0)
		old := signedLogin()
		s.take(old.Bytes(), home)
		synctest.Wait()
		r := signedLogin()
		r.Identifier = old.Identifier
		s.take(r.Bytes(), home)
		if inFlight, kept := s.Pending(); inFlight != 1 || kept != 0 {
			t.Errorf("%d in progress, %d kept", inFlight, kept)
		}
		time.Sleep(10 * time.Second)
		close(release)
		synctest.Wait()
		if p, _ := s.reply(r); p == nil || p.Code != nas.CodeAccessAccept {
			t.Errorf("got %v", p)
		}
		if inFlight, kept := s.Pending(); inFlight != 0 || kept != 1 {
			t.Errorf("%d in progress, %d kept", inFlight, kept)
		}
	})
}

func TestMargin(t *testing.T) {
	for timeout, want := range map[time.Duration]time.Duration{55 * time.Second: time.Second, 3 * time.Second: 120 * time.Millisecond,
		25 * time.Second: time.Second} {
		if got := margin(timeout); got != want {
			t.Errorf("margin(%v) = %v, want %v", timeout, got, want)
		}
	}
}
