package policy

import (
	"context"
	"errors"
	"time"
)

// Limits on what a first factor may ask back in one login.
const (
	maxRounds    = 8  // prompts for the user
	maxEAPRounds = 64 // EAP packets: a certificate chain in small fragments takes some forty
)

// firstRound is where a login stands with its first factor.
type firstRound struct {
	method Method
	state  string // of the AskBack that the login answers; "" in the first round
	asked  typed  // the second factor that stood beside the password
	rounds int    // asked back so far
}

// first asks the first factor. It reports false with the Verdict when the login ends here.
func (l *login) first(ctx context.Context, r firstRound, password string) (Verdict, bool) {
	factor, fresh := l.Client.FirstFactor, r.state == ""
	switch {
	case factor == nil && l.Method != Password:
		return l.unsupported(), false
	case factor == nil:
		return Verdict{}, true
	case fresh && l.Method == Password && password == "": // many directories answer yes to it (RFC 4513 §5.1.2)
		return l.reject(BadPassword, sayWrong), false
	case fresh && !l.memory.guard.admit(l.guarded(), l.UserIP, time.Now()):
		return l.reject(Throttled, sayWrong), false
	}
	start := time.Now()
	account, err := factor.Authenticate(ctx, FirstRequest{
		User: l.name, Method: l.Method, Password: password, State: r.state,
		Typed: l.User, ClientAddr: l.ClientAddr, Authenticator: l.Authenticator, Attributes: l.Attributes,
	})
	l.facts.FirstFactor = time.Since(start)
	var back *AskBack
	switch {
	case err == nil:
		l.memory.guard.right(l.guarded())
		if !l.settleAccount(account) {
			return l.reject(BadName, sayWrong), false
		}
		return Verdict{}, true
	case errors.As(err, &back):
		return l.relay(r, back), false
	case errors.Is(err, ErrRejected):
		l.memory.guard.wrong(l.UserIP, time.Now())
		return l.refuse(err), false
	}
	l.memory.guard.unasked(l.guarded(), time.Now())
	if errors.Is(err, ErrUnsupported) {
		return l.unsupported(), false
	}
	if v, ok := l.gone(ctx); ok {
		return v, false
	}
	l.facts.Err = err
	return l.reject(NoFirstFactor, sayLater), false
}

// guarded is whose wrong passwords are counted: nobody's where the name is only what the outside of an EAP tunnel says,
// "anonymous" for a whole company.
func (l *login) guarded() string {
	if l.Method == EAP {
		return ""
	}
	return l.name
}

// unsupported rejects at once: appliances try several methods in turn (RFC 2865 §2.2, RFC 3579 §2.1).
func (l *login) unsupported() Verdict {
	v := l.reject(Unsupported, "")
	v.Immediate = true
	return v
}

// refuse is a first factor's no. The user learns more than that only from a server that chose to say it, or when the
// password was right.
func (l *login) refuse(err error) Verdict {
	var no *Refusal
	if !errors.As(err, &no) {
		return l.reject(BadPassword, sayWrong)
	}
	if !no.Relayed {
		l.facts.Err = no
	}
	v := l.reject(BadPassword, orElse(no.Message, sayWrong))
	if no.Proven {
		v.Reason = AccountRefused
	}
	if no.Proven && !l.rules.deniesByGroup { // nobody knows whether this user's group is denied
		v.Message = sayAccount
	}
	v.Immediate, v.EAP, v.Attributes = no.Relayed, no.EAP, no.Attributes
	return v
}

// relay passes on what a first factor asks back.
func (l *login) relay(r firstRound, back *AskBack) Verdict {
	limit := maxRounds
	if l.Method == EAP {
		limit = maxEAPRounds
	}
	if r.rounds++; r.rounds > limit {
		return l.reject(BadPassword, sayWrong)
	}
	r.method, r.state = l.Method, back.State
	c := l.challenge()
	c.first = &r
	c.ends = time.Now().Add(challengeLife)
	v := l.facts
	v.Outcome, v.Reason, v.User = Challenge, Relayed, l.name
	v.Message, v.EAP, v.Wait = back.Message, back.EAP, min(back.Wait, challengeLife)
	for _, a := range back.Attributes {
		if a.Vendor == 0 && a.Type != vendorSpecific || l.Client.passes(a) { // of vendors only what the client is to get
			v.Attributes = append(v.Attributes, a)
		}
	}
	if v.Wait == 0 && l.Method != EAP { // of EAP it would be the time to the authenticator's next copy (RFC 3580 §3.17)
		v.Wait = challengeLife
	}
	v.State = l.memory.challenges.put(c)
	return v
}

// goOn takes the answer to what the first factor asked back.
func (l *login) goOn(ctx context.Context, c *challenge) Verdict {
	if l.Method != c.first.method {
		return l.reject(BadState, sayStartAgain)
	}
	l.relayed = true
	if v, ok := l.mayTry(); !ok { // a reload since
		return v
	}
	if v, ok := l.first(ctx, *c.first, l.Password); !ok {
		return v
	}
	return l.known(ctx, c.first.asked)
}
