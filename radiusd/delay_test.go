package radiusd_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/radiusd"
	"duoradiusd/test/nas"
)

// TestAcceptance19_RejectDelay: a reject is delayed, so that guessing takes time. TestRejectDelay has the exact times.
func TestAcceptance19_RejectDelay(t *testing.T) {
	t.Parallel()
	const delay = 400 * time.Millisecond
	immediate := reject
	immediate.Immediate = true
	again := ask
	again.Delayed = true
	verdicts := map[string]policy.Verdict{"reject": reject, "immediate": immediate, "accept": accept, "challenge": ask, "wrong code": again}
	d := open(t, house{rejectDelay: delay, decide: func(_ context.Context, a policy.Attempt) policy.Verdict {
		if a.User == "panic" {
			panic("broken")
		}
		return verdicts[a.User]
	}})
	n := d.nas("")
	for user, slow := range map[string]bool{"reject": true, "panic": true, "undecodable": true, "wrong code": true, "immediate": false,
		"accept": false, "challenge": false} {
		r := nas.AccessRequest(secret, user, "hunter2").Sign(nas.First)
		if user == "undecodable" {
			r = hidden("\x00x")
		}
		start := time.Now()
		d.ask(n, r)
		if took := time.Since(start); slow != (took >= delay) {
			t.Errorf("%s: answered after %v, delayed: %v", user, took, slow)
		}
		start = time.Now() // the kept reply is not held back again
		d.ask(n, r)
		if took := time.Since(start); took >= delay {
			t.Errorf("%s: repeated after %v", user, took)
		}
	}
}

// TestA5_Acceptance13_DeciderIgnoresContext: the Decider does not end with its context. The client gets its one reply all
// the same, before it gives up.
func TestA5_Acceptance13_DeciderIgnoresContext(t *testing.T) {
	t.Parallel()
	const timeout = 3 * time.Second // the reply is due 60 ms before the client gives up
	release := make(chan struct{})
	returned := make(chan struct{})
	d := open(t, house{clients: []*radiusd.Client{client(func(c *radiusd.Client) { c.Timeout = timeout })},
		decide: func(context.Context, policy.Attempt) policy.Verdict {
			defer close(returned)
			<-release
			return accept
		}})
	n := d.nas("")
	r := login()
	var gaveUp atomic.Bool // this process has a timer, too, and a busy machine delays it as it delays the daemon's
	defer time.AfterFunc(timeout, func() { gaveUp.Store(true) }).Stop()
	first := d.wants(nas.CodeAccessReject, n, r)
	if gaveUp.Load() {
		t.Error("the client gave up before the reply came")
	}
	close(release)
	<-returned
	if again := d.ask(n, r); string(again.Raw) != string(first.Raw) {
		t.Error("the late verdict changed the reply")
	}
	d.silent(n, "", 0, func() {})
	eventually(t, "one line", func() bool { return len(d.log.lines("msg=login")) == 1 && len(d.log.lines("reason=no-answer")) == 1 })
}

// TestA5_DeadlineReachesTheDecider: the Decider's context has a deadline, which is before the client gives up.
func TestA5_DeadlineReachesTheDecider(t *testing.T) {
	t.Parallel()
	d := open(t, house{clients: []*radiusd.Client{client(func(c *radiusd.Client) { c.Timeout = 500 * time.Millisecond })}})
	n := d.nas("")
	r := login()
	start := time.Now()
	d.send(n, r)
	c := d.next()
	deadline, ok := c.ctx.Deadline()
	if left := deadline.Sub(start); !ok || left < 400*time.Millisecond || left > 500*time.Millisecond {
		t.Errorf("the Decider has %v", left)
	}
	if p := d.reply(n, r); p.Code != nas.CodeAccessReject {
		t.Errorf("got %v", p)
	}
	if cause := context.Cause(c.ctx); cause != context.DeadlineExceeded {
		t.Errorf("its context ended with %v", cause)
	}
}
