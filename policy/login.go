package policy

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"slices"
	"strings"
	"time"

	"duoradiusd/policy/canonical"
	"duoradiusd/policy/factor"
	"duoradiusd/policy/messages"
)

// Decide decides one login. It blocks until there is an answer: the user's, or the one that is due when ctx ends. If
// ErrAbandoned is the cause of ctx, nobody waits for the answer any more. Decide returns in time if the factors heed ctx. A
// panic is a reject.
func (p *Policy) Decide(ctx context.Context, a Attempt) (v Verdict) {
	l := &login{Policy: p, Attempt: a, id: newLoginID(), began: a.began()}
	defer func() {
		if value := recover(); value != nil {
			v = *end(l.panicked(value))
		}
	}()
	if l.State != "" {
		v = *end(l.resume(ctx))
	} else {
		v = *end(l.run(ctx, freshSteps))
	}
	if !l.askedDuo.IsZero() {
		v.Duo = time.Since(l.askedDuo)
	}
	l.trace(&v)
	return v
}

// DecideAtOnce decides a login for which nobody must be asked and nothing must be waited for. Such a login comes through a
// client that has checked the first factor, and is remembered or exempt. For any other login DecideAtOnce does nothing and
// reports false; Decide decides that login.
func (p *Policy) DecideAtOnce(a Attempt) (Verdict, bool) {
	approvals, ok := p.runtime.Approvals.(useAtOnce)
	if !ok || a.Client.FirstFactor != nil || a.Method != MethodPassword || a.State != "" {
		return Verdict{}, false
	}
	l := login{Policy: p, Attempt: a, began: a.began()}
	if !l.setName(a.User) || l.isProbe() {
		return Verdict{}, false
	}
	l.proof = ProofClient
	if l.findTerms(); l.denied() != nil {
		return Verdict{}, false
	}
	if l.exempt() {
		v := l.accepted(acceptExempt)
		l.trace(&v)
		return v, true
	}
	l.splitPasswordField()
	if l.chosen.Bad || !l.mayUseApproval() || !approvals.UseAtOnce(l.approvalKey(), l.began, l.approvalLimits()) {
		return Verdict{}, false
	}
	v := l.accepted(acceptRemembered)
	l.trace(&v)
	return v, true
}

// useAtOnce is an Approvals that can answer without waiting.
type useAtOnce interface {
	UseAtOnce(key ApprovalKey, now time.Time, limits ApprovalLimits) bool
}

// login is one run of Decide: the attempt, what is known of it so far, and the facts for the log.
type login struct {
	*Policy
	Attempt

	id        string // see Trace
	began     time.Time
	user      *User         // the User that lists the name; nil: none does
	terms     terms         // the result of the rules
	typedName string        // canonical name of User-Name
	name      string        // canonical name of the user: the same, except inside an EAP tunnel
	fold      string        // folded name, which person sets
	duo       Identity      // the identity that Duo is asked about
	password  string        // for the first factor
	chosen    factor.Chosen // the second factor that the user typed
	dialogue  *Dialogue     // with the first factor; nil: it is asked for the first time
	account   Account
	groups    membership // of account
	proof     Proof      // how the name was proven
	facts     Verdict    // what is known of the answer

	origin          *JoinKey // of the login's first request; nil in that one
	ruledByName     bool     // rules without groups have decided already
	answersDialogue bool     // this login answers what the first factor asked back
	answer          *answer  // the answer to a challenge; nil for a login without State
	signed          bool     // its own request was signed, whatever those before it were

	key        JoinKey   // under which it joins or begins a transaction
	phoneRings bool      // the phone rings for another login
	repeats    bool      // this login gets an answer that another login got before
	askedDuo   time.Time // when Duo was asked; zero: not at all
	devices    []Device  // the devices that Duo offers

	domain      *DomainFactor // the first factor that the name has chosen; nil: the client has one for all names
	oldPassword string        // of a user whose password has expired
}

// step is one step of a login. It returns a Verdict to end the login, and nil to go on.
type step func(*login, context.Context) *Verdict

