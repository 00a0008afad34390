package policy_test

import (
	"testing"

	. "duoradiusd/policy"
)

// TestProbeAnswers: the answers to a health check. Only a signed request with the probe's own password is accepted, and the
// State of a challenge is never good.
func TestProbeAnswers(t *testing.T) {
	const secret = "the monitor's own word"
	for _, tt := range []struct {
		name     string
		answer   ProbeAnswer
		password string
		change   func(*Attempt)
		want     Outcome
	}{
		{"reject", ProbeReject, secret, nil, OutcomeReject},
		{"zero", "", secret, nil, OutcomeReject},
		{"challenge", ProbeChallenge, "anything", nil, OutcomeChallenge},
		{"challenge, unsigned", ProbeChallenge, "anything", func(a *Attempt) { a.Authentic = false }, OutcomeChallenge},
		{"accept", ProbeAccept, secret, nil, OutcomeAccept},
		{"accept, another password", ProbeAccept, secret + "x", nil, OutcomeReject},
		{"accept, no password", ProbeAccept, "", nil, OutcomeReject},
		{"accept, unsigned", ProbeAccept, secret, func(a *Attempt) { a.Authentic = false }, OutcomeReject},
		{"accept, CHAP", ProbeAccept, secret, by(MethodCHAP), OutcomeReject},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.client.ProbeUsers, w.client.Probe, w.client.ProbeSecret = []string{"monitor"}, tt.answer, secret
				w.settings.Replies = []Reply{{Attributes: given(attr(class, "own"))}}
				w.load()
				a := w.attempt(tt.password, as("monitor"))
				if tt.change != nil {
					tt.change(&a)
				}
				v := w.policy.Decide(t.Context(), a)
				if v.Outcome != tt.want || v.Reason != ReasonProbe || len(v.Attributes) != 0 {
					t.Errorf("%s, attributes %q", line(v), attributes(v))
				}
				if preauths, auths := w.duo.counts(); preauths+auths != 0 {
					t.Error("Duo was asked")
				}
				if v.Outcome == OutcomeChallenge {
					again := w.policy.Decide(t.Context(), w.attempt(secret, as("monitor"), state(v.State)))
					if again.Outcome != OutcomeReject || again.Reason != ReasonBadState {
						t.Errorf("the challenge's State is good: %s", line(again))
					}
				}
			})
		})
	}
}
