package policy_test

import (
	"testing"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/factor"
)

// TestLostReplyRingsOnce: the Access-Accept is lost, and the client sends the login again as a new request. The user has
// approved this login already, so it gets the same answer once more. A third request is asked again.
func TestLostReplyRingsOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.process.repeats = true
		w.duo.scripts = func(AuthRequest) reply { return allows(time3) }
		w.wants(w.login("pw"), "accept approved push T1")
		time.Sleep(2 * time.Second)
		v := w.login("pw")
		if _, pushes := w.duo.counts(); v.Outcome != OutcomeAccept || pushes != 1 {
			t.Errorf("the repeated request: %s, %d pushes", line(v), pushes)
		}
		w.login("pw")
		if _, pushes := w.duo.counts(); pushes != 2 {
			t.Errorf("a third request: %d pushes, want 2", pushes)
		}
	})
}

// repeating runs f in a world in which answers are given again, after alice has been given one.
func repeating(t *testing.T, first reply, but func(*Attempt), want string, f func(w *world)) {
	inWorld(t, func(w *world) {
		w.process.repeats = true
		w.client.Remember = 0
		w.answers(first)
		w.wants(w.login("pw", but), want)
		f(w)
	})
}

// TestRepeatedOnlyWhere: the answer is given again only to the same request, for half a minute, and only if it would be
// allowed now.
func TestRepeatedOnlyWhere(t *testing.T) {
	const approved, again, anew = "accept approved push T1", "accept repeated push T1", "accept approved push T2"
	same := func(*Attempt) {}
	for _, tt := range []struct {
		name   string
		first  func(*Attempt)
		change func(w *world)
		next   func(*Attempt)
		want   string
	}{
		{"the same", same, func(*world) {}, same, again},
		{"just in time", same, func(*world) { time.Sleep(lateAnswer - 1) }, same, again},
		{"too late", same, func(*world) { time.Sleep(lateAnswer) }, same, anew},
		{"another address", same, func(*world) {}, from(cafe), anew},
		{"no address", from(nowIP), func(*world) {}, from(nowIP), anew},
		{"not signed, as the first was", same, func(*world) {}, unsigned, anew},
		{"neither signed", unsigned, func(*world) {}, unsigned, again},
		{"signed, as the first was not", unsigned, func(*world) {}, same, again},
		{"denied by now", same, func(w *world) { w.rules(Rule{Need: NeedDeny}) }, same, deniedNow},
		{"a code is wanted by now", same, func(w *world) { w.client.Factors = []factor.Factor{factor.Phone} }, same, "accept approved phone T2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			repeating(t, allows(time3), tt.first, approved, func(w *world) {
				tt.change(w)
				if tt.want == anew || tt.want == "accept approved phone T2" {
					w.answers(allows(time3))
				}
				w.wants(w.login("pw", tt.next), tt.want)
			})
		})
	}
}

// TestDeclinedIsDeclined: copies of a login that the user has just declined make no phone ring.
func TestDeclinedIsDeclined(t *testing.T) {
	for status, reason := range map[string]string{"deny": "denied", "fraud": "fraud"} {
		declined := "reject " + reason + " push T1: "
		repeating(t, denies(status, "No.", 2*time.Second), func(*Attempt) {}, declined+"No.", func(w *world) {
			for range 3 {
				time.Sleep(5 * time.Second)
				w.wants(w.login("pw"), declined+"You have just declined this login.")
			}
			if _, pushes := w.duo.counts(); pushes != 1 {
				t.Errorf("%s: %d pushes", status, pushes)
			}
		})
	}
}

// TestForgottenIsNotRepeated: an answer that was forgotten, by the administrator or because of fraud, is not given again.
func TestForgottenIsNotRepeated(t *testing.T) {
	phone := Phone{Duo: Identity{Username: "someone-else"}, Person: "alice"}
	for name, forget := range map[string]func(w *world){
		"a person":  func(w *world) { w.process.Approvals.Forget(w.Context(), "alice") },
		"everybody": func(w *world) { w.process.Approvals.ForgetAll(w.Context()) },
		"a phone":   func(w *world) { w.process.Approvals.ForgetPhone(w.Context(), phone) },
	} {
		t.Run(name, func(t *testing.T) {
			repeating(t, allows(time3), func(*Attempt) {}, "accept approved push T1", func(w *world) {
				forget(w)
				w.answers(allows(time3))
				w.wants(w.login("pw"), "accept approved push T2")
			})
		})
	}
}

