package policy_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	. "duoradiusd/policy"
)

// expiring is a directory in which alice's password has expired and can be changed.
type expiring struct {
	*directory
	changed []string // "old>new"
	err     error    // of a change
}

func (e *expiring) Authenticate(ctx context.Context, r FirstRequest) (Account, error) {
	account, err := e.directory.Authenticate(ctx, r)
	if err != nil || len(e.changed) > 0 && e.err == nil {
		return account, err
	}
	return Account{}, fmt.Errorf("bind: %w", &Refusal{Why: "password expired", Proven: true,
		Change: &ExpiredPassword{Account: account, State: "server and DN"}})
}

func (e *expiring) ChangePassword(_ context.Context, r PasswordChange) error {
	if r.State != "server and DN" {
		return errors.New("another State")
	}
	e.changed = append(e.changed, r.Old+">"+r.New)
	return e.err
}

// inExpired runs f in a world where alice's password has expired, with a client that shows challenges.
func inExpired(t *testing.T, f func(w *world, e *expiring)) {
	t.Helper()
	inWorld(t, func(w *world) {
		e := &expiring{directory: w.ldap}
		w.client.FirstFactor, w.client.Mode = e, ModeChallenge
		f(w, e)
	})
}

const (
	expiredWord = "reject account-refused: Your account can't log in: its password may have expired. Ask your help desk."
	askNew      = "challenge challenged push T1: Your password has expired. New password:"
	askRepeat   = "challenge challenged push T1: New password again:"
)

// toNewPassword takes alice through the menu and Duo to the prompt for a new password, and returns its State.
func toNewPassword(w *world) string {
	w.Helper()
	w.answers(allows(time3))
	v := w.login("pw")
	if v.Outcome != OutcomeChallenge {
		w.Fatalf("no menu: %s", line(v))
	}
	v = w.login("1", state(v.State))
	w.wants(v, askNew)
	return v.State
}

func TestPasswordChange(t *testing.T) {
	inExpired(t, func(w *world, e *expiring) {
		w.client.Remember = time.Hour
		s := toNewPassword(w)
		v := w.login(" new,push ", state(s))
		w.wants(v, askRepeat)
		v = w.login(" new,push ", state(v.State))
		w.wants(v, "accept approved push T1")
		if got := fmt.Sprint(e.changed); got != "[pw> new,push ]" {
			t.Errorf("changed %s", got)
		}
		w.wants(w.login("pw"), "accept remembered") // the approval counts with the new password, which is the right one now
	})
}

// TestPasswordChangeTries: passwords that differ, that the directory refuses or that are empty count as tries, and there
// are three.
func TestPasswordChangeTries(t *testing.T) {
	inExpired(t, func(w *world, e *expiring) {
		s := toNewPassword(w)
		v := w.login("one", state(s))
		v = w.login("two", state(v.State))
		w.wants(v, "challenge challenged push T1: The two passwords differ. New password:")
		e.err = &Refusal{Why: "policy", Proven: true, Message: "Too short."}
		v = w.login("same", state(v.State))
		v = w.login("same", state(v.State))
		w.wants(v, "challenge challenged push T1: Too short. New password:")
		w.wants(w.login("", state(v.State)), "reject account-refused push T1: That was no password.")
		w.wants(w.login("x", state(v.State)), "reject bad-state: This login is over. Start again.")
		if len(e.changed) != 1 {
			t.Errorf("changed %q", e.changed)
		}
	})
}

// TestPasswordChangeFails: the login is accepted only if the directory has made the change and accepts the new password.
func TestPasswordChangeFails(t *testing.T) {
	for want, err := range map[string]error{
		"reject bad-password push T1: Wrong user name or password.":                                       ErrRejected,
		"reject first-factor-unavailable push T1: The login can't be checked now. Try again in a minute.": errors.New("down"),
	} {
		inExpired(t, func(w *world, e *expiring) {
			s := toNewPassword(w)
			e.err = err
			v := w.login("new", state(s))
			w.wants(w.login("new", state(v.State)), want)
		})
	}
}

// TestExpiredNeverAccepted: a user is asked for a new password only after Duo's allow in the same login.
func TestExpiredNeverAccepted(t *testing.T) {
	for name, set := range map[string]func(w *world){
		"exempt by a rule":   func(w *world) { w.rules(Rule{Need: NeedExempt}) },
		"not a challenge":    func(w *world) { w.client.Mode = ModeAuto },
		"passcodes only":     func(w *world) { w.client.Mode = ModePasscode },
		"bypassed":           func(w *world) { w.duo.pre = Preauth{Result: PreauthAllow} },
		"no second factor":   func(w *world) { w.settings.Unlisted = UnlistedFirstFactor; w.load() },
		"a rule's other way": func(w *world) { w.rules(Rule{Mode: ModeAuto}) },
	} {
		t.Run(name, func(t *testing.T) {
			inExpired(t, func(w *world, e *expiring) {
				set(w)
				w.wants(w.login("pw"), expiredWord)
				w.wants(w.login("no"), wrongWord)
				if _, auths := w.duo.counts(); auths != 0 || len(e.changed) != 0 {
					t.Errorf("%d auths, changed %q", auths, e.changed)
				}
			})
		})
	}
	inExpired(t, func(w *world, e *expiring) { // failed open
		w.client.Failmode = FailmodeSafe
		w.duo.preErr = ErrUnavailable
		w.wants(w.login("pw"), expiredWord)
	})
	inExpired(t, func(w *world, e *expiring) { // remembered from before
		w.client.Remember = time.Hour
		e.changed = []string{"not expired yet"}
		w.answers(allows(time3))
		v := w.login("pw")
		w.wants(w.login("1", state(v.State)), "accept approved push T1")
		e.changed = nil
		w.wants(w.login("pw"), expiredWord)
	})
	inExpired(t, func(w *world, e *expiring) { // denied by a group
		w.ldap.accounts = map[string]Account{"alice": {Groups: []string{"out"}}}
		w.rules(Rule{Groups: []string{"out"}, Need: NeedDeny})
		w.wants(w.login("pw"), "reject denied-by-rule: Wrong user name or password.")
	})
}

// TestExpiredRejoins: a user who repeats the answer to the menu while the phone rings gets the same answer of Duo, and is
// asked for a new password, too. A user who asks again after a restart, which keeps no passwords, does not get in with the
// old one.
func TestExpiredRejoins(t *testing.T) {
	inExpired(t, func(w *world, e *expiring) {
		w.answers(allows(time3))
		v := w.login("pw")
		first := w.start("1", state(v.State))
		again := w.start("1", state(v.State))
		w.wants(<-again.verdict, askNew)
		w.wants(<-first.verdict, askNew)
	})
}

// TestExpiredAfterRestart: passwords are not saved, so the prompt for a new one does not survive a restart.
func TestExpiredAfterRestart(t *testing.T) {
	inEnduring(t, func(w *enduring) {
		w.client.FirstFactor, w.client.Mode = &expiring{directory: w.ldap}, ModeChallenge
		s := toNewPassword(w.world)
		w.restart()
		w.wants(w.login("new", state(s)), "reject bad-state push T1: This login is over. Start again.")
	})
}
