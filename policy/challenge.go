package policy

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"duoradiusd/policy/factor"
	"duoradiusd/policy/messages"
)

const (
	ChallengeLife   = 2 * time.Minute // time to find the phone and type a code
	challengeTries  = 3               // wrong answers
	challengeRounds = 8               // challenges of all kinds in one login
)

// OpenChallenge is a login that waits for the answer to an Access-Challenge. Either the first factor said yes and the user is
// asked for the second factor, or the first factor asks back.
type OpenChallenge struct {
	LoginID   string // see Trace
	Client    string
	User      string // canonical form of User-Name
	Duo       Identity
	UserIP    netip.Addr // the user's address in the login's first request
	Authentic bool       // Attempt.Authentic of the login's first request
	Account   Account    // what the first factor said
	Dialogue  *Dialogue  // set if the first factor asks back; nil: it does not
	Origin    JoinKey    // of the login's first request
	Options   []Option

	NewPassword *NewPassword // set if a new password is asked for; nil: it is not
	oldPassword string       // of a user whose password has expired; never saved

	Wrong  int // number of wrong answers
	Rounds int
	Pushed TransactionID // the push that the user answers before pressing Enter; "" for none
	Ends   time.Time
}

// openChallenge returns a challenge with what this login has settled so far. Its Origin is the login's first request, even
// after several challenges.
func (l *login) openChallenge() *OpenChallenge {
	c := &OpenChallenge{LoginID: l.id, Client: l.Client.Name, User: l.typedName, Duo: l.duo, UserIP: l.UserIP, Authentic: l.Authentic, Account: l.account,
		oldPassword: l.oldPassword}
	if l.origin != nil {
		c.Origin = *l.origin
	} else {
		c.Origin = l.joinKey()
	}
	return c
}

// challenge sends the user a challenge: the text say, then what the user can type.
func (l *login) challenge(ctx context.Context, c *OpenChallenge, say string) ended {
	c.Rounds++
	if c.Rounds > challengeRounds {
		return l.reject(ReasonDenied, l.say(messages.Denied))
	}
	v := l.facts
	v.Outcome, v.Reason, v.User = OutcomeChallenge, ReasonChallenged, l.name
	v.Message, v.Wait = say, ChallengeLife
	return l.send(ctx, c, &v)
}

// send keeps c under a new State and puts this State into the challenge v.
func (l *login) send(ctx context.Context, c *OpenChallenge, v *Verdict) ended {
	c.Ends = challengeEnds()
	state, err := l.runtime.Challenges.Put(ctx, c)
	if err != nil {
		return l.storeFailed(err)
	}
	v.State = state
	return ended{v}
}

func challengeEnds() time.Time { return time.Now().Add(ChallengeLife) }

// resume continues with the challenge of the request's State. A login with a State never starts from the beginning.
func (l *login) resume(ctx context.Context) ended {
	if !l.setName(l.User) {
		return l.reject(ReasonBadState, l.say(messages.StartAgain))
	}
	l.signed = l.Authentic
	c, err := l.runtime.Challenges.Take(ctx, l.State, l.Client.Name, l.typedName)
	if err != nil {
		return l.storeFailed(err)
	}
	working := &l.runtime.answering
	if c != nil {
		l.answer = working.begin(l, c)
	} else if l.answer = working.join(l); l.answer != nil {
		l.signed = l.answer.signed // a copy has the key of the first request with this answer
		c = working.wait(ctx, l.answer)
	}
	if l.answer == nil {
		return l.rejoin(ctx)
	}
	v := l.goOn(ctx, c)
	working.end(ctx, l, end(v))
	return v
}

// goOn continues with c. c is nil if the answer to the challenge has a reply already.
func (l *login) goOn(ctx context.Context, c *OpenChallenge) ended {
	switch {
	case c == nil && ctx.Err() != nil:
		return l.unanswered(ctx, context.Cause(ctx))
	case c == nil:
		return l.rejoin(ctx)
	case !l.takeUp(c):
		return l.reject(ReasonBadState, l.say(messages.StartAgain))
	case c.Dialogue != nil:
		return l.continueDialogue(ctx, c)
	}
	if v := l.applyRules(); v != nil { // the configuration may have changed since
		return ended{v}
	}
	if c.NewPassword != nil {
		return l.continuePasswordChange(ctx, c)
	}
	l.askedDuo = time.Now()
	return l.answerChallenge(ctx, c)
}

// takeUp takes over what the login had settled when the challenge was sent. A client may leave the user's address out of the
// answer to a challenge, but it may not send a different one.
func (l *login) takeUp(c *OpenChallenge) bool {
	if c.Origin.Application != l.Client.Application || !l.setAccount(c.Account) || c.Duo != l.duo || l.UserIP.IsValid() && l.UserIP != c.UserIP {
		return false
	}
	l.UserIP = c.UserIP
	l.Authentic = l.Authentic && c.Authentic
	l.origin, l.oldPassword = &c.Origin, c.oldPassword
	if c.LoginID != "" { // a challenge that an earlier version saved has none
		l.id = c.LoginID
	}
	return true
}

