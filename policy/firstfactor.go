package policy

import (
	"context"
	"errors"
	"time"

	"duoradiusd/policy/factor"
	"duoradiusd/policy/guard"
	"duoradiusd/policy/messages"
)

// These limit what a first factor may ask back in one login.
const (
	maxPrompts   = 8  // questions to the user
	maxEAPRounds = 64 // EAP packets: a certificate chain in small fragments takes some forty
)

// Dialogue is the state of a login whose first factor asks back.
type Dialogue struct {
	Method Method
	State  string        // of the AskBack that the login answers
	Chosen factor.Chosen // the second factor that was typed beside the password
	Rounds int           // how often the first factor has asked back so far

	Answered AnswerDigest // the first factor has said yes to this answer and is not asked again; zero: it has not
}

// checkFirstFactor asks the first factor, or passes it the user's answer to its question.
func (l *login) checkFirstFactor(ctx context.Context) *Verdict {
	factor := l.Client.FirstFactor
	switch {
	case factor == nil && l.Method != MethodPassword:
		return end(l.unsupported())
	case factor == nil:
		l.proof = ProofClient
		return nil
	case l.dialogue == nil && l.Method == MethodPassword && l.password == "": // many directories answer yes (RFC 4513 §5.1.2)
		return end(l.reject(ReasonBadPassword, l.say(messages.WrongPassword)))
	}
	admission, v := l.admitPassword(ctx)
	if v != nil {
		return v
	}
	start := time.Now()
	account, err := authenticateOrPanicError(ctx, factor, l.firstRequest())
	l.facts.FirstFactor = time.Since(start)
	l.took(start, "first factor", l.name, firstFactorAnswer(account, err))
	var back *AskBack
	switch {
	case err == nil:
		l.settle(ctx, admission, guard.GuessRight)
		if !l.setAccount(account) {
			return end(l.reject(ReasonBadName, l.say(messages.WrongPassword)))
		}
		return nil
	case errors.As(err, &back):
		l.settle(ctx, admission, guard.GuessAskedBack)
		return end(l.relay(ctx, back))
	case expiredAccount(err) != nil:
		l.settle(ctx, admission, guard.GuessRight)
		l.oldPassword = l.password
		if !l.setAccount(*expiredAccount(err)) {
			return end(l.reject(ReasonBadName, l.say(messages.WrongPassword)))
		}
		return nil
	case errors.Is(err, ErrRejected):
		l.settle(ctx, admission, guard.GuessWrong)
		return end(l.refuse(err))
	}
	l.settle(ctx, admission, guard.GuessNotAsked)
	if errors.Is(err, ErrUnsupported) {
		return end(l.unsupported())
	}
	if v := l.noLongerWaited(ctx); v != nil {
		return v
	}
	l.facts.Err = err
	if errors.As(err, &panicError{}) {
		return end(l.reject(ReasonPanicked, l.say(messages.TryLater)))
	}
	return end(l.reject(ReasonNoFirstFactor, l.say(messages.TryLater)))
}

// authenticateOrPanicError returns a FirstFactor's panic as an error, because the guard must be told that the attempt is over.
func authenticateOrPanicError(ctx context.Context, factor FirstFactor, r FirstRequest) (account Account, err error) {
	defer func() {
		if value := recover(); value != nil {
			account, err = Account{}, panicError{value}
		}
	}()
	return factor.Authenticate(ctx, r)
}

func (l *login) firstRequest() FirstRequest {
	r := FirstRequest{
		User: l.accountName(), Method: l.Method, Password: l.password,
		Groups: l.groupsToAsk(),
		Typed:  l.User, Latin1: l.Latin1, ClientAddr: l.ClientAddr, Authenticator: l.Authenticator, Attributes: l.Attributes,
	}
	if l.dialogue != nil {
		r.State = l.dialogue.State
	}
	return r
}

// admitPassword rejects a password when too many wrong ones of this person came. It asks the guard only at the first request
// of a dialogue.
func (l *login) admitPassword(ctx context.Context) (guard.Admission, *Verdict) {
	if l.dialogue != nil {
		return guard.Admission{Guess: l.guessOfPassword()}, nil
	}
	return l.admit(ctx, l.guessOfPassword())
}

// unsupported rejects without a delay, because appliances try several methods in turn (RFC 2865 §2.2, RFC 3579 §2.1).
func (l *login) unsupported() ended {
	v := l.reject(ReasonUnsupported, "")
	v.Immediate = true
	return v
}

// refuse rejects after a first factor's no. The user reads more than "wrong password" in two cases only: the first factor is a
// RADIUS server that sent a text, or the password was right.
func (l *login) refuse(err error) ended {
	var no *Refusal
	if !errors.As(err, &no) {
		return l.reject(ReasonBadPassword, l.say(messages.WrongPassword))
	}
	if !no.Relayed {
		l.facts.Err = no
	}
	v := l.reject(ReasonBadPassword, orElse(no.Message, l.say(messages.WrongPassword)))
	if no.Proven {
		v.Reason = ReasonAccountRefused
	}
	if no.Proven && !l.rules.deniesByGroup { // it is not known yet whether a rule denies one of the user's groups
		v.Message = l.say(messages.AccountUnusable)
	}
	v.Immediate, v.EAP, v.Attributes = no.Relayed, no.EAP, no.Attributes
	return v
}

// relay sends the client what the first factor asks.
func (l *login) relay(ctx context.Context, back *AskBack) ended {
	limit := maxPrompts
	if l.Method == MethodEAP {
		limit = maxEAPRounds
	}
	d := Dialogue{Method: l.Method, State: back.State, Chosen: l.chosen, Rounds: 1}
	if l.dialogue != nil {
		d.Rounds = l.dialogue.Rounds + 1
	}
	if d.Rounds > limit {
		return l.reject(ReasonBadPassword, l.say(messages.WrongPassword))
	}
	c := l.openChallenge()
	c.Dialogue = &d
	v := l.facts
	v.Outcome, v.Reason, v.User = OutcomeChallenge, ReasonRelayed, l.name
	v.Message, v.EAP, v.Wait = back.Message, back.EAP, min(back.Wait, ChallengeLife)
	for _, a := range back.Attributes {
		if a.Vendor == 0 && a.Type != vendorSpecific || l.Client.passes(a) { // vendors' attributes only if the client may get them
			v.Attributes = append(v.Attributes, a)
		}
	}
	if v.Wait == 0 && l.Method != MethodEAP { // EAP would retransmit after this time (RFC 3580 §3.17)
		v.Wait = ChallengeLife
	}
	return l.send(ctx, c, &v)
}
