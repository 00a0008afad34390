package duo

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// open returns lanes that know which HTTP Duo speaks.
func open(most, width int) *lanes { return &lanes{model: &http.Transport{}, max: most, width: width} }

// enter asks for n places, over HTTP/1.1, and returns those that are given at once.
func enter(l *lanes, poll bool, n int) (in []*lane) {
	for range n {
		ctx, cancel := context.WithTimeout(context.Background(), time.Nanosecond)
		if lane, err := l.acquire(ctx, time.Time{}, poll); err == nil {
			in = append(in, lane)
			l.connected(lane)
		}
		cancel()
	}
	return in
}

func empty(l *lanes) bool {
	busy := l.polls + l.dialing + l.waiting[0].Len() + l.waiting[1].Len()
	for _, lane := range l.all {
		busy += lane.busy
	}
	return busy == 0
}

// Polls leave an eighth of the connections, and at least one where there are two, to the calls.
func TestPollsLeaveRoom(t *testing.T) {
	for most, want := range map[int]int{1: 1, 2: 1, 8: 7, 16: 14, 100: 88} {
		l := open(most, 1)
		polls := enter(l, true, most+1)
		calls := enter(l, false, most+1)
		if len(polls) != want || len(calls) != most-want {
			t.Errorf("of %d: %d polls, then %d calls; want %d and %d", most, len(polls), len(calls), want, most-want)
		}
		for _, lane := range polls {
			l.release(lane, true, true)
		}
		for _, lane := range calls {
			l.release(lane, false, false)
		}
		if !empty(l) || len(l.all) > most {
			t.Errorf("of %d: %+v", most, l)
		}
	}
}

// Few connections are made at once, fewer as long as it is not known how many are needed, and a lane that lost its
// connection counts again.
func TestDialsAtOnce(t *testing.T) {
	for _, tt := range []struct{ width, want int }{{0, firstDials}, {1, dialsAtOnce}, {perConnection, dialsAtOnce * perConnection}} {
		l := open(2048, tt.width)
		var in []*lane
		for {
			ctx, cancel := context.WithTimeout(context.Background(), time.Nanosecond)
			lane, err := l.acquire(ctx, time.Time{}, false)
			cancel()
			if err != nil {
				break
			}
			in = append(in, lane)
		}
		if len(in) != tt.want {
			t.Errorf("width %d: %d requests under way without a connection, want %d", tt.width, len(in), tt.want)
		}
		for _, lane := range in {
			l.release(lane, false, false)
		}
		if !empty(l) {
			t.Errorf("width %d: %+v", tt.width, l)
		}
	}
}

// A lane that was left long ago has lost its connection, and so may one whose last request broke.
func TestIdleLane(t *testing.T) {
	for _, whole := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			l := open(2048, 1)
			for _, lane := range enter(l, false, 100) {
				l.release(lane, false, whole)
			}
			if n := len(l.all); n != 100 || l.dialing != 0 {
				t.Errorf("%d lanes, %d dialing", n, l.dialing)
			}
			if whole {
				time.Sleep(idleTimeout + time.Second)
			}
			for range 100 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				l.acquire(ctx, time.Time{}, false)
				cancel()
			}
			if l.dialing != dialsAtOnce || len(l.all) != 100 {
				t.Errorf("%d lanes, %d dialing", len(l.all), l.dialing)
			}
		})
	}
}

// Calls go before polls, each in the order of their coming; who gives up leaves the line, and loses no place when it
// was given one at that moment.
func TestLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(1, 1)
		first := enter(l, false, 1)[0]
		var mu sync.Mutex
		var order []int
		var wg sync.WaitGroup
		ctx, cancel := context.WithCancelCause(t.Context())
		gone := errors.New("gone")
		for i, poll := range []bool{true, false, true, false, false} {
			wg.Go(func() {
				with := t.Context()
				if i == 3 {
					with = ctx
				}
				lane, err := l.acquire(with, time.Time{}, poll)
				if i == 3 {
					if err != gone || lane != nil {
						t.Errorf("got %v, %v", lane, err)
					}
					return
				}
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				time.Sleep(time.Second)
				l.release(lane, poll, true)
			})
			synctest.Wait()
		}
		cancel(gone)
		synctest.Wait()
		l.release(first, false, true)
		wg.Wait()
		if want := [4]int{1, 4, 0, 2}; len(order) != 4 || [4]int(order) != want {
			t.Errorf("got %v, want %v", order, want)
		}
		if !empty(l) {
			t.Errorf("%+v", l)
		}
	})
}

// Places given to those who have just gone come back: many at once who give up at any moment.
func TestGivingUp(t *testing.T) {
	l := open(3, 1)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 500 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(j%7)*10*time.Microsecond)
				if lane, err := l.acquire(ctx, time.Time{}, i%2 == 0); err == nil {
					l.connected(lane)
					l.release(lane, i%2 == 0, j%3 != 0)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if !empty(l) || len(l.all) > 3 {
		t.Errorf("%+v", l)
	}
}

// Duo may change from HTTP/2 to HTTP/1.1, and back.
func TestWidth(t *testing.T) {
	l := open(64, perConnection)
	var in []*lane
	for range 10 {
		lane, _ := l.acquire(context.Background(), time.Time{}, false)
		in = append(in, lane)
	}
	if len(l.all) != 1 {
		t.Errorf("%d lanes over HTTP/2", len(l.all))
	}
	l.connected(in[0])
	more := enter(l, false, 5)
	if l.width != 1 || len(l.all) != 6 {
		t.Errorf("%d lanes and width %d over HTTP/1.1", len(l.all), l.width)
	}
	for _, lane := range append(in, more...) {
		l.release(lane, false, true)
	}
	if !empty(l) {
		t.Errorf("%+v", l)
	}
}