// The steps of a login, in the order in which they happen.
var (
	// freshSteps are the steps of a login that begins.
	freshSteps = slices.Concat([]step{
		ignoringContext((*login).identify),
		ignoringContext((*login).answerProbe),
		ignoringContext((*login).applyRulesByName),
		ignoringContext((*login).splitPasswordField),
		(*login).checkFirstFactor,
	}, stepsAfterFirstFactor)

	// stepsAfterFirstFactor are the steps of a login whose first factor is right.
	stepsAfterFirstFactor = slices.Concat([]step{
		ignoringContext((*login).requireProof),
		ignoringContext((*login).applyRules),
		ignoringContext((*login).refuseExpired),
		ignoringContext((*login).acceptExempt),
		ignoringContext((*login).refuseUnreadableField),
		(*login).useApproval,
		ignoringContext((*login).checkChosenFactor),
	}, secondFactorSteps)

	// secondFactorSteps are the steps of a login whose user is to be asked for a second factor.
	secondFactorSteps = []step{
		(*login).joinTransaction,
		(*login).preauth,
		(*login).auth,
	}
)

// run takes the steps in order until one ends the login.
func (l *login) run(ctx context.Context, steps []step) ended {
	for _, next := range steps {
		if v := next(l, ctx); v != nil {
			return ended{v}
		}
	}
	return l.reject(ReasonPanicked, l.say(messages.TryLater)) // no step has ended it
}

func ignoringContext(f func(*login) *Verdict) step {
	return func(l *login, _ context.Context) *Verdict { return f(l) }
}

// identify finds out who the user is by the name that was typed.
func (l *login) identify() *Verdict {
	if !l.setName(l.User) && !l.isProbe() {
		return end(l.reject(ReasonBadName, l.say(messages.WrongPassword)))
	}
	return nil
}

// setName sets the name of the user. A listed user gets its own name, whatever alias was typed. Anybody else gets the
// canonical form of what was typed. It reports false for a name that no login can have.
func (l *login) setName(typed string) bool {
	typed, ok := l.chooseFirstFactor(typed)
	if !ok {
		return false
	}
	name, user, ok := l.whois(typed)
	if !ok && l.Method == MethodEAP && l.typedName == "" { // "@example.com" is a name for the outside of a tunnel (RFC 7542 §2.4)
		name, ok = canonical.Names{Case: l.settings.Names.Case}.Canonical(typed)
	}
	if !ok {
		return false
	}
	if l.domain != nil && l.Client.takes(name, false) != l.domain { // an alias must not make two accounts one person
		name, _ = l.settings.Names.Canonical(typed)
	}
	if l.typedName == "" {
		l.typedName = name
	}
	l.name, l.user, l.fold = name, user, ""
	if l.duo = (Identity{Username: name}); l.mapped() {
		l.duo = user.Duo
	}
	return true
}

// person returns the folded name, which is the same for every spelling.
func (l *login) person() string {
	if l.fold == "" {
		l.fold = canonical.Fold(l.name)
	}
	return l.fold
}

func (l *login) phone() Phone { return Phone{Duo: l.duo, Person: l.person()} }

// mapped reports whether a [[user]] says who this user is at Duo.
func (l *login) mapped() bool { return l.user != nil && l.user.Duo != Identity{} }

// setAccount takes over what the first factor knows: the user's name where the client could not know it, and the Duo name of a
// user whom no [[user]] maps. It reports false for a name that no login can have.
func (l *login) setAccount(account Account) bool {
	l.account, l.groups, l.proof = account, membershipOf(account), l.proofOf(account)
	if account.User != "" && !l.setName(account.User) {
		return false
	}
	if !l.mapped() && account.DuoUsername != "" {
		l.duo = Identity{Username: account.DuoUsername}
	}
	return true
}

func (l *login) proofOf(account Account) Proof {
	switch {
	case l.Client.FirstFactor == nil:
		return ProofClient
	case !account.Unproven:
		return ProofPassword
	case l.settings.Unproven == UnprovenAsk:
		return ProofNoneButAsk
	}
	return ProofNone
}

