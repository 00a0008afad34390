package duo

import (
	"context"
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

// The context of a poll ends with it.
func TestPollContextEnds(t *testing.T) {
	p := &polling{end: time.Now().Add(time.Hour)}
	ctx := p.within(t.Context())
	if ctx.Err() != nil {
		t.Error("ended at once")
	}
	if p.judge(t.Context(), nil, context.DeadlineExceeded); ctx.Err() == nil {
		t.Error("goes on")
	}
}
