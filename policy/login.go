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

// Decide decides one login. It blocks until there is an answer: the user's, or the one that is due when ctx ends.
// ErrAbandoned as ctx's cause says that nobody waits for the answer any more. It returns in time whatever the factors do
// with ctx, as long as they heed it. A panic is a reject.
func (p *Policy) Decide(ctx context.Context, a Attempt) (v Verdict) {
	l := &login{Policy: p, Attempt: a, id: newLoginID(), began: a.began()}
	defer func() {
		if value := recover(); value != nil {
			v = l.panicked(value)
		}
	}()
	if l.State != "" {
		v = l.resume(ctx)
	} else {
		v = l.run(ctx, l.fresh()...)
	}
	if !l.askedDuo.IsZero() {
		v.Duo = time.Since(l.askedDuo)
	}
	l.trace(&v)
	return v
}

// DecideAtOnce decides a login for which nobody is to be asked and nothing is to be waited for: behind a client that has
// checked the first factor, one that is remembered or exempt. It reports false for all others, which are Decide's, and has
// done nothing then.
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
		v := l.accept(acceptExempt)
		l.trace(&v)
		return v, true
	}
	l.splitPasswordField()
	if l.chosen.Bad || !l.mayUseApproval() || !approvals.UseAtOnce(l.approvalKey(), l.began, l.approvalLimits()) {
		return Verdict{}, false
	}
	v := l.accept(acceptRemembered)
	l.trace(&v)
	return v, true
}

// useAtOnce is an Approvals that answers without waiting.
type useAtOnce interface {
	UseAtOnce(key ApprovalKey, now time.Time, limits ApprovalLimits) bool
}

// login is one run of Decide: the attempt, what is known of it so far, and the facts for the log.
type login struct {
	*Policy
	Attempt

	id        string // see Trace
	began     time.Time
	user      *User         // nil: no [[user]] names this one
	terms     terms         // what the rules come to
	typedName string        // canonical name of User-Name
	name      string        // canonical name of who it is: the same, except inside an EAP tunnel
	fold      string        // of name, once person was asked for it
	duo       Identity      // whom Duo is asked about
	password  string        // for the first factor
	chosen    factor.Chosen // the second factor that the user typed
	dialogue  *Dialogue     // with the first factor; nil: it is asked for the first time
	account   Account
	groups    membership // of account
	proof     Proof      // of name
	facts     Verdict    // what is known of the answer

	origin          *JoinKey // of the login's first request; nil in that one
	ruledByName     bool     // rules without groups have decided already
	answersDialogue bool     // it answers what the first factor asked back
	answer          *answer  // to a challenge; nil for a login without State
	signed          bool     // its own request, whatever those before it were

	key        JoinKey   // under which it joins or begins a transaction
	phoneRings bool      // for another login
	repeats    bool      // it is given an answer that another login was given before
	askedDuo   time.Time // when Duo was turned to; zero: not at all
	devices    []Device  // that Duo offers

	domain      *DomainFactor // that the name has chosen; nil: the client has one first factor for all names
	oldPassword string        // of a user whose password has expired
}

// step is one step of a login. It returns the Verdict where the login ends, and nil where it goes on.
type step func(context.Context) *Verdict

// fresh returns the steps of a login that begins, in the order in which they happen.
func (l *login) fresh() []step {
	return append([]step{
		ignoringContext(l.identify),
		ignoringContext(l.answerProbe),
		ignoringContext(l.applyRulesByName),
		ignoringContext(l.splitPasswordField),
		l.checkFirstFactor,
	}, l.afterFirstFactor()...)
}

// afterFirstFactor returns the steps of a login whose first factor is right.
func (l *login) afterFirstFactor() []step {
	return append([]step{
		ignoringContext(l.requireProof),
		ignoringContext(l.applyRules),
		ignoringContext(l.refuseExpired),
		ignoringContext(l.acceptExempt),
		ignoringContext(l.refuseUnreadableField),
		l.useApproval,
		ignoringContext(l.checkChosenFactor),
	}, l.secondFactor()...)
}

// secondFactor returns the steps of a login whose user is to be asked for a second factor.
func (l *login) secondFactor() []step {
	return []step{
		l.joinTransaction,
		l.preauth,
		l.auth,
	}
}

