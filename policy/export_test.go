package policy

import (
	"context"
	"time"

	"duoradiusd/policy/factor"
)

// The tests of logins are in a package of their own, because they use policy/memory, which imports this package. These
// functions show them some of its internals.

const (
	AskedLate        = askedLate
	ChallengeRounds  = challengeRounds
	LateLimit        = lateLimit
	MaxPrompts       = maxPrompts
	TransactionLimit = transactionLimit
)

type PanicError = panicError

// KeysOf returns the keys of an attempt.
func (p *Policy) KeysOf(a Attempt) (JoinKey, ApprovalKey) {
	l := &login{Policy: p, Attempt: a}
	l.setName(a.User)
	return l.joinKey(), l.approvalKey()
}

// Remember remembers an attempt as if Duo had allowed its push at this moment.
func (p *Policy) Remember(ctx context.Context, a Attempt) {
	l := login{Policy: p, Attempt: a}
	l.setName(a.User)
	l.proof = l.proofOf(Account{})
	l.applyRules()
	l.remember(ctx, factor.Push)
}

// AttributesOf returns the attributes of an Access-Accept to an attempt, if the first factor says this about the person.
func (p *Policy) AttributesOf(a Attempt, account Account) ([]Attribute, error) {
	l := login{Policy: p, Attempt: a}
	if !l.setName(a.User) || !l.setAccount(account) {
		panic("no name")
	}
	if account.Unproven {
		l.proof = ProofNoneButAsk
	}
	return l.attributes()
}

// FirstRule returns the index of the first rule that fits a signed attempt of a user in these groups.
func (p *Policy) FirstRule(user string, groups Groups, a *Attempt, now time.Time) int {
	_, at := p.rules.first(&ruleFacts{user: user, groups: membership(groups), client: a.Client, userIP: a.UserIP, signed: true, now: now})
	return at
}

// Groups are the groups of an account, ready for FirstRule.
type Groups membership

func GroupsOf(account Account) Groups { return Groups(membershipOf(account)) }

// Again returns a new Policy of the same settings.
func (p *Policy) Again() *Policy { return New(p.settings, p.runtime) }
