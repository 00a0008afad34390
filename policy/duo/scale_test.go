package duo_test

import (
	"bytes"
	"runtime"
	"sync"
	"testing"
	"time"

	"duoradiusd/policy/duo"
	"duoradiusd/test/fakeduo"
)

// Two thousand pushes wait over few connections, one push each. When all is over, no goroutine of the client is left.
func TestManyPending(t *testing.T) {
	pushes := 2000
	if testing.Short() {
		pushes = 1000
	}
	s, c := ready(t, fakeduo.Config{}, fakeduo.User{Tap: fakeduo.Ask}, func(c *duo.Config) {
		c.APITimeout, c.PushTimeout = 5*time.Minute, 5*time.Minute // the race detector on a busy machine is slow
	})
	sum := &tally{}
	var wg sync.WaitGroup
	for range pushes {
		wg.Go(func() { sum.add(login(t.Context(), c, push)) })
	}
	// Wait until each login has heard "pushed" and its second poll is under way. A poll whose connection is lost, as on a machine
	// that answers no HTTP/2 ping for seconds, is made again.
	requests, connections := 0, 0
	for start := time.Now(); s.Count(statusPath) < 2*pushes || requests < pushes; time.Sleep(time.Millisecond) {
		requests, connections = c.Waiting()
		if time.Since(start) > 4*time.Minute {
			t.Fatalf("%d pushes begun, %d polls, %d requests wait", s.Pushes(), s.Count(statusPath), requests)
		}
	}
	if connections*100 > pushes*11/10 {
		t.Errorf("%d requests wait over %d connections", requests, connections)
	}
	for _, tx := range s.Transactions() {
		if err := s.Answer(tx.Txid, fakeduo.Approve); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	sum.wantKept(t, s)
	// On a busy machine a preauth waits for 2 s, and a ping begins beside it. Each ping has a connection of its own.
	made := s.TotalConnections() - s.Count(pingPath)
	if len(sum.accepted) != pushes || s.Pushes() != pushes || made*100 > pushes*11/10 {
		t.Errorf("%d accepted of %d pushes over %d connections: %v", len(sum.accepted), s.Pushes(), made, sum.err)
	}
	c.Close()
	wantNoneLeft(t)
}

// wantNoneLeft checks that no connection's goroutine is left.
func wantNoneLeft(t *testing.T) {
	t.Helper()
	buf := make([]byte, 8<<20)
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		stacks := buf[:runtime.Stack(buf, true)]
		if !bytes.Contains(stacks, []byte("net/http.(*http2clientConnReadLoop)")) {
			return
		}
		if time.Since(start) > 5*time.Second {
			t.Fatalf("still there:\n%s", stacks)
		}
	}
}
