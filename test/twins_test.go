package test

import (
	"testing"
	"time"

	"duoradiusd/test/fakeduo"
	"duoradiusd/test/nas"
)

// TestTwins: a client sends two requests of one login at the same time, as failover and restarts do. The second one's
// preauth takes longer than all the rest of the first. Whatever the result of the first, the phone rings once.
func TestTwins(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		tap  fakeduo.Tap
		auth fakeduo.Fault
		code byte
	}{
		{"approved", fakeduo.Approve, fakeduo.Fault{}, nas.CodeAccessAccept},
		{"denied", fakeduo.Deny, fakeduo.Fault{}, nas.CodeAccessReject},
		{"answer of auth lost", fakeduo.Ignore, fakeduo.Fault{CutAfter: true, Stream: true}, nas.CodeAccessReject},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			duo := startDuo(t, fakeduo.User{Username: "alice", Tap: tt.tap})
			d := startDaemon(t, duo, "[[client]]\ntimeout = \"10s\"\n")
			duo.Inject("/auth/v2/preauth", fakeduo.Fault{Delay: 300 * time.Millisecond})
			duo.Inject("/auth/v2/preauth", fakeduo.Fault{Hang: true})
			duo.Inject("/auth/v2/auth", tt.auth)
			l := &line{daemon: d, every: time.Second, limit: patience}
			var twins []*port
			for i := range 2 {
				p, err := l.open()
				if err != nil {
					t.Fatal(err)
				}
				defer p.nas.Close()
				if _, err := p.send(pushRequest("alice")); err != nil {
					t.Fatal(err)
				}
				eventually(t, "preauth", func() bool { return duo.Count("/auth/v2/preauth") == i+1 })
				twins = append(twins, p)
			}
			for _, p := range twins {
				if err := p.settle(); err != nil {
					t.Fatal(err)
				}
				if got := p.asks[0].reply; got.Code != tt.code {
					t.Errorf("got %v", got)
				}
				duo.Heal()
			}
			if got := duo.Pushes(); got != 1 {
				t.Errorf("%d pushes for one login", got)
			}
		})
	}
}
