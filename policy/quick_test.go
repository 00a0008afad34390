package policy_test

import (
	"net/netip"
	"testing"
	"time"

	. "duoradiusd/policy"
)

// TestDecideAtOnceAt: the time when the packet came counts.
func TestDecideAtOnceAt(t *testing.T) {
	inWorld(t, func(w *world) {
		w.client.FirstFactor, w.client.Remember = nil, time.Hour
		w.answers(allows(0))
		w.wants(w.login(""), "accept approved push T1")
		for _, tt := range []struct {
			at   time.Time
			want bool
		}{{time.Time{}, true}, {time.Now().Add(time.Hour - 1), true}, {time.Now().Add(time.Hour), false}} {
			a := w.attempt("")
			a.At = tt.at
			if v, ok := w.policy.DecideAtOnce(a); ok != tt.want {
				t.Errorf("at %v: %v, %s", tt.at, ok, line(v))
			}
		}
	})
}

// TestDecideAtOnce: it decides what Decide would decide without asking anybody, and leaves the rest unchanged.
func TestDecideAtOnce(t *testing.T) {
	remembered := func(w *world) { w.answers(allows(0)); w.wants(w.login(""), "accept approved push T1") }
	for _, tt := range []struct {
		name     string
		prepare  func(w *world)
		password string
		change   func(*Attempt)
		want     string // the result of DecideAtOnce; "" means that it leaves the login to Decide
	}{
		{"nothing remembered", func(*world) {}, "", nil, ""},
		{"remembered", remembered, "", nil, "accept remembered"},
		{"remembered, push typed", remembered, "push", nil, "accept remembered"},
		{"remembered, a passcode typed", remembered, "123456", nil, ""},
		{"remembered, no factor typed", remembered, "hunter2", nil, ""},
		{"remembered elsewhere", remembered, "", from(netip.MustParseAddr("198.51.100.9")), ""},
		{"remembered, unsigned", remembered, "", func(a *Attempt) { a.Authentic = false }, ""},
		{"remembered, CHAP", remembered, "", by(MethodCHAP), ""},
		{"remembered, State", remembered, "", state("none"), ""},
		{"remembered, probe", func(w *world) { remembered(w); w.client.ProbeUsers = []string{"alice"} }, "", nil, ""},
		{"remembered, bad name", remembered, "", as("a\x00"), ""},
		{"remembered, denied since", func(w *world) { remembered(w); w.rules(Rule{Need: NeedDeny}) }, "", nil, ""},
		{"exempt", func(w *world) { w.rules(Rule{Need: NeedExempt}) }, "anything", nil, "accept exempt"},
		{"exempt by a group that nobody tells", func(w *world) { w.rules(Rule{Groups: []string{"x"}, Need: NeedExempt}) }, "", nil, ""},
		{"a first factor", func(w *world) { w.client.FirstFactor = w.ldap; w.rules(Rule{Need: NeedExempt}) }, "pw", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.client.FirstFactor, w.client.Remember = nil, time.Hour
				tt.prepare(w)
				a := w.attempt(tt.password)
				if tt.change != nil {
					tt.change(&a)
				}
				preauths, auths := w.duo.counts()
				v, ok := w.policy.DecideAtOnce(a)
				if ok != (tt.want != "") || ok && line(v) != tt.want {
					t.Errorf("%v, %s; want %q", ok, line(v), tt.want)
				}
				if p, n := w.duo.counts(); p != preauths || n != auths {
					t.Error("Duo was asked")
				}
			})
		})
	}
}
