package policy

import (
	"cmp"
	"slices"
	"time"

	"duoradiusd/policy/factor"
	"duoradiusd/policy/messages"
)

// terms is what the rule that fits, the [[user]] and the client mean together for one login: whether it is denied, exempt or
// remembered, and how its user is asked.
type terms struct {
	rule     *Rule // nil: none fits
	facts    *ruleFacts
	need     Need
	mode     Mode
	factors  []factor.Factor
	failmode Failmode
	lifetime time.Duration // of an approval; 0: none is kept
}

// readings returns the facts that rules look at, once for each way to read them. Users are compared by name and by folded
// name. An address in an unsigned packet is believed in one reading and not in the other. The strictest terms of all readings
// hold.
func (l *login) readings() []*ruleFacts {
	list := []*ruleFacts{{user: l.name, groups: l.groups, client: l.Client, userIP: l.UserIP, signed: true, now: l.began}}
	if len(l.rules.byPerson) > 0 {
		folded := *list[0]
		folded.person = l.person()
		list = append(list, &folded)
	}
	if !l.Authentic && l.rules.namesNetworks {
		for _, f := range slices.Clone(list) {
			unsigned := *f
			unsigned.signed = false
			list = append(list, &unsigned)
		}
	}
	return list
}

// applyRulesByName applies the rules that need no answer of the first factor. A user who is rejected here learns nothing about
// the password.
func (l *login) applyRulesByName() *Verdict {
	l.terms, l.ruledByName = terms{}, false
	if l.Method == MethodEAP { // the name outside of a tunnel may be anybody's
		return nil
	}
	readings, decided := l.readings(), 0
	for _, f := range readings {
		byName := *f
		byName.groups = membership{}
		r, index := l.rules.first(&byName)
		// A rule by group may come first, where the first factor will tell groups.
		if r == nil || index >= l.rules.firstByGroup && !l.Client.Groupless && l.Client.FirstFactor != nil {
			continue
		}
		if decided++; r.Need == NeedDeny {
			l.terms = l.termsOf(r, f)
		}
	}
	l.ruledByName = decided == len(readings)
	return l.denied()
}

// applyRules applies the policy to a user whose groups are known.
func (l *login) applyRules() *Verdict {
	l.findTerms()
	v := l.denied()
	if v != nil {
		v.Immediate = l.Method == MethodEAP // an upstream server's own reject is immediate too
	}
	return v
}

// findTerms finds the strictest terms of all readings.
func (l *login) findTerms() {
	for i, f := range l.readings() {
		r, _ := l.rules.first(f)
		t := l.termsOf(r, f)
		if i > 0 {
			t = stricter(l.terms, t)
		}
		l.terms = t
	}
}

func (l *login) termsOf(r *Rule, f *ruleFacts) terms {
	t := terms{rule: r, facts: f, mode: l.Client.Mode, factors: l.Client.Factors, failmode: l.Client.Failmode, lifetime: l.Client.Remember}
	set := r // what is set beside the client's settings
	if set == nil {
		set = &Rule{Need: l.needWithoutRule()}
	}
	t.need = cmp.Or(set.Need, NeedRequired)
	t.mode = cmp.Or(set.Mode, t.mode)
	t.failmode = cmp.Or(set.Failmode, t.failmode, FailmodeSecure)
	if set.Factors != nil {
		t.factors = set.Factors
	}
	// Where the rule and the [[user]] both set a lifetime, the shorter one counts, so either of them can say "ask every time".
	switch own := l.user != nil && l.user.Remember != nil; {
	case own && set.Remember != nil:
		t.lifetime = min(*l.user.Remember, *set.Remember)
	case own:
		t.lifetime = *l.user.Remember
	case set.Remember != nil:
		t.lifetime = *set.Remember
	}
	return t
}

// needWithoutRule returns what the [[user]] and unlisted say. A user with the same folded name as a listed user may be that
// user in another spelling, and counts as listed.
func (l *login) needWithoutRule() Need {
	switch {
	case l.user != nil && !l.listedHere(l.user):
		return NeedExempt
	case l.user == nil && l.settings.Unlisted == UnlistedFirstFactor && len(l.persons[l.person()]) == 0:
		return NeedExempt
	}
	return NeedRequired
}

