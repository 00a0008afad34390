package policy_test

import (
	"net/netip"
	"testing"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/factor"
)

// TestAnswerOfAFactorNotAllowedNow: a login accepts the answer to a push only if its own rules allow a push, whichever
// login began the push.
func TestAnswerOfAFactorNotAllowedNow(t *testing.T) {
	callsOnly := Rule{Name: "calls only", Factors: []factor.Factor{factor.Phone}}
	t.Run("a live push, joined", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.answersOnce(allows(12 * time.Second))
			first := w.start("pw")
			w.rules(callsOnly)
			second := w.start("pw")
			first.wants("accept approved push T1")
			w.notAccepted(<-second.verdict)
		})
	})
	t.Run("a late answer", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.answersOnce(allows(12 * time.Second))
			first := w.start("pw")
			first.abandon()
			<-first.verdict
			time.Sleep(15 * time.Second)
			w.rules(callsOnly)
			w.notAccepted(w.login("pw"))
		})
	})
	for name, codes := range map[string]Rule{"by mode": {Name: "codes", Mode: ModePasscode}, "by factors": {Name: "codes", Factors: []factor.Factor{factor.Passcode}}} {
		t.Run("a menu of before, "+name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.client.Mode = ModeChallenge
				w.duo.scripts = func(AuthRequest) reply { return allows(0) }
				v := w.login("pw")
				w.rules(codes)
				v = w.login("1", state(v.State))
				w.notAccepted(v)
				w.wants(w.login("123456", state(v.State)), "accept approved passcode")
				w.asked("passcode:123456")
			})
		})
		t.Run("a push of before, "+name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.client.Mode = ModeChallenge
				w.duo.pre.Code = "123"
				w.answersOnce(allows(time3))
				v := w.login("pw")
				w.rules(codes)
				w.notAccepted(w.login("", state(v.State)))
			})
		})
	}
}

// TestUnsignedAnswerToAMenu: a rule that an unsigned packet can't choose does not hold for the unsigned answer to its menu.
func TestUnsignedAnswerToAMenu(t *testing.T) {
	inWorld(t, func(w *world) {
		w.client.Mode = ModePasscode
		w.rules(Rule{Name: "office", Networks: []netip.Prefix{netip.PrefixFrom(home, 24)}, Mode: ModeChallenge})
		w.duo.scripts = func(AuthRequest) reply { return allows(0) }
		v := w.login("pw")
		w.wantReason(v.Reason, ReasonChallenged)
		w.notAccepted(w.login("1", state(v.State), unsigned))
	})
}

// TestDialogueWithoutItsFirstFactor: a first factor sends a prompt, and then a reload removes this first factor. The login
// does not count as one that the client has checked.
func TestDialogueWithoutItsFirstFactor(t *testing.T) {
	inRelay(t, func(w *world, u *upstream) {
		u.says(back(AskBack{State: "S1", Message: "Code:"}))
		w.settings.Unlisted = UnlistedFirstFactor
		w.load()
		v := w.login("wrong")
		w.client.FirstFactor = nil
		w.wantReason(w.login("", state(v.State)).Reason, ReasonBadState)
	})
}
