package policy

import (
	"time"

	"duoradiusd/policy/factor"
	"duoradiusd/policy/messages"
)

// Explanation is what the configuration says about a login, before anybody is asked.
type Explanation struct {
	Name string // canonical; "" when it is none
	User *User  // the User that lists the name; nil: none does
	Duo  Identity

	Rules []RuleFit // in order, up to the rule that decides
	Rule  *Rule     // the rule that decides; nil: none

	Verdict Verdict // set if the configuration alone ends the login; its Reason is "" when Duo is to be asked
	Early   bool    // the login ends before the first factor is asked

	Mode     Mode
	Factors  []factor.Factor
	Failmode Failmode
	Lifetime time.Duration // of an approval; 0: none is kept
	Uses     int           // how often an approval may be used; 0: no limit
	Idle     time.Duration // an approval ends when unused this long; 0: no limit
	BindTo   []Binding     // what an approval is bound to, beside the user

	Attributes    []Attribute // of the Access-Accept, without those of an upstream RADIUS server
	AttributesErr error       // which values can't be used; they are left out
}

// RuleFit says whether one rule fits a login.
type RuleFit struct {
	Index  int // among the rules, from 0
	Rule   *Rule
	Misfit string // the key of the first list that does not fit; "" when it fits
}

// Explain says what happens to the login a at the time at. account is what the first factor would say about the user. Explain
// asks nobody, and counts and keeps nothing.
func (p *Policy) Explain(a Attempt, account Account, at time.Time) (e Explanation) {
	l := login{Policy: p, Attempt: a, began: at}
	if !l.setName(a.User) {
		return Explanation{Verdict: *end(l.reject(ReasonBadName, l.say(messages.WrongPassword))), Early: true}
	}
	e.Name, e.User = l.name, l.user
	if v := l.answerProbe(); v != nil {
		e.Verdict, e.Early = *v, true
		return e
	}
	ended := l.applyRulesByName()
	if e.Early = ended != nil; ended == nil {
		l.setAccount(account)
		ended = l.applyRules()
	}
	e.Name, e.User, e.Duo = l.name, l.user, l.duo
	e.Rules = l.fits()
	e.Rule = l.terms.rule
	if ended == nil {
		if ended = l.acceptExempt(); ended != nil {
			e.Attributes, e.AttributesErr = ended.Attributes, ended.Err
		}
	}
	if ended != nil {
		e.Verdict = *ended
		return e
	}
	e.Mode, e.Factors, e.Failmode = l.mode(), l.factors(), l.failmode()
	e.BindTo, e.Uses, e.Idle = p.settings.BindTo, p.settings.Uses, p.settings.Idle
	if l.rememberable() {
		e.Lifetime = l.terms.lifetime
	}
	e.Attributes, e.AttributesErr = l.attributes()
	return e
}

// fits lists the rules that were tried for this login, with the facts that decided.
func (l *login) fits() (list []RuleFit) {
	facts := l.terms.facts
	if facts == nil {
		facts = l.readings()[0]
	}
	for i := range l.settings.Rules {
		r := &l.settings.Rules[i]
		misfit := r.misfit(facts)
		if misfit == "" && r != l.terms.rule { // the login ends before this rule counts
			return list
		}
		list = append(list, RuleFit{Index: i, Rule: r, Misfit: misfit})
		if misfit == "" {
			return list
		}
	}
	return list
}
