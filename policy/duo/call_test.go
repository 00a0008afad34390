package duo

import (
	"context"
	"errors"
	"testing"
	"time"
)

// Over is over, even where there is nothing to wait for.
func TestSleep(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	for range 50 {
		if !sleep(ctx, 0) || !sleep(ctx, time.Microsecond) {
			t.Fatal("did not sleep")
		}
	}
	cancel()
	for range 50 {
		if sleep(ctx, 0) || sleep(ctx, time.Nanosecond) || sleep(ctx, time.Hour) {
			t.Fatal("slept")
		}
	}
}

func TestJitter(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 1000 {
		d := jitter()
		if d < 0 || d > 255*time.Millisecond {
			t.Fatalf("got %v", d)
		}
		seen[d] = true
	}
	if len(seen) < 100 {
		t.Errorf("only %d of them in a thousand", len(seen))
	}
}

// A poll is given up after longPoll, the last one when the push timeout is over.
func TestPollEnds(t *testing.T) {
	for _, left := range []time.Duration{time.Hour, longPoll + time.Second, longPoll - time.Second, time.Second} {
		p := &polling{request: &request{}, end: time.Now().Add(left)}
		before := time.Now()
		p.next()
		if p.until.After(p.end) || p.until.After(time.Now().Add(longPoll)) || left > longPoll && p.until.Before(before.Add(longPoll)) ||
			left < longPoll && !p.until.Equal(p.end) {
			t.Errorf("%v before the end: given up after %v", left, p.until.Sub(before))
		}
	}
}

// What is late does not begin: a phone would ring for nobody.
func TestLateRequest(t *testing.T) {
	cause := errors.New("given up")
	over, end := context.WithCancelCause(t.Context())
	end(cause)
	for name, tt := range map[string]struct {
		ctx   context.Context
		until time.Time
		want  error
	}{
		"no limit": {t.Context(), time.Time{}, nil},
		"in time":  {t.Context(), time.Now().Add(time.Hour), nil},
		"late":     {t.Context(), time.Now(), context.DeadlineExceeded},
		"given up": {over, time.Time{}, cause},
		"both":     {over, time.Now().Add(-time.Hour), cause},
	} {
		l := &lanes{max: 1}
		r := &request{path: authPath, until: tt.until}
		if got := r.late(tt.ctx); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
		if tt.want == nil {
			continue
		}
		if _, err := l.do(tt.ctx, r); err != tt.want || len(l.all) != 0 {
			t.Errorf("%s: %v with %d lanes", name, err, len(l.all))
		}
	}
}

// TestRepeatInTime: a 429 is repeated where there is time for the wait that it asks for, which may be for ever.
func TestRepeatInTime(t *testing.T) {
	for _, tt := range []struct {
		retryAfter string
		left       time.Duration
		again      bool
	}{
		{"2", time.Minute, true},
		{"2", time.Second, false},
		{"32", time.Hour, true},
		{"33", time.Hour, false},
		{"Fri, 31 Dec 9999 23:59:59 GMT", time.Hour, false},
		{"-1", time.Minute, true},
	} {
		for range 50 {
			r := &response{status: 429, retryAfter: [2]string{tt.retryAfter}}
			delay, again := r.repeat(t.Context(), time.Now().Add(tt.left), 0)
			if again != tt.again || again && (delay < time.Second || delay >= tt.left) {
				t.Fatalf("Retry-After %s, %v left: again %v, after %v", tt.retryAfter, tt.left, again, delay)
			}
		}
	}
}
