package duo

import (
	"context"
	"net/http"
	"testing"
	"time"
)

// A call whose context has ended fails, even if it would not have to wait.
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

// TestRepeatInTime: after a 429 a call is repeated if there is time for the wait that the 429 asks for. That wait may be
// endless.
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
			ctx, cancel := context.WithTimeout(t.Context(), tt.left)
			r := &answer{status: 429, header: http.Header{"Retry-After": {tt.retryAfter}}}
			delay, again := r.repeat(ctx, 0)
			cancel()
			if again != tt.again || again && (delay < time.Second || delay >= tt.left) {
				t.Fatalf("Retry-After %s, %v left: again %v, after %v", tt.retryAfter, tt.left, again, delay)
			}
		}
	}
}
