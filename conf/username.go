package conf

import (
	"strings"

	"duoradiusd/policy"
	"duoradiusd/policy/canonical"
)

// Username says how the name that a user types becomes the name that policy, first factor and Duo get.
type Username struct {
	Case        canonical.CaseMode
	StripDomain []string            // `EXAMPLE\` or "@example.com"; every other domain stays part of the name
	Unlisted    policy.UnlistedMode // what happens to users without a [[user]]
	Unproven    policy.UnprovenMode // what happens to names outside an EAP tunnel that the upstream doesn't prove
}

func readUsername(t *table) Username {
	u := Username{
		Case:        oneOf(t, "case", canonical.CaseFold, canonical.CaseFold, canonical.CaseKeep),
		StripDomain: t.strings("strip_domain", nil),
		Unlisted: oneOf(t, "unlisted", policy.UnlistedAsk,
			policy.UnlistedAsk, policy.UnlistedFirstFactor, policy.UnlistedReject),
		Unproven: oneOf(t, "unproven", policy.UnprovenReject, policy.UnprovenReject, policy.UnprovenAsk),
	}
	if u.Case == canonical.CaseKeep && u.Unlisted == policy.UnlistedFirstFactor {
		t.warn("unlisted", `"first-factor", beside case = "keep": a user who types ALICE for alice needs no second factor; want case = "fold"`)
	}
	for i, s := range u.StripDomain {
		before, after := strings.HasSuffix(s, `\`), strings.HasPrefix(s, "@")
		if t.isString("strip_domain", i) && (before == after || len(s) < 2) {
			t.bad(nth("strip_domain", i), `%s; want a domain with its mark, such as 'EXAMPLE\' or "@example.com"`, quote(s))
		}
	}
	return u
}