// stricter returns the stricter of two terms. Deny is stricter than required, and required is stricter than exempt. If both
// require a second factor, it returns what both allow.
func stricter(a, b terms) terms {
	strictness := []Need{NeedExempt, NeedRequired, NeedDeny}
	switch x, y := slices.Index(strictness, a.need), slices.Index(strictness, b.need); {
	case x > y:
		return a
	case x < y:
		return b
	case a.rule == b.rule || a.need != NeedRequired:
		return a
	}
	both := a
	if a.rule == nil {
		both.rule, both.facts = b.rule, b.facts
	}
	if b.mode == ModePasscode {
		both.mode = ModePasscode
	}
	both.factors = slices.DeleteFunc(slices.Clone(a.factors), func(f factor.Factor) bool { return !slices.Contains(b.factors, f) })
	both.lifetime = min(a.lifetime, b.lifetime)
	for _, mode := range []Failmode{FailmodeSecure, FailmodeSilent, FailmodeSafe} {
		if a.failmode == mode || b.failmode == mode {
			both.failmode = mode
			break
		}
	}
	return both
}

// denied rejects a login that the configuration rejects, whatever the factors say. The user is told the same as after a wrong
// password, unless the rule has a message of its own.
func (l *login) denied() *Verdict {
	switch {
	case l.terms.need == NeedDeny:
		return end(l.reject(ReasonDeniedByRule, orElse(l.terms.rule.Message, l.say(messages.WrongPassword))))
	case l.rejectedElsewhere():
		return end(l.reject(ReasonElsewhere, l.say(messages.WrongPassword)))
	case l.user == nil && l.settings.Unlisted == UnlistedReject:
		return end(l.reject(ReasonUnlisted, l.say(messages.WrongPassword)))
	}
	return nil
}

// rejectedElsewhere reports whether the configuration rejects this user here because the service is not in the list of the
// user, or of a user with the same folded name.
func (l *login) rejectedElsewhere() bool {
	if l.user != nil && l.user.Elsewhere == ElsewhereReject && !l.listedHere(l.user) {
		return true
	}
	return l.rejectsElsewhere && slices.ContainsFunc(l.persons[l.person()], func(u *User) bool {
		return u.Elsewhere == ElsewhereReject && !l.listedHere(u)
	})
}

func (l *login) listedHere(u *User) bool {
	return u.Services == nil || slices.Contains(u.Services, l.Client.Service)
}

// exempt reports whether this user needs no second factor here. A rule that fits decides. Without such a rule, the [[user]]
// and unlisted decide.
func (l *login) exempt() bool {
	return l.terms.need == NeedExempt && mayAccept(acceptExempt, l.proof, l.Authentic)
}

// rememberable reports whether an approval of this login may be kept or used. The user's address must be known, or the
// approval would count for a thief elsewhere. The packet must be signed, or anybody could have sent it. The name must be
// proven.
func (l *login) rememberable() bool {
	return l.UserIP.IsValid() && mayAccept(acceptRemembered, l.proof, l.Authentic) && l.terms.lifetime > 0
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
	return ApprovalLimits{Lifetime: l.terms.lifetime, Factors: l.factorsThatCount(), Idle: l.settings.Idle, Uses: l.settings.Uses}
}

// mayUseApproval reports whether an earlier approval may answer this login. It never answers for a passcode: a wrong code
// that is accepted teaches users that codes do not matter.
func (l *login) mayUseApproval() bool { return l.chosen.Factor != factor.Passcode && l.rememberable() }

// mode returns the rule's mode or the client's. Methods other than a password have no field for a passcode and show no menu,
// so their mode is never challenge.
func (l *login) mode() Mode {
	if l.terms.mode == ModeChallenge && l.Method != MethodPassword {
		return ModeAuto
	}
	return l.terms.mode
}

// showsMenu reports whether the user chooses from a menu.
func (l *login) showsMenu() bool { return l.chosen.Factor == "" && l.mode() == ModeChallenge }

func (l *login) factors() []factor.Factor { return l.terms.factors }

func (l *login) allowed(f factor.Factor) bool { return slices.Contains(l.factors(), f) }

// factorsThatCount returns the factors whose approvals count for this login. In passcode mode only passcodes count.
func (l *login) factorsThatCount() []factor.Factor {
	if l.mode() != ModePasscode {
		return l.factors()
	}
	return slices.DeleteFunc(slices.Clone(l.factors()), func(f factor.Factor) bool { return f != factor.Passcode })
}

// failmode returns the rule's failmode or the client's. It is secure for a name that nobody has proven.
func (l *login) failmode() Failmode {
	if !mayAccept(acceptFailedOpen, l.proof, l.Authentic) {
		return FailmodeSecure
	}
	return l.terms.failmode
}
