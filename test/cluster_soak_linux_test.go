package test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"duoradiusd/test/fakeduo"
	"duoradiusd/test/nas"
)

// fleet is a group of daemons. One of them is always being killed or ended, and started again.
type fleet struct {
	t   *testing.T
	duo *fakeduo.Server

	inOrder bool // they are ended by SIGTERM, and never killed

	mu      sync.RWMutex // guards the fields below
	daemons []*daemon
	kills   int
	killed  []time.Time
	ends    int
}

func (f *fleet) at(i int) *daemon {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.daemons[i%len(f.daemons)]
}

// disturb ends and restarts one daemon after the other until ctx ends.
func (f *fleet) disturb(ctx context.Context, every time.Duration) {
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-time.After(every):
		}
		gone := f.at(i)
		if f.inOrder || i%4 == 3 {
			gone.Signal(syscall.SIGTERM) // by SIGTERM
			f.ends++
		} else {
			gone.Signal(syscall.SIGKILL)
			f.kills++
			f.killed = append(f.killed, time.Now())
		}
		gone.Wait()
		fresh := launch(f.t, f.duo, gone.dir)
		f.mu.Lock()
		f.daemons[i%len(f.daemons)] = fresh
		f.mu.Unlock()
	}
}

// soaked holds the results of the logins.
type soaked struct {
	mu                                            sync.Mutex // guards all fields
	logins, tries, accepts, rejects, gaveUp, lost int
}

// ending is how one login ended.
type ending struct {
	accepted bool
	lost     int // lost replies, on the network or with a daemon that was killed, after Duo had allowed the login
}

// failOver is one login of a client that asks the daemons in turn, with a new request each time, until one answers. One
// reply may get lost on the network.
func (f *fleet) failOver(dice *rand.Rand, user string, got *soaked) (end ending, err error) {
	patient, cancel := context.WithTimeout(f.t.Context(), 25*time.Second)
	defer cancel()
	start, loses := dice.IntN(2), dice.IntN(3) == 0
	tries, lost := 0, 0
	var reply *nas.Response
	for ; patient.Err() == nil && reply == nil; tries++ {
		d := f.at(start + tries)
		n, err := newAttempt(nil).dial(d)
		if err != nil {
			return end, err
		}
		within, cancel := context.WithTimeout(patient, time.Duration(700+dice.IntN(1500))*time.Millisecond)
		r, err := n.Exchange(within, newAttempt(nil).request(user, "push"), nas.Retransmit{Every: 200 * time.Millisecond, Copies: 10})
		cancel()
		n.Close()
		switch {
		case err != nil: // no answer in time, or the daemon is gone
			time.Sleep(10 * time.Millisecond)
			if slices.ContainsFunc(f.duo.Allows(), func(a fakeduo.Allow) bool { return a.Username == user }) {
				loses = false
				end.lost++
			}
		case loses && lost == 0:
			lost++
			end.lost++
		default:
			reply = r
		}
	}
	got.mu.Lock()
	defer got.mu.Unlock()
	got.logins, got.tries, got.lost = got.logins+1, got.tries+tries, got.lost+lost
	switch {
	case reply == nil:
		got.gaveUp++
	case reply.Code == nas.CodeAccessAccept:
		got.accepts++
		end.accepted = true
	default:
		got.rejects++
	}
	return end, nil
}

// TestSoakCluster: two daemons are killed and started again, replies are lost, and clients fail over. No login rings twice,
// and only users whom Duo allowed get in. SOAK sets the duration.
func TestSoakCluster(t *testing.T) {
	slow(t, "it kills daemons for seconds")
	duo := startDuoWith(t, fakeduo.Config{Memory: 1_000_000})
	r := startRedis(t)
	f := &fleet{t: t, duo: duo, daemons: startCluster(t, duo, r, 2, clusterClient)}
	took := soakFor(t, 8*time.Second)
	ctx, stop := context.WithTimeout(t.Context(), took)
	defer stop()
	var disturbing sync.WaitGroup
	disturbing.Go(func() { f.disturb(ctx, 1500*time.Millisecond) })
	got, endings := f.crowd(took)
	disturbing.Wait()
	pushes, allowed := f.asked()
	for user, end := range endings {
		if pushes[user] > 1 && end.lost <= 1 { // after an allow one reply may be lost
			t.Errorf("the phone of %s rang %d times", user, pushes[user])
		}
		if end.accepted && !allowed[user] {
			t.Errorf("%s was let in, whom Duo did not allow", user)
		}
	}
	if got.accepts == 0 || f.kills == 0 {
		t.Error("nobody got in, or nothing was killed: this test proves nothing")
	}
	t.Logf("%v: %d logins in %d tries, %d replies lost, %d daemons killed and %d ended; %d pushes; %d accepts of %d allows, %d rejects, %d given up",
		took, got.logins, got.tries, got.lost, f.kills, f.ends, total(pushes), got.accepts, len(allowed), got.rejects, got.gaveUp)
}