// run takes the steps until one ends the login.
func (l *login) run(ctx context.Context, steps ...step) Verdict {
	for _, next := range steps {
		if v := next(ctx); v != nil {
			return *v
		}
	}
	return l.reject(ReasonPanicked, l.say(messages.TryLater)) // no step has ended it
}

func ignoringContext(f func() *Verdict) step { return func(context.Context) *Verdict { return f() } }

// end is the Verdict of a step that ends the login.
func end(v Verdict) *Verdict { return &v }

// identify settles who this is by the name that was typed.
func (l *login) identify() *Verdict {
	if !l.setName(l.User) && !l.isProbe() {
		return end(l.reject(ReasonBadName, l.say(messages.WrongPassword)))
	}
	return nil
}

// setName sets who this is: a listed user by its own name, whatever alias was typed; anybody else by the canonical form
// of what was typed. It reports false for a name that no login can have.
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
	if l.domain != nil && l.Client.takes(name, false) != l.domain { // no alias makes two accounts one person
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

// mapped reports whether a [[user]] says who this is at Duo.
func (l *login) mapped() bool { return l.user != nil && l.user.Duo != Identity{} }

// setAccount takes what the first factor knows: who the user is where the client could not know, and a Duo name for
// those whom no [[user]] maps. It reports false for a name that no login can have.
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

// answerProbe answers a health check at once. Nothing of ours goes into an Access-Accept, which only a signed request with
// the probe's own password gets; the State of a challenge was never kept, so that no answer to it is good.
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
	return &v
}

func (l *login) isProbe() bool {
	return slices.ContainsFunc(l.Client.ProbeUsers, func(probe string) bool {
		return strings.EqualFold(probe, l.User) || strings.EqualFold(probe, l.name)
	})
}

// splitPasswordField parts the password field into password and second factor. Behind a client that has checked the
// first factor it may hold anything: only who needs a second factor is told so.
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

// acceptExempt accepts those of whom no second factor is asked here.
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

// useApproval accepts those whom Duo allowed before, where that still counts.
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

func (l *login) reject(why Reason, say string) Verdict {
	v := l.facts
	v.Outcome, v.Reason, v.Message, v.User = OutcomeReject, why, say, l.name
	return v
}

// accept is the only way to an Access-Accept.
func (l *login) accept(why acceptance) Verdict {
	if !mayAccept(why, l.proof, l.Authentic || why == acceptRepeated && l.repeats) { // mayJoin has compared the signatures
		return l.reject(ReasonUnproven, l.say(messages.WrongPassword))
	}
	if l.account.Expired != nil {
		return l.expired()
	}
	v := l.facts
	v.Outcome, v.Reason, v.User = OutcomeAccept, acceptReason[why], l.name
	var err error
	if v.Attributes, err = l.attributes(); err != nil && v.Err == nil {
		v.Err = err
	}
	v.EAP = l.account.EAP
	return v
}

var errUnproven = errors.New("the name outside of an EAP tunnel is not proven")

// requireProof rejects a name that nobody has proven, unless the administrator wants Duo to be asked about it.
func (l *login) requireProof() *Verdict {
	if l.proof != ProofNone {
		return nil
	}
	l.facts.Err = errUnproven
	v := l.reject(ReasonUnproven, l.say(messages.WrongPassword))
	v.Immediate = l.Method == MethodEAP // as an upstream's own reject is
	return &v
}

// panicked makes a panic a reject.
func (l *login) panicked(value any) Verdict {
	l.facts.Err = panicError{value}
	return l.reject(ReasonPanicked, l.say(messages.TryLater))
}

// storeFailed rejects a login whose state can't be asked for.
func (l *login) storeFailed(err error) Verdict {
	l.facts.Err = err
	return l.reject(ReasonStoreUnavailable, l.say(messages.TryLater))
}

// noLongerWaited answers a login that nobody waits for, or that a shutdown ends. It returns nil while there is time or
// when time is up.
func (l *login) noLongerWaited(ctx context.Context) *Verdict {
	switch cause := context.Cause(ctx); {
	case cause == nil || errors.Is(cause, context.DeadlineExceeded):
		return nil
	case errors.Is(cause, ErrAbandoned):
		return end(l.reject(ReasonAbandoned, ""))
	}
	return end(l.reject(ReasonShuttingDown, l.say(messages.TryLater)))
}