// continueDialogue passes the user's answer to the first factor that asked for it.
func (l *login) continueDialogue(ctx context.Context, c *OpenChallenge) ended {
	if l.Method != c.Dialogue.Method || l.Client.FirstFactor == nil { // the configuration changed: nobody checked a password
		return l.reject(ReasonBadState, l.say(messages.StartAgain))
	}
	l.dialogue, l.answersDialogue = c.Dialogue, true
	l.password, l.chosen = l.Password, c.Dialogue.Chosen
	steps := []step{ignoringContext((*login).applyRulesByName)} // the configuration may have changed since
	switch answered := c.Dialogue.Answered; {
	case answered == AnswerDigest{}:
		steps = append(steps, (*login).checkFirstFactor, ignoringContext((*login).passFirstFactor))
	case !answered.equal(l.answerDigest()): // the first factor said yes to a different answer
		return l.reject(ReasonBadState, l.say(messages.StartAgain))
	}
	return l.run(ctx, append(steps, stepsAfterFirstFactor...))
}

// rejoin answers a client that repeats an answer to a challenge, with a new Identifier, while that answer is being worked on.
// The State is used, but the transaction that the answer began is still live.
func (l *login) rejoin(ctx context.Context) ended {
	t, ok, err := l.runtime.Transactions.Find(ctx, l.joinKey(), l.began)
	if err == nil && !ok && l.signed { // the first request with this answer was perhaps not signed
		l.signed = false
		t, ok, err = l.runtime.Transactions.Find(ctx, l.joinKey(), l.began)
	}
	switch {
	case err != nil:
		return l.storeFailed(err)
	case !ok || !l.setAccount(t.Account) || l.mapped() && l.duo != t.Phone.Duo || l.UserIP.IsValid() && l.UserIP != t.UserIP:
		return l.reject(ReasonBadState, l.say(messages.StartAgain))
	}
	if v := l.applyRules(); v != nil { // the configuration may have changed since
		return ended{v}
	}
	if !l.mayJoin(t) {
		return l.reject(ReasonBadState, l.say(messages.StartAgain))
	}
	l.duo, l.askedDuo, l.repeats = t.Phone.Duo, time.Now(), t.Repeated
	return l.await(ctx, t.Transaction)
}

// answerChallenge reads the user's answer to a challenge of the second factor. If Duo's answer allows another try, it asks the
// user again.
func (l *login) answerChallenge(ctx context.Context, c *OpenChallenge) ended {
	answer := strings.TrimSpace(l.Password)
	if answer == "" && c.Pushed != "" {
		return l.awaitPushed(ctx, c)
	}
	chosen, ok := c.chosen(answer)
	if !ok || chosen.Factor == "" {
		return l.askAgain(ctx, c, ReasonBadField, l.say(messages.NotUnderstood))
	}
	if !l.allowed(chosen.Factor) || l.mode() == ModePasscode && chosen.Factor.Rings() { // the rules changed after the menu
		return l.askAgain(ctx, c, ReasonNotAllowed, l.say(messages.NotAllowed))
	}
	l.chosen = chosen
	v := l.run(ctx, secondFactorSteps)
	switch {
	case v.Reason == ReasonCodesSent:
		c.Options = nil
		return l.challenge(ctx, c, l.say(messages.CodesSent)+"\n"+l.say(messages.Passcode))
	case v.Reason == ReasonDenied && v.Factor == factor.Passcode:
		v = l.askAgain(ctx, c, v.Reason, v.Message)
		v.Delayed = true
	case v.Reason == ReasonNoDevice, v.Reason == ReasonCooldown, v.Reason == ReasonPending:
		return l.askAgain(ctx, c, v.Reason, v.Message)
	}
	return v
}

// awaitPushed waits for the push that was begun together with the challenge.
func (l *login) awaitPushed(ctx context.Context, c *OpenChallenge) ended {
	t, ok, err := l.runtime.Transactions.Get(ctx, c.Pushed)
	if err == nil && ok {
		err = l.runtime.Transactions.AddKey(ctx, t.ID, l.joinKey(), l.account)
	}
	switch {
	case err != nil:
		return l.storeFailed(err)
	case !ok:
		return l.reject(ReasonNoAnswer, l.say(messages.NoAnswer))
	}
	return l.await(ctx, t)
}

// askAgain asks the user again after a wrong answer; the user has three tries in all. The log says each time what was wrong,
// also after the last try, which rejects the login.
func (l *login) askAgain(ctx context.Context, c *OpenChallenge, why Reason, say string) ended {
	if c.Wrong++; c.Wrong >= challengeTries {
		return l.reject(why, say)
	}
	v := l.challenge(ctx, c, l.menu(say, c.Options))
	if v.Outcome == OutcomeChallenge {
		v.Reason = why
	}
	return v
}
