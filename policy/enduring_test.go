package policy_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/factor"
	"duoradiusd/policy/guard"
	"duoradiusd/policy/memory"
)

// lasting is a fake Duo that goes on when the daemon ends: the next daemon asks for transactions that an earlier one began.
type lasting struct {
	*fakeDuo
	mu     sync.Mutex // guards all fields below
	script map[string]reply
	polled []string // txids that were asked for by name
}

func (d *lasting) Auth(ctx context.Context, r *AuthRequest) (AuthResult, error) {
	if r.Began == "" {
		return d.fakeDuo.Auth(ctx, r)
	}
	d.mu.Lock()
	a, ok := d.script[r.Began]
	d.polled = append(d.polled, r.Began)
	d.mu.Unlock()
	if !ok || r.Passcode != "" || r.Device != "" || r.Factor == factor.Passcode || r.Name == "" {
		d.t.Errorf("Duo is asked for the answer of what it did not begin: %+v", r)
	}
	if err := pause(ctx, a.after); err != nil {
		return AuthResult{Txid: r.Began}, err
	}
	a.AuthResult.Txid = r.Began
	return a.AuthResult, a.err
}

// then says what happened to a transaction, at a time counted from the restart.
func (d *lasting) then(txid string, a reply) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.script[txid] = a
}

func (d *lasting) wantPolls(want string) {
	d.t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if got := fmt.Sprint(d.polled); got != want {
		d.t.Errorf("asked for %s, want %s", got, want)
	}
}

// enduring is a world that can be restarted.
type enduring struct {
	*world
	duo *lasting
}

func inEnduring(t *testing.T, f func(w *enduring)) {
	t.Helper()
	inWorld(t, func(w *world) {
		e := &enduring{w, &lasting{fakeDuo: w.duo, script: make(map[string]reply)}}
		w.client.Second, w.client.Application = e.duo, "DI1"
		w.client.Remember = time.Hour
		w.settings.Guard = guard.PushLimits{Pushes: 3, Window: 10 * time.Minute, Cooldown: 10 * time.Minute}
		w.load()
		f(e)
	})
}

func (w *enduring) second(application string) SecondFactor {
	if application == "DI1" {
		return w.duo
	}
	return nil
}

func (w *enduring) save() []byte {
	w.Helper()
	var b bytes.Buffer
	if err := w.process.Save(&b); err != nil {
		w.Fatal(err)
	}
	return b.Bytes()
}

// end ends the daemon in the way that Shutdown does.
func (w *enduring) end() []byte {
	w.Helper()
	b := w.save()
	w.process.Close()
	return b
}

// begin starts the next daemon.
func (w *enduring) begin(b []byte) {
	w.Helper()
	told := w.process.OnFraud
	w.process = newProcess(100)

	w.process.OnFraud = told
	if err := w.process.restore(bytes.NewReader(b), w.second, w.settings.Guard); err != nil {
		w.Error(err)
	}
	w.load()
	synctest.Wait()
}

func (w *enduring) restart() { w.Helper(); w.begin(w.end()) }

// pending begins a login that is rejected when the daemon ends.
func (w *enduring) pending(password string, but ...func(*Attempt)) (reject func() Verdict) {
	ctx, cancel := context.WithCancelCause(w.Context())
	verdict := make(chan Verdict, 1)
	go func() { verdict <- w.decide(ctx, w.attempt(password, but...)) }()
	synctest.Wait()
	return func() Verdict { cancel(context.Canceled); return <-verdict }
}

// passes lets time pass.
func (w *enduring) passes(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

const (
	shuttingDown = "reject shutting-down push T1" + later
	pendingText  = ": " + sayPending
)

// edit changes the saved state.
func edit(t *testing.T, b []byte, change func(*memory.Snapshot)) []byte {
	t.Helper()
	s, err := memory.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	change(s)
	var out bytes.Buffer
	if err := s.Encode(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
