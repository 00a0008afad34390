package shared_test

import (
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/shared"
)

// TestK80_OnePush: a client asks the second daemon while the phone rings. It gets the answer to the push that the first
// daemon began, and so does the first daemon's client.
func TestK80_OnePush(t *testing.T) { onEachStore(t, testOnePush) }

func testOnePush(t *testing.T, m *server) {
	duo := newDuo()
	a, b := start(t, "a", m.addr, duo), start(t, "b", m.addr, duo)
	first := a.login("alice")
	eventually(t, "the phone rings", func() bool { return duo.rings() == 1 })
	second := b.login("alice")
	eventually(t, "b follows", func() bool { return b.memory.Counts().Transactions == 1 })
	duo.allows()
	wants(t, "a", first, policy.OutcomeAccept, policy.ReasonApproved)
	wants(t, "b", second, policy.OutcomeAccept, policy.ReasonApproved)
	if n := duo.rings(); n != 1 {
		t.Errorf("the phone rang %d times", n)
	}
	wants(t, "b later", b.login("alice"), policy.OutcomeAccept, policy.ReasonRemembered)
}

// TestK80_SameMoment: the same login reaches both daemons at the same moment, as through a load balancer (K5, K16).
func TestK80_SameMoment(t *testing.T) { onEachStore(t, testSameMoment) }

