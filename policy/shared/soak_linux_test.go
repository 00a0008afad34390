package shared_test

import (
	"context"
	"flag"
	"fmt"
	"sync"
	"testing"
	"time"

	"duoradiusd/policy"
)

var soakFor = flag.Duration("soak", 5*time.Second, "how long TestSoak runs")

// soakDuo rings each user's phone once per push, and allows it after half a second.
type soakDuo struct {
	mu     sync.Mutex // guards all below
	rang   map[string]int
	allows map[string]time.Time // by txid
}

func (*soakDuo) Outage(context.Context) error { return nil }

func (*soakDuo) Preauth(context.Context, policy.PreauthRequest) (policy.Preauth, error) {
	return policy.Preauth{Result: policy.PreauthAuth, Devices: []policy.Device{{ID: "D1", Type: "phone", Capabilities: []string{"auto", "push"}}}}, nil
}

func (f *soakDuo) Auth(ctx context.Context, r *policy.AuthRequest) (policy.AuthResult, error) {
	txid := r.Began
	f.mu.Lock()
	if txid == "" {
		txid = "T-" + r.User.Username
		f.rang[r.User.Username]++
		f.allows[txid] = time.Now().Add(500 * time.Millisecond)
	}
	at := f.allows[txid]
	f.mu.Unlock()
	if r.Began == "" {
		r.Started(txid)
	}
	select {
	case <-time.After(time.Until(at)):
		return policy.AuthResult{Allowed: true, Status: "allow", Txid: txid}, nil
	case <-ctx.Done():
		return policy.AuthResult{Txid: txid}, context.Cause(ctx)
	}
}

// TestSoak: clients that fail over, give up and repeat, and daemons that end and start again. No login rings twice, and
// nobody is let in whom Duo did not allow.
func TestSoak(t *testing.T) {
	r := runRedis(t)
	duo := &soakDuo{rang: make(map[string]int), allows: make(map[string]time.Time)}
	var mu sync.RWMutex // guards daemons
	daemons := []*daemon{startOn(t, r.addr, duo, 0), startOn(t, r.addr, duo, 1)}
	pick := func(i int) *daemon {
		mu.RLock()
		defer mu.RUnlock()
		daemons[i].busy.Add(1)
		return daemons[i]
	}
	until := time.Now().Add(*soakFor)
	var wg sync.WaitGroup
	var count sync.Mutex
	logins, accepts, restarts := 0, 0, 0
	for w := range 8 {
		wg.Go(func() {
			for n := 0; time.Now().Before(until); n++ {
				user, ok := fmt.Sprintf("u%d-%d", w, n), false
				for try := range 4 { // the client fails over after 0.2 s, and again
					ctx, cancel := context.WithTimeout(context.Background(), time.Duration(200+try*1000)*time.Millisecond)
					d := pick((w + try) % 2)
					v := d.policy.Decide(ctx, d.attempt(user, ""))
					d.busy.Done()
					cancel()
					ok = ok || v.Outcome == policy.OutcomeAccept
				}
				count.Lock()
				if logins++; ok {
					accepts++
				}
				count.Unlock()
			}
		})
	}
	for i := 0; time.Now().Before(until); i++ {
		time.Sleep(time.Second)
		gone := daemons[i%2]
		fresh := startOn(t, r.addr, duo, i%2)
		mu.Lock()
		daemons[i%2] = fresh
		mu.Unlock()
		gone.busy.Wait() // as a daemon does, which answers what is pending before it ends
		gone.stop()
		restarts++
	}
	wg.Wait()
	duo.mu.Lock()
	defer duo.mu.Unlock()
	for user, n := range duo.rang {
		if n > 1 {
			t.Errorf("the phone of %s rang %d times", user, n)
		}
	}
	if accepts > len(duo.rang) || accepts == 0 {
		t.Errorf("%d accepts of %d allows", accepts, len(duo.rang))
	}
	t.Logf("%v: %d logins, %d pushes, %d accepts, %d restarts", *soakFor, logins, len(duo.rang), accepts, restarts)
}

func startOn(t *testing.T, addr string, duo policy.SecondFactor, i int) *daemon {
	return start(t, fmt.Sprint("d", i), addr, duo)
}