// answerProbe answers a health check at once. Only a signed request with the probe's own password gets an Access-Accept, which
// carries none of our attributes. The State of a challenge is not kept, so no answer to the challenge is good.
func (l *login) answerProbe() *Verdict {
	if !l.isProbe() {
		return nil
	}
	v := l.reject(ReasonProbe, "")
	v.Immediate = true
	switch {
	case l.Method != MethodPassword:
	case l.Client.Probe == ProbeChallenge:
		v.Outcome, v.State, v.Message = OutcomeChallenge, rand.Text(), l.say(messages.Passcode)
	case l.Client.Probe == ProbeAccept && mayAccept(acceptProbe, l.proof, l.Authentic) && l.Client.ProbeSecret != "" &&
		subtle.ConstantTimeCompare([]byte(l.Password), []byte(l.Client.ProbeSecret)) == 1:
		v.Outcome = OutcomeAccept
	}
	return end(v)
}

func (l *login) isProbe() bool {
	return slices.ContainsFunc(l.Client.ProbeUsers, func(probe string) bool {
		return strings.EqualFold(probe, l.User) || strings.EqualFold(probe, l.name)
	})
}

// splitPasswordField splits the password field into password and second factor. Behind a client that has checked the first
// factor, the field may hold anything. Only a user who needs a second factor is told that it can't be read.
func (l *login) splitPasswordField() *Verdict {
	if l.Client.ignoresPassword() {
		l.password, l.chosen = "", factor.Chosen{}
		return nil
	}
	if l.Client.FirstFactor == nil {
		chosen, ok := factor.ParseField(l.Password)
		chosen.Bad = !ok
		l.password, l.chosen = "", chosen
		return nil
	}
	l.password, l.chosen = factor.SplitField(l.Password, l.Client.Delimiter)
	l.facts.Tail = l.chosen.Factor
	return nil
}

// acceptExempt accepts a user of whom no second factor is asked here.
func (l *login) acceptExempt() *Verdict {
	if !l.exempt() {
		return nil
	}
	return end(l.accept(acceptExempt))
}

func (l *login) refuseUnreadableField() *Verdict {
	if !l.chosen.Bad {
		return nil
	}
	return end(l.reject(ReasonBadField, l.say(messages.WhatToType)))
}

// useApproval accepts a user whom Duo allowed before, if that approval still counts.
func (l *login) useApproval(ctx context.Context) *Verdict {
	if !l.mayUseApproval() {
		return nil
	}
	start := time.Now()
	ok, err := l.runtime.Approvals.Use(ctx, l.approvalKey(), l.approvalLimits())
	l.took(start, "remembered?", "approvals", map[bool]string{true: "an earlier approval counts", false: "no approval counts"}[ok])
	if err != nil {
		l.facts.Err = err // the user is asked instead
	}
	if !ok {
		return nil
	}
	return end(l.accept(acceptRemembered))
}

func (l *login) remember(ctx context.Context, factor factor.Factor) {
	if !l.rememberable() {
		return
	}
	if err := l.runtime.Approvals.Add(context.WithoutCancel(ctx), l.approvalKey(), factor, l.terms.lifetime); err != nil {
		l.facts.Err = err // the next login is asked again
	}
}

// checkChosenFactor rejects a factor that is not allowed here.
func (l *login) checkChosenFactor() *Verdict {
	f := l.chosen.Factor
	switch {
	case l.mode() == ModePasscode && f != factor.Passcode && f != factor.SMS,
		f == "" && l.mode() != ModeChallenge && !slices.ContainsFunc(l.factors(), factor.Factor.Rings):
		return end(l.reject(ReasonNeedsPasscode, l.sayAppend()))
	case f != "" && !l.allowed(f):
		return end(l.reject(ReasonNotAllowed, l.say(messages.NotAllowed)))
	}
	l.askedDuo = time.Now()
	return nil
}

var errUnproven = errors.New("the name outside of an EAP tunnel is not proven")

// requireProof rejects a name that nobody has proven, unless the administrator wants Duo to be asked about it.
func (l *login) requireProof() *Verdict {
	if l.proof != ProofNone {
		return nil
	}
	l.facts.Err = errUnproven
	v := l.reject(ReasonUnproven, l.say(messages.WrongPassword))
	v.Immediate = l.Method == MethodEAP // an upstream server's own reject is immediate too
	return end(v)
}
