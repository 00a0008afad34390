package policy_test

import (
	"testing"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/canonical"
)

// TestSpellingsShareTheGuard: Duo takes the name with and without a domain for the same user, and so does the client that
// has checked the password. The guard must count all their pushes together.
func TestSpellingsShareTheGuard(t *testing.T) {
	inGuarded(t, func(w *world) { // three pushes that were not approved
		w.settings.Names.StripDomain = nil
		w.client.FirstFactor = nil
		w.load()
		w.duo.scripts = func(AuthRequest) reply { return denied }
		for range 3 {
			for _, name := range []string{"jo", "jo@example.com", "jo@example", `EXAMPLE\jo`, `example.com\jo`, "JÓ"} {
				if v := w.login("", as(name)); v.Outcome != OutcomeReject {
					w.Errorf("%s: %s", name, line(v))
				}
			}
		}
		if _, pushes := w.duo.counts(); pushes != 3 {
			t.Errorf("the phone rang %d times, want 3", pushes)
		}
	})
}

// TestSpellingsRingOnePhone: while the phone of a person rings, no other spelling of the name makes it ring again.
func TestSpellingsRingOnePhone(t *testing.T) {
	inGuarded(t, func(w *world) {
		w.settings.Names.Case = canonical.CaseKeep
		w.client.FirstFactor = nil
		w.load()
		w.duo.scripts = func(AuthRequest) reply { return denies("deny", "", 20*time.Second) }
		var logins []*pending
		for _, name := range []string{"jo", "Jo", "jO", "JO", `EXAMPLE\Jo`, "Jo@example.com", "jö"} {
			logins = append(logins, w.start("", as(name)))
		}
		for _, p := range logins {
			if v := <-p.verdict; v.Outcome != OutcomeReject {
				w.Errorf("%s", line(v))
			}
		}
		if _, pushes := w.duo.counts(); pushes != 1 {
			t.Errorf("the phone rang %d times, want once", pushes)
		}
	})
}

// TestListedUserInAnotherSpelling: unlisted = "first-factor" lets those in without a second factor whom no [[user]] names.
// Behind an upstream that ignores domain, marks and case, a listed user must not become unlisted by another spelling.
func TestListedUserInAnotherSpelling(t *testing.T) {
	inRelay(t, func(w *world, u *upstream) {
		u.scripts = func(FirstRequest) said { return yes(Account{}) }
		w.settings.Names.StripDomain = nil
		w.settings.Unlisted = UnlistedFirstFactor
		w.settings.Users = []User{{Name: "jose"}}
		w.load()
		w.duo.scripts = func(AuthRequest) reply { return denied }
		w.wants(w.login("pw", as("carol")), "accept exempt")
		for _, name := range []string{"jose", "JOSE", "josé", `EXAMPLE\jose`, "jose@example.com", `example.com\José`,
			"jose @example.com", "jose＠example.com", `EXAMPLE＼jose`, "jo\ufffcse", "jose\u3164"} {
			if v := w.login("pw", as(name)); v.Outcome != OutcomeReject {
				t.Errorf("%s: %s", name, line(v))
			}
		}
	})
}