// crowd logs users in, each once. One in five declines. It records who got in.
func (f *fleet) crowd(took time.Duration) (got *soaked, endings map[string]ending) {
	got, endings = new(soaked), make(map[string]ending)
	var mu sync.Mutex // guards endings
	crowd(f.t, 16, took, func(dice *rand.Rand, name string) error {
		tap := fakeduo.Approve
		if dice.IntN(5) == 0 {
			tap = fakeduo.Deny
		}
		f.duo.SetUser(fakeduo.User{Username: name, Tap: tap, Delay: time.Duration(200+dice.IntN(2000)) * time.Millisecond})
		end, err := f.failOver(dice, name, got)
		mu.Lock()
		defer mu.Unlock()
		endings[name] = end
		return err
	})
	return got, endings
}

// rangBefore returns how long before the end of a daemon the phone of a user had rung for the first time.
func (f *fleet) rangBefore(user string) (before time.Duration) {
	for _, q := range f.duo.Requests() {
		if q.Path != "/auth/v2/auth" || q.Params == nil || q.Params.Get("username") != user {
			continue
		}
		for _, at := range f.killed {
			if !at.Before(q.Time) {
				return at.Sub(q.Time)
			}
		}
	}
	return 0
}

// asked returns how often each user's phone rang, and whom Duo allowed.
func (f *fleet) asked() (pushes map[string]int, allowed map[string]bool) {
	pushes, allowed = make(map[string]int), make(map[string]bool)
	for _, q := range f.duo.Requests() {
		if q.Path == "/auth/v2/auth" && q.Params != nil {
			pushes[q.Params.Get("username")]++
		}
	}
	for _, a := range f.duo.Allows() {
		allowed[a.Username] = true
	}
	return pushes, allowed
}

func total(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// TestSoakRestarts: one daemon without a cluster is ended or killed, and started again, all the time. Replies are lost, and
// clients ask again. If it was ended by SIGTERM, no login rings twice. After a kill, a login of the second before it may
// ring twice. Only users whom Duo allowed get in.
func TestSoakRestarts(t *testing.T) {
	slow(t, "it ends daemons for seconds")
	for name, inOrder := range map[string]bool{"ended": true, "killed": false} {
		t.Run(name, func(t *testing.T) {
			duo := startDuoWith(t, fakeduo.Config{Memory: 1_000_000})
			f := &fleet{t: t, duo: duo, inOrder: inOrder, daemons: []*daemon{startDaemon(t, duo, clusterClient)}}
			took := soakFor(t, 8*time.Second)
			ctx, stop := context.WithTimeout(t.Context(), took)
			defer stop()
			var disturbing sync.WaitGroup
			disturbing.Go(func() { f.disturb(ctx, 3*time.Second) })
			got, endings := f.crowd(took)
			disturbing.Wait()
			pushes, allowed := f.asked()
			twice, longest := 0, time.Duration(0)
			for user, end := range endings {
				if pushes[user] > 1 {
					twice++
					longest = max(longest, f.rangBefore(user))
				}
				if end.accepted && !allowed[user] {
					t.Errorf("%s was let in, whom Duo did not allow", user)
				}
			}
			if inOrder && total(pushes) > got.logins || inOrder && twice > 0 || longest > 5*time.Second { // the saved state is a second old at most, but this machine may be slow
				t.Errorf("%d pushes for %d logins; %d phones rang twice", total(pushes), got.logins, twice)
			}
			if got.accepts == 0 || f.kills+f.ends == 0 {
				t.Error("nobody got in, or no daemon ended: this test proves nothing")
			}
			t.Logf("%v: %d logins in %d tries, %d replies lost, %d times killed and %d ended; %d pushes, %d phones rang twice, the first time %v before a kill at most; %d accepts of %d allows, %d rejects, %d given up",
				took, got.logins, got.tries, got.lost, f.kills, f.ends, total(pushes), twice, longest, got.accepts, len(allowed), got.rejects, got.gaveUp)
		})
	}
}
