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

// GuardClear says whose counts are cleared. An empty field names nobody.
type GuardClear struct {
	Person string // folded name: wrong passwords and passcodes of this person, from every source
	Duo    Identity
	Source string // as SourceOf writes it: the count of all wrong guesses from this source
}

// ClearOf returns whose counts are cleared when an administrator names a user, in any form that a login may have.
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

// guess returns what the guard counts for this login.
func (l *login) guess(kind guard.GuessKind) guard.Guess {
	return guard.Guess{Kind: kind, Person: l.person(), Source: guard.SourceOf(l.UserIP, l.Client.Name), Limits: l.settings.Guesses}
}

// guessOfPassword names no person if the name only stands outside of an EAP tunnel. There, a whole company may be "anonymous".
func (l *login) guessOfPassword() guard.Guess {
	g := l.guess(guard.GuessPassword)
	if l.Method == MethodEAP {
		g.Person = ""
	}
	return g
}

// admit rejects the login if the guard does not admit the guess.
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

// settle tells the guard the result of a guess. The login goes on even if the guard fails: a guess that can't be settled stays
// counted as wrong.
func (l *login) settle(ctx context.Context, a guard.Admission, result guard.GuessResult) {
	if err := l.runtime.Guard.Settle(context.WithoutCancel(ctx), a, result); err != nil {
		l.facts.Err = err
	}
}

// admitPasscode rejects a passcode of a person with too many wrong ones. r carries the admission to the code that gets Duo's
// answer.
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

// knowSource notes that this person logs in from this source. It notes nothing for a name that nobody has proven.
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
		l.facts.Err = err // later guesses from here count together with those from elsewhere
	}
}

// typedPerson returns the person by whose name the password was guessed. That name may be an alias. With EAP, it is the person
// of the login.
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

// sayDuration rounds up, so that a user who waits this long is not too early.
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
