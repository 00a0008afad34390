package policy

import (
	"slices"
	"time"
)

// What rule, user and client come to for one login: whether it is denied, exempt or remembered, and how its user is asked.

var noRule = &Rule{}

// applyRulesByName applies what of the policy needs no first factor. Whoever is rejected here learns nothing of the
// password.
func (l *login) applyRulesByName() *Verdict {
	l.rule, l.ruleFits = noRule, false
	if l.Method == MethodEAP { // the name outside of a tunnel is nobody's
		return nil
	}
	r, index := l.rules.first(l.name, membership{}, &l.Attempt, l.began)
	// A rule by group may come first, where the first factor will tell groups.
	if r != nil && (index < l.rules.firstByGroup || l.Client.Groupless || l.Client.FirstFactor == nil) {
		l.rule, l.ruleFits = r, true
	}
	return l.denied()
}

// applyRules applies the policy to a user whose groups are known.
func (l *login) applyRules() *Verdict {
	l.findRule()
	v := l.denied()
	if v != nil {
		v.Immediate = l.Method == MethodEAP // as an upstream's own reject is
	}
	return v
}

func (l *login) findRule() {
	r, _ := l.rules.first(l.name, l.groups, &l.Attempt, l.began)
	l.rule, l.ruleFits = noRule, r != nil
	if r != nil {
		l.rule = r
	}
}

// denied rejects what the configuration rejects whatever the factors say. The user is told the same as after a wrong
// password.
func (l *login) denied() *Verdict {
	switch {
	case l.rule.Need == NeedDeny:
		return end(l.reject(ReasonDeniedByRule, sayWrong))
	case l.user != nil && !l.listedHere() && l.user.Elsewhere == ElsewhereReject:
		return end(l.reject(ReasonElsewhere, sayWrong))
	case l.user == nil && l.settings.Unlisted == UnlistedReject:
		return end(l.reject(ReasonUnlisted, sayWrong))
	}
	return nil
}

func (l *login) listedHere() bool {
	return l.user.Services == nil || slices.Contains(l.user.Services, l.Client.Service)
}

// exempt reports whether this user needs no second factor here. The rule is the administrator's word on exactly this
// login; after it come the user's own list and unlisted.
func (l *login) exempt() bool {
	switch {
	case l.account.Unproven:
		return false
	case l.ruleFits:
		return l.rule.Need == NeedExempt
	case l.user != nil:
		return !l.listedHere()
	}
	return l.settings.Unlisted == UnlistedFirstFactor
}

// lifetime is how long an approval of this login counts. Where a rule and the user both say, the shorter counts, so
// that "ask every time" holds whoever says it.
func (l *login) lifetime() time.Duration {
	var said []time.Duration
	if l.user != nil && l.user.Remember != nil {
		said = append(said, *l.user.Remember)
	}
	if l.rule.Remember != nil {
		said = append(said, *l.rule.Remember)
	}
	if len(said) == 0 {
		return l.Client.Remember
	}
	return slices.Min(said)
}

// rememberable reports whether an approval of this login may be kept or used: the user's address must be known, or it
// would count for a thief elsewhere; the packet must be the client's own, or anybody could have sent it; and the name must
// be that of who proved a password.
func (l *login) rememberable() bool {
	return l.UserIP.IsValid() && l.Authentic && !l.account.Unproven && l.lifetime() > 0
}

func (l *login) approvalKey() ApprovalKey {
	key := ApprovalKey{User: l.name, Duo: l.duo, Application: l.Client.Application}
	for _, b := range l.settings.BindTo {
		switch b {
		case BindService:
			key.Service = l.Client.Service
		case BindClient:
			key.Client = l.Client.Name
		case BindUserIP:
			key.IP = l.UserIP
		}
	}
	return key
}

func (l *login) approvalLimits() ApprovalLimits {
	return ApprovalLimits{Lifetime: l.lifetime(), Idle: l.settings.Idle, Uses: l.settings.Uses}
}

// mayUseApproval reports whether an earlier approval may answer this login. It never answers for a passcode: a wrong code
// that is accepted teaches users that codes do not matter.
func (l *login) mayUseApproval() bool { return l.chosen.Factor != FactorPasscode && l.rememberable() }

// mode is the client's, or the rule's. What is no password has no field for a code, and nobody who reads a menu.
func (l *login) mode() Mode {
	mode := l.wantedMode()
	if mode == ModeChallenge && l.Method != MethodPassword {
		return ModeAuto
	}
	return mode
}

func (l *login) wantedMode() Mode {
	if l.rule.Mode != "" {
		return l.rule.Mode
	}
	return l.Client.Mode
}

// showsMenu reports whether the user chooses from a menu.
func (l *login) showsMenu() bool { return l.chosen.Factor == "" && l.mode() == ModeChallenge }

func (l *login) factors() []Factor {
	if l.rule.Factors != nil {
		return l.rule.Factors
	}
	return l.Client.Factors
}

func (l *login) allowed(f Factor) bool { return slices.Contains(l.factors(), f) }

func (l *login) failmode() Failmode {
	if l.rule.Failmode != "" {
		return l.rule.Failmode
	}
	return l.Client.Failmode
}