func testSameMoment(t *testing.T, m *server) {
	duo := newDuo()
	a, b := start(t, "a", m.addr, duo), start(t, "b", m.addr, duo)
	var verdicts []<-chan policy.Verdict
	for range 10 {
		verdicts = append(verdicts, a.login("alice"), b.login("alice"))
	}
	eventually(t, "the phone rings", func() bool { return duo.rings() > 0 })
	time.Sleep(300 * time.Millisecond)
	duo.allows()
	for _, v := range verdicts {
		select {
		case got := <-v:
			if got.Outcome != policy.OutcomeAccept {
				t.Errorf("%v %s %v", got.Outcome, got.Reason, got.Err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("no verdict")
		}
	}
	if n := duo.rings(); n != 1 {
		t.Errorf("the phone rang %d times", n)
	}
}

// TestK27_Deny: a client that fails over after the user declined gets that answer, and no second push.
func TestK27_Deny(t *testing.T) { onEachStore(t, testDeny) }

func testDeny(t *testing.T, m *server) {
	duo := newDuo()
	a, b := start(t, "a", m.addr, duo), start(t, "b", m.addr, duo)
	began := time.Now()
	first := a.login("alice")
	eventually(t, "the phone rings", func() bool { return duo.rings() == 1 })
	duo.answer <- policy.AuthResult{Status: "deny", Message: "Login request denied."}
	wants(t, "a", first, policy.OutcomeReject, policy.ReasonDenied)
	wants(t, "b", b.login("alice", func(a *policy.Attempt) { a.At = began }), policy.OutcomeReject, policy.ReasonDenied)
	if n := duo.rings(); n != 1 {
		t.Errorf("the phone rang %d times", n)
	}
}

// TestK17_LostReply: the reply of one daemon was lost. Another daemon gives the same allow once more, even a third one that
// knew nothing of the push. After that the phone rings again. A no is given to all that ask soon.
func TestK17_LostReply(t *testing.T) { onEachStore(t, testLostReply) }

func testLostReply(t *testing.T, m *server) {
	for _, follows := range []bool{true, false} {
		m.do("FLUSHALL")
		duo := newDuo()
		a, b := start(t, "a", m.addr, duo), start(t, "b", m.addr, duo)
		a.client.Remember, b.client.Remember = 0, 0
		first := a.login("alice")
		eventually(t, "the phone rings", func() bool { return duo.rings() == 1 })
		if follows {
			second := b.login("alice")
			eventually(t, "b follows", func() bool { return b.memory.Counts().Transactions == 1 })
			duo.allows()
			wants(t, "b", second, policy.OutcomeAccept, policy.ReasonApproved)
		} else {
			duo.allows()
		}
		wants(t, "a", first, policy.OutcomeAccept, policy.ReasonApproved)
		duo.again()
		eventually(t, "the end is published", func() bool { return len(m.keys("lease")) == 0 })
		wants(t, "b again", b.login("alice"), policy.OutcomeAccept, policy.ReasonRepeated)
		if n := duo.rings(); n != 1 {
			t.Errorf("the phone rang %d times", n)
		}
		duo.answer <- policy.AuthResult{Status: "deny"}
		for _, d := range []*daemon{a, b, a} {
			wants(t, "after the repetition", d.login("alice"), policy.OutcomeReject, policy.ReasonDenied)
			if n := duo.rings(); n != 2 {
				t.Errorf("the phone rang %d times, want 2", n)
			}
		}
	}
}

// TestK81_OwnerGone: the daemon that began a push ends. The other one asks Duo for its answer.
func TestK81_OwnerGone(t *testing.T) { onEachStore(t, testOwnerGone) }

func testOwnerGone(t *testing.T, m *server) {
	duo := newDuo()
	a, b := start(t, "a", m.addr, duo), start(t, "b", m.addr, duo)
	a.login("alice")
	eventually(t, "the phone rings", func() bool { return duo.rings() == 1 })
	second := b.login("alice")
	eventually(t, "b follows", func() bool { return b.memory.Counts().Transactions == 1 })
	a.runtime.Close() // as in a shutdown: the lease ends at once
	eventually(t, "b takes over", func() bool { return b.cluster.Counters().TakenOver == 1 })
	duo.allows()
	wants(t, "b", second, policy.OutcomeAccept, policy.ReasonApproved)
	if n := duo.rings(); n != 1 {
		t.Errorf("the phone rang %d times", n)
	}
}

// TestK25_Unpublished: the daemon that began a push ends before it could publish the txid. Nobody gets in, and the phone
// does not ring again.
func TestK25_Unpublished(t *testing.T) { onEachStore(t, testUnpublished) }

func testUnpublished(t *testing.T, m *server) {
	duo := newDuo()
	hang := make(chan struct{})
	duo.block = func() { <-hang }
	a, b := start(t, "a", m.addr, duo), start(t, "b", m.addr, duo)
	a.login("alice")
	eventually(t, "the push is asked for", func() bool { return duo.rings() == 1 })
	a.cluster.Close() // as after a kill: its lease expires
	second := b.login("alice")
	eventually(t, "b follows", func() bool { return b.memory.Counts().Transactions == 1 })
	m.endLeases()
	wants(t, "b", second, policy.OutcomeReject, policy.ReasonDuoUnavailable)
	wants(t, "b again", b.login("alice"), policy.OutcomeReject, policy.ReasonDuoUnavailable)
	if n := duo.rings(); n != 1 {
		t.Errorf("the phone rang %d times", n)
	}
	if !b.log.has("a push is lost") {
		t.Error("the log does not say so")
	}
	close(hang)
}

// TestK82_Stopped: an owner did not renew its lease for too long. Another daemon takes its push over, and the owner does
// not end it.
func TestK82_Stopped(t *testing.T) { onEachStore(t, testStopped) }

func testStopped(t *testing.T, m *server) {
	duo := newDuo()
	a, b := start(t, "a", m.addr, duo), start(t, "b", m.addr, duo)
	first := a.login("alice")
	eventually(t, "the phone rings", func() bool { return duo.rings() == 1 })
	second := b.login("alice")
	eventually(t, "b follows", func() bool { return b.memory.Counts().Transactions == 1 })
	eventually(t, "the txid is published", func() bool {
		s := m.keys("lease")
		return len(s) == 1
	})
	eventually(t, "b takes over", func() bool { // as if a had been stopped for 8 s; when it goes on, it may renew its lease first
		if b.cluster.Counters().TakenOver == 0 {
			m.endLeases()
		}
		return b.cluster.Counters().TakenOver == 1
	})
	eventually(t, "a notices", func() bool { return a.cluster.Counters().Fenced == 1 })
	duo.allows()
	wants(t, "a", first, policy.OutcomeAccept, policy.ReasonApproved)
	wants(t, "b", second, policy.OutcomeAccept, policy.ReasonApproved)
	if n := duo.rings(); n != 1 {
		t.Errorf("the phone rang %d times", n)
	}
}

// TestK89_Clock: a daemon whose clock is wrong by two hours joins pushes all the same. Approvals count by each daemon's own
// clock: an approval that has ended leads to a push, and never to an accept.
func TestK89_Clock(t *testing.T) { onEachStore(t, testClock) }

func testClock(t *testing.T, m *server) {
	for _, ahead := range []time.Duration{2 * time.Hour, -2 * time.Hour} {
		m.do("FLUSHALL")
		duo := newDuo()
		a := start(t, "a", m.addr, duo)
		b := start(t, "b", m.addr, duo, func(c *shared.Config) { c.Now = func() time.Time { return time.Now().Add(ahead) } })
		b.ahead = ahead
		first := a.login("alice")
		eventually(t, "the phone rings", func() bool { return duo.rings() == 1 })
		second := b.login("alice")
		eventually(t, "b follows", func() bool { return b.memory.Counts().Transactions == 1 })
		duo.allows()
		wants(t, "a", first, policy.OutcomeAccept, policy.ReasonApproved)
		wants(t, "b", second, policy.OutcomeAccept, policy.ReasonApproved)
		if n := duo.rings(); n != 1 {
			t.Errorf("%v ahead: the phone rang %d times", ahead, n)
		}
		for _, p := range a.cluster.Status(t.Context()).Peers {
			if off := p.Skew - ahead; !p.Self && (off > time.Second || off < -time.Second) {
				t.Errorf("the status says that b is %v ahead; want %v", p.Skew, ahead)
			}
		}
	}
}
