package policy_test

import (
	"errors"
	"testing"
	"time"

	. "duoradiusd/policy"
)

// inTunnel is a world whose upstream accepts every EAP login. It tells the inner name of alice alone: the login that
// alice herself begins is proven, any other is not. The two differ in Attributes alone, which the policy does not read.
func inTunnel(t *testing.T, f func(w *world, proven, outerOnly func(*Attempt))) {
	t.Helper()
	inRelay(t, func(w *world, u *upstream) {
		u.scripts = func(r FirstRequest) said {
			if r.Attributes == nil {
				return yes(Account{EAP: success, Unproven: true})
			}
			return yes(Account{EAP: success, User: "alice"})
		}
		proven := func(a *Attempt) { a.Method, a.Password, a.Attributes = MethodEAP, "", []byte("the inner name is told") }
		outerOnly := func(a *Attempt) { a.Method, a.Password = MethodEAP, "" }
		f(w, proven, outerOnly)
	})
}

// TestUnprovenNameIsNotBypassed: Duo's answer "allow" is about a person. Nobody has proved to be the person whom the outer
// name of an EAP tunnel names, so Duo's bypass of that person must not count.
func TestUnprovenNameIsNotBypassed(t *testing.T) {
	inTunnel(t, func(w *world, _, outerOnly func(*Attempt)) {
		w.duo.pre = Preauth{Result: PreauthAllow}
		w.notAccepted(w.login("", outerOnly, as("visitor")))
		w.duo.pre = Preauth{Result: PreauthAuth, Devices: []Device{smartphone}}
		w.duo.scripts = func(AuthRequest) reply {
			return reply{AuthResult: AuthResult{Allowed: true, Status: "bypass"}, after: time.Second}
		}
		w.notAccepted(w.login("", outerOnly, as("visitor")))
	})
}

// TestUnprovenNameNeverFailsOpen: failmode is the failmode of a rule, and the rule is found by the name. A name that nobody
// has proved must not choose "safe".
func TestUnprovenNameNeverFailsOpen(t *testing.T) {
	inTunnel(t, func(w *world, _, outerOnly func(*Attempt)) {
		w.client.Failmode = FailmodeSafe
		w.rules(Rule{Name: "strict", Users: []string{"bob"}, Failmode: FailmodeSecure})
		w.duo.preErr = errDown
		w.notAccepted(w.login("", outerOnly, as("bob")))
		w.notAccepted(w.login("", outerOnly, as("carol"))) // a user who may be bob
	})
}

// TestUnprovenNameNeverJoins: alice has begun a push from an address that many users share. Another user there, who wrote
// "alice" outside of the tunnel, must not be let in by alice's answer.
func TestUnprovenNameNeverJoins(t *testing.T) {
	inTunnel(t, func(w *world, proven, outerOnly func(*Attempt)) {
		w.answersOnce(allows(12 * time.Second))
		alice := w.start("", proven)
		time.Sleep(2 * time.Second)
		other := w.start("", outerOnly)
		alice.wants("accept approved push T1")
		w.notAccepted(<-other.verdict)
	})
}

// TestUnprovenNameGetsNoLateAnswer: the same where alice's client has given up before alice approved. Only alice may use
// the approval.
func TestUnprovenNameGetsNoLateAnswer(t *testing.T) {
	inTunnel(t, func(w *world, proven, outerOnly func(*Attempt)) {
		w.answersOnce(allows(12 * time.Second))
		alice := w.start("", proven)
		time.Sleep(2 * time.Second)
		alice.abandon()
		<-alice.verdict
		time.Sleep(15 * time.Second)
		w.notAccepted(w.login("", outerOnly))
	})
}

// answersOnce scripts the answer to the first question that Duo is asked. All later ones are denied, so an accept comes
// from the first.
func (w *world) answersOnce(first reply) {
	asked := false
	w.duo.scripts = func(AuthRequest) reply {
		if asked {
			return denied
		}
		asked = true
		return first
	}
}

func (w *world) notAccepted(v Verdict) {
	w.Helper()
	if v.Outcome == OutcomeAccept {
		w.Errorf("it is accepted: %s", line(v))
	}
	if errors.As(v.Err, &PanicError{}) {
		w.Errorf("it panics: %v", v.Err)
	}
}
