package policy_test

import (
	"net/netip"
	"testing"
	"time"

	. "duoradiusd/policy"
)

// TestAnswerAskedAgain: a client that gets no reply sends the answer to a challenge again, as a new request. It is the same
// answer if State, client, person and octets are the same, and if it is signed where the first one was. The user's address
// may be missing. The field when says how far the first answer had come: Duo had been asked for the user's factors only, or
// for a push, or the daemon was restarted.
func TestAnswerAskedAgain(t *testing.T) {
	const approved = "accept approved push T1"
	for _, tt := range []struct {
		name   string
		first  func(*Attempt)
		copied func(*Attempt)
		text   string
		want   string
	}{
		{"the same", nowhere, nowhere, "1", approved},
		{"without the address", nowhere, from(netip.Addr{}), "1", approved},
		{"the first without the address", from(netip.Addr{}), nowhere, "1", approved},
		{"from elsewhere", nowhere, from(cafe), "1", badState},
		{"not signed", nowhere, unsigned, "1", badState},
		{"neither signed", unsigned, unsigned, "1", approved},
		{"signed, as the first was not", unsigned, nowhere, "1", approved},
		{"another answer", nowhere, nowhere, "2", badState},
		{"somebody else", nowhere, as("bob"), "1", badState},
	} {
		for _, when := range []time.Duration{time.Second, 3 * time.Second} { // preauth takes two seconds
			t.Run(tt.name+" after "+when.String(), func(t *testing.T) {
				inChallenge(t, func(w *world) {
					s := w.offered()
					w.preauthTakes(2 * time.Second)
					w.duo.scripts = func(AuthRequest) reply { return allows(10 * time.Second) }
					first := w.start("1", state(s), tt.first)
					time.Sleep(when)
					again := w.start(tt.text, state(s), tt.copied)
					again.wants(tt.want)
					first.wants(approved)
					if _, auths := w.duo.counts(); auths != 1 {
						t.Errorf("%d pushes", auths)
					}
					w.answer(s, "1", badState) // the first answer had its reply
				})
			})
		}
		t.Run(tt.name+" after a restart", func(t *testing.T) {
			inEnduring(t, func(w *enduring) {
				w.client.Mode = ModeChallenge
				w.duo.pre.Devices = []Device{smartphone, landline, token}
				s := w.offered()
				w.answers(never)
				w.wants(w.pending("1", state(s), tt.first)(), shuttingDown)
				w.duo.then("T1", allows(time3))
				w.restart()
				w.wants(w.login(tt.text, state(s), tt.copied), tt.want)
			})
		})
	}
}

// TestSilentKeepsState: failmode = "silent" sends no reply to copies of an answer either. When Duo is back, the same answer
// counts.
func TestSilentKeepsState(t *testing.T) {
	const silence = "discard duo-unavailable"
	inChallenge(t, func(w *world) {
		w.client.Failmode = FailmodeSilent
		s := w.offered()
		w.duo.preErr = errDown
		w.preauthTakes(3 * time.Second)
		first := w.start("1", state(s))
		time.Sleep(time.Second)
		again := w.start("1", state(s)) // while the first answer is worked on
		first.wants(silence)
		again.wants(silence)
		for range 2 {
			time.Sleep(100 * time.Second)
			w.wants(w.login("1", state(s), from(netip.Addr{})), silence)
		}
		w.duo.preErr = nil
		w.answers(allows(time3))
		w.answer(s, "1", "accept approved push T1")
		w.answer(s, "1", badState)
	})
	inChallenge(t, func(w *world) { // no login waits for the answer any more
		w.client.Failmode = FailmodeSilent
		s := w.offered()
		w.duo.preErr = errDown
		w.wants(w.login("1", state(s)), silence)
		w.duo.preErr = nil
		time.Sleep(ChallengeLife)
		w.answer(s, "1", badState)
	})
	inChallenge(t, func(w *world) { // a reject is a reply, too
		s := w.offered()
		w.duo.preErr = errDown
		w.wants(w.login("1", state(s)), "reject duo-unavailable"+later)
		w.duo.preErr = nil
		w.answer(s, "1", badState)
	})
}

// TestSilentKeepsEAP: the last packet of an EAP conversation got no reply. When it comes again, it is answered. The
// upstream has said yes already and is not asked again. Another packet with that State is not an answer.
func TestSilentKeepsEAP(t *testing.T) {
	packet := func(eap string, s string) func(*Attempt) {
		return func(a *Attempt) { a.Method, a.EAP, a.State = MethodEAP, eap, s }
	}
	for name, last := range map[string]string{"the same": "\x02\x02\x00\x06\x15\x00", "another": "\x02\x02\x00\x06\x15\x01"} {
		t.Run(name, func(t *testing.T) {
			inRelay(t, func(w *world, u *upstream) {
				w.client.Failmode, w.duo.preErr = FailmodeSilent, errDown
				u.says(back(AskBack{State: "S1", EAP: "\x01\x02\x00\x06\x15\x20"}), said{account: Account{User: "alice", EAP: "\x03\x02\x00\x04"}, after: time.Second})
				s := w.login("", packet("\x02\x01\x00\x0a\x01alice", "")).State
				first := w.start("", packet("\x02\x02\x00\x06\x15\x00", s))
				again := w.start("", packet("\x02\x02\x00\x06\x15\x00", s))
				first.wants("discard duo-unavailable")
				again.wants("discard duo-unavailable")
				w.wants(w.login("", packet("\x02\x02\x00\x06\x15\x00", s)), "discard duo-unavailable")
				w.duo.preErr = nil
				want := badState
				if name == "the same" {
					want = "accept approved push T1"
					w.answers(allows(time3))
				}
				v := w.login("", packet(last, s))
				w.wants(v, want)
				if name == "the same" && v.EAP != "\x03\x02\x00\x04" {
					t.Errorf("EAP %q", v.EAP)
				}
				if got := u.asks(); got != "alice[EAP] alice[EAP]@S1" && got != "alice[eap] alice[eap]@S1" {
					t.Errorf("the upstream was asked %q", got)
				}
			})
		})
	}
}