// TestLateYesOfWhoGaveUp: the client was seen to give up, and got an answer. A yes that comes afterwards counts for the
// next try. In addition, it may be given again because of a lost reply.
func TestLateYesOfWhoGaveUp(t *testing.T) {
	gaveUp := func(a *Attempt) { a.GivenUp = func() bool { return true } }
	waits := func(a *Attempt) { a.GivenUp = func() bool { return false } }
	for _, tt := range []struct {
		name  string
		first func(*Attempt)
		but   func(*Attempt)
		want  []string
	}{
		{"gave up", gaveUp, nowhere, []string{"accept approved push T1", "accept repeated push T1", "accept approved push T2"}},
		{"waits", waits, nowhere, []string{"accept repeated push T1", "accept approved push T2"}},
		{"gave up, and is not signed now", gaveUp, unsigned, []string{"accept approved push T2"}},
		{"gave up, and asks from elsewhere", gaveUp, from(cafe), []string{"accept approved push T2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.process.repeats = true
				w.client.Remember = 0
				w.answers(allows(time3), allows(time3))
				w.wants(w.login("pw", tt.first), "accept approved push T1")
				for _, want := range tt.want {
					time.Sleep(time.Second)
					w.wants(w.login("pw", tt.but), want)
				}
			})
		})
	}
}

func nowhere(*Attempt) {}

// TestRepeatsOfADialogue: the answer to a challenge is given again neither to a login that begins anew nor to the State.
func TestRepeatsOfADialogue(t *testing.T) {
	inChallenge(t, func(w *world) {
		w.process.repeats = true
		w.client.Remember = 0
		w.answers(allows(time3))
		s := w.offered()
		w.answer(s, "1", "accept approved push T1")
		w.answer(s, "1", "reject bad-state: This login is over. Start again.")
		w.offered()
	})
}

// TestRepeatsWhateverIsTyped: where the password field is ignored, its content does not make another login.
func TestRepeatsWhateverIsTyped(t *testing.T) {
	inWorld(t, func(w *world) {
		w.process.repeats = true
		w.client.FirstFactor, w.client.IgnorePassword = nil, true
		w.answers(allows(time3))
		w.wants(w.login("123456"), "accept approved push T1")
		w.wants(w.login("anything"), "accept repeated push T1")
	})
}

// TestPasscodeIsNotRepeated: a passcode is good once, so its answer is not given again.
func TestPasscodeIsNotRepeated(t *testing.T) {
	inWorld(t, func(w *world) {
		w.process.repeats = true
		w.answers(allows(0), wrong)
		w.wants(w.login("pw,123456"), "accept approved passcode")
		if v := w.login("pw,123456"); v.Outcome != OutcomeReject || v.Reason != ReasonDenied {
			t.Error(line(v))
		}
	})
}

// TestSameOctetsAreAnswered: after a failover, the door may not know a copy with the same octets. Such a copy gets the
// answer to a passcode as well, if both are signed or both are not. It gets none after the approvals were forgotten, and
// never the answer of another login.
func TestSameOctetsAreAnswered(t *testing.T) {
	octets := func(a *Attempt) { a.Authenticator, a.Attributes = [16]byte{1}, []byte("octets") }
	for _, tt := range []struct {
		name   string
		but    func(*Attempt)
		copied func(*Attempt)
		forget bool
		want   string
	}{
		{"signed", nowhere, nowhere, false, "accept repeated passcode"},
		{"neither signed", unsigned, unsigned, false, "accept repeated passcode"},
		{"without an address", from(nowIP), from(nowIP), false, "accept repeated passcode"},
		{"not signed, as the first was", nowhere, unsigned, false, "discard replayed"},
		{"forgotten", nowhere, nowhere, true, "discard replayed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.client.Remember = 0
				w.answers(allows(time3))
				w.wants(w.login("pw,123456", octets, tt.but), "accept approved passcode")
				if tt.forget {
					if _, err := w.process.Approvals.ForgetAll(w.Context()); err != nil {
						t.Error(err)
					}
				}
				time.Sleep(10 * time.Second)
				w.wants(w.login("pw,123456", octets, tt.copied), tt.want)
				time.Sleep(2 * time.Minute)
				w.wants(w.login("pw,123456", octets, tt.copied), "discard replayed")
			})
		})
	}
}

// TestSameOctetsAfterARestart: the same datagram joins the push that it began, whether or not it tells the user's address.
// It gets no reply when the push is long over.
func TestSameOctetsAfterARestart(t *testing.T) {
	octets := func(a *Attempt) { a.Authenticator, a.Attributes = [16]byte{1}, []byte("octets") }
	for name, ip := range map[string]func(*Attempt){"with an address": from(home), "without": from(nowIP)} {
		t.Run(name, func(t *testing.T) {
			inEnduring(t, func(w *enduring) {
				w.answers(never)
				w.wants(w.pending("pw", octets, ip)(), shuttingDown)
				w.duo.then("T1", allows(time3))
				w.restart()
				w.wants(w.login("pw", octets, ip), "accept approved push T1")
				w.client.Remember = 0
				w.restart()
				time.Sleep(2 * time.Minute)
				w.wants(w.login("pw", octets, ip), "discard replayed")
			})
		})
	}
}
