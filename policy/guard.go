package policy

import (
	"context"
	"errors"
	"strconv"
	"time"

	"duoradiusd/policy/canonical"
	"duoradiusd/policy/factor"
	"duoradiusd/policy/guard"
	"duoradiusd/policy/messages"
)

// GuardClear says whose counts go. Empty fields name nobody.
type GuardClear struct {
	Person string // folded: wrong passwords and passcodes, wherever they came from
	Duo    Identity
	Source string // as SourceOf writes it: the count of everybody's wrong guesses there
}

// ClearOf returns whose counts go when an administrator names a user, in any of the forms that logins may have.
func (p *Policy) ClearOf(name string) GuardClear {
	own, u, ok := p.whois(name)
	if !ok {
		own = name
	}
	what := GuardClear{Person: canonical.Fold(own), Duo: Identity{Username: own}}
	if u != nil && u.Duo != (Identity{}) {
		what.Duo = u.Duo
	}
	return what
}

// guess is what the guard counts of this login.
func (l *login) guess(kind guard.GuessKind) guard.Guess {
	return guard.Guess{Kind: kind, Person: l.person(), Source: guard.SourceOf(l.UserIP, l.Client.Name), Limits: l.settings.Guesses}
}

// guessOfPassword is nobody's where the name is only what the outside of an EAP tunnel says, "anonymous" for a whole
// company.
func (l *login) guessOfPassword() guard.Guess {
	g := l.guess(guard.GuessPassword)
	if l.Method == MethodEAP {
		g.Person = ""
	}
	return g
}

// admit rejects a guess that the guard holds back.
func (l *login) admit(ctx context.Context, g guard.Guess) (guard.Admission, *Verdict) {
	a, err := l.runtime.Guard.Admit(ctx, g)
	switch {
	case err != nil:
		return a, end(l.storeFailed(err))
	case a.Admitted:
		return a, nil
	}
	if v := l.noLongerWaited(ctx); v != nil {
		return a, v
	}
	l.facts.Err = &guard.HeldBack{Admission: a}
	return a, end(l.reject(ReasonThrottled, l.sayHeldBack(a.Limit, time.Until(a.Until))))
}

// settle tells the guard what a guess turned out to be. The login goes on whatever the guard makes of it: a guess that can't
// be settled stays counted as wrong.
func (l *login) settle(ctx context.Context, a guard.Admission, result guard.GuessResult) {
	if err := l.runtime.Guard.Settle(context.WithoutCancel(ctx), a, result); err != nil {
		l.facts.Err = err
	}
}

// admitPasscode holds back a passcode of a person of whom too many wrong ones came. r carries the admission to whoever
// hears Duo's answer.
func (l *login) admitPasscode(ctx context.Context, r *AuthRequest) *Verdict {
	if r.Factor != factor.Passcode {
		return nil
	}
	a, v := l.admit(ctx, l.guess(guard.GuessPasscode))
	if v == nil {
		r.guess = &a
	}
	return v
}

// knowSource notes that this person logs in from here. Nothing is noted of a name that nobody has proven.
func (l *login) knowSource(ctx context.Context) {
	if l.account.Unproven {
		return
	}
	g := l.guess(guard.GuessPasscode)
	err := l.runtime.Guard.Know(context.WithoutCancel(ctx), g)
	if typed := l.typedPerson(); typed != g.Person {
		g.Person = typed
		err = errors.Join(err, l.runtime.Guard.Know(context.WithoutCancel(ctx), g))
	}
	if err != nil {
		l.facts.Err = err // the next guesses from here count with those from elsewhere
	}
}

// typedPerson is the person by whose name the password was guessed: an alias perhaps, or, inside a tunnel, nobody that
// could be told.
func (l *login) typedPerson() string {
	if l.Method == MethodEAP {
		return l.person()
	}
	return canonical.Fold(l.typedName)
}

// sayHeldBack tells the user when to try again.
func (l *login) sayHeldBack(limit string, wait time.Duration) string {
	say := messages.HeldPasswords
	switch limit {
	case guard.LimitPasscodes:
		say = messages.HeldPasscodes
	case guard.LimitPerSource:
		say = messages.HeldSource
	}
	return l.say(say, "wait", l.sayDuration(wait))
}

// sayDuration rounds up: who waits so long is not too early.
func (l *login) sayDuration(d time.Duration) string {
	n, one, many := int((d+time.Second-1)/time.Second), messages.WaitSecond, messages.WaitSeconds
	if n > 90 {
		n, one, many = (n+59)/60, messages.WaitMinute, messages.WaitMinutes
	}
	if n <= 1 {
		return l.say(one)
	}
	return l.say(many, "number", strconv.Itoa(n))
}
