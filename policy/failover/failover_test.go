package failover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

var errDown = errors.New("down")

// group returns a group of a, b and c, and the reports that OnHealth got.
func group() (*Group, *[]string) {
	var told []string
	return New(Config{Servers: []string{"a", "b", "c"}, Timeout: 5 * time.Second, Patience: 2 * time.Second, Avoid: time.Minute,
		OnHealth: func(server string, err error) { told = append(told, fmt.Sprint(server, " ", err)) }}), &told
}

// login asks g; answers says how long each server takes to answer, and a negative time makes it fail at once.
func login(ctx context.Context, g *Group, answers ...time.Duration) (asked []int, err error) {
	err = g.Each(ctx, Any, func(ctx context.Context, t *Turn) (bool, error) {
		asked = append(asked, t.Server)
		if answers[t.Server] < 0 {
			return false, errDown
		}
		select {
		case <-time.After(answers[t.Server]):
			g.Answered(t.Server)
			return true, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	})
	return asked, err
}

func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, told := group()
		for _, step := range []struct {
			sleep   time.Duration
			answers []time.Duration
			want    []int
		}{
			{0, []time.Duration{-1, -1, 0}, []int{0, 1, 2}},
			{0, []time.Duration{-1, -1, 0}, []int{2}}, // the others are known to be down
			{time.Minute, []time.Duration{-1, 0, 0}, []int{0, 1}},
			{0, []time.Duration{0, 0, 0}, []int{1}},
			{time.Minute, []time.Duration{0, 0, 0}, []int{0}},
		} {
			time.Sleep(step.sleep)
			if asked, err := login(t.Context(), g, step.answers...); err != nil || !slices.Equal(asked, step.want) {
				t.Errorf("asked %v, %v; want %v", asked, err, step.want)
			}
		}
		want := []string{"a down", "b down", "b <nil>", "a <nil>"}
		if !slices.Equal(*told, want) {
			t.Errorf("told %q, want %q", *told, want)
		}
		_, err := login(t.Context(), g, -1, -1, -1)
		if err == nil || err.Error() != "down; down; down" || !errors.Is(err, errDown) {
			t.Errorf("got %v", err)
		}
	})
}

// TestBlame: a server that had too little time, or that answers other logins, is not blamed.
func TestBlame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, told := group()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second) // one second for each
		defer cancel()
		if asked, err := login(ctx, g, time.Hour, time.Hour, time.Hour); err == nil || len(asked) != 3 {
			t.Errorf("asked %v, %v", asked, err)
		}
		if g.Health(0).Down || len(*told) != 0 {
			t.Errorf("%+v, told %q", g.Health(0), *told)
		}
		go func() {
			time.Sleep(time.Second)
			g.Answered(0)
		}()
		begun := time.Now()
		if asked, err := login(t.Context(), g, time.Hour, 0, 0); err != nil || len(asked) != 2 || time.Since(begun) != 5*time.Second {
			t.Errorf("asked %v, %v after %v", asked, err, time.Since(begun))
		}
		if g.Health(0).Down {
			t.Error("a server that answers others is down")
		}
		login(t.Context(), g, time.Hour, 0, 0)
		if h := g.Health(0); !h.Down || h.Err == nil {
			t.Errorf("%+v", h)
		}
		g.Retry(0)
		if asked, _ := login(t.Context(), g, 0, 0, 0); !slices.Equal(asked, []int{0}) {
			t.Errorf("asked %v", asked)
		}
	})
}

// TestOneTries: one login tries a server again, the others go on to the next.
func TestOneTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := group()
		login(t.Context(), g, time.Hour, 0, 0)
		time.Sleep(time.Minute)
		results := make(chan []int, 10)
		for range 10 {
			go func() {
				asked, _ := login(t.Context(), g, time.Hour, 0, 0)
				results <- asked
			}()
		}
		tried := 0
		for range 10 {
			if asked := <-results; asked[0] == 0 {
				tried++
			}
		}
		if tried != 1 {
			t.Errorf("%d logins tried it, want 1", tried)
		}
	})
}

// TestReports: calls are made in order, by one goroutine at a time, and without a lock.
func TestReports(t *testing.T) {
	var r Reports
	var got []int
	r.Add(func() {
		got = append(got, 1)
		r.Add(func() { got = append(got, 3) })
		r.Flush() // another call is being made: returns at once
	})
	r.Add(func() { got = append(got, 2) })
	r.Flush()
	if !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("got %v", got)
	}
}
