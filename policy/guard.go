package policy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"duoradiusd/policy/canonical"
	"duoradiusd/policy/messages"
)

// GuessKind is what is guessed. Each kind has budgets of its own.
type GuessKind string

const (
	GuessPassword GuessKind = "password" // checked by a first factor, whatever the method
	GuessPasscode GuessKind = "passcode" // checked by Duo
)

// Guess is a password or a passcode that is to be checked.
type Guess struct {
	Kind   GuessKind
	Person string // folded name; "" is nobody in particular
	Source string // as SourceOf writes it
	Limits GuessLimits
}

// GuessLimits are the budgets of [guard]. A limit of 0 is turned off.
type GuessLimits struct {
	WrongPasswords int           // of one person from each known source, and from all others together
	WrongPasscodes int           // the same
	WrongPerSource int           // of all persons from one source
	Refill         time.Duration // each budget regains one in this time
}

// Of returns how many wrong guesses of a kind a person has.
func (l GuessLimits) Of(kind GuessKind) int {
	if kind == GuessPasscode {
		return l.WrongPasscodes
	}
	return l.WrongPasswords
}

// SourceOf returns where a login comes from, as the guard counts it: the user's IPv4 address, the /64 of an IPv6 address,
// which is what one subscriber has to choose from at will, or the client where it tells no address.
func SourceOf(ip netip.Addr, client string) string {
	ip = ip.Unmap().WithZone("")
	switch {
	case ip.Is4():
		return ip.String()
	case ip.Is6():
		return netip.PrefixFrom(ip, 64).Masked().String()
	}
	return "client " + client
}

// Admission is the guard's answer to a Guess.
type Admission struct {
	Guess
	Admitted bool
	Known    bool      // the source was known to the person
	Turn     bool      // the guess is the one of its source that may be checked now; Settle ends its turn
	Limit    string    // the key of [guard] that holds the guess back; "" where it is admitted
	Until    time.Time // when one more may be admitted
}

// The keys of [guard] that hold a guess, or a push, back.
const (
	LimitPasswords = "wrong_passwords"
	LimitPasscodes = "wrong_passcodes"
	LimitPerSource = "wrong_per_source"
	LimitPushes    = "pushes"
)

// GuessResult is what a check came to.
type GuessResult int

const (
	GuessWrong     GuessResult = iota // it is wrong
	GuessRight                        // it is right: what this person had wrong from this source counts no more
	GuessAskedBack                    // the first factor asks back: it counts as wrong until a later answer is right
	GuessNotAsked                     // nobody could say
)

// PushLimits is [guard]: against a thief of a password who rings until the user gives in.
type PushLimits struct {
	Pushes   int           // unanswered or denied ones within...
	Window   time.Duration // ...this time, then only a passcode counts...
	Cooldown time.Duration // ...for this long; 0 turns the guard off
}

// GuardCount is one count of the guard that is not zero.
type GuardCount struct {
	Limit     string    `json:"limit"`               // the key of [guard] that bounds it
	Person    string    `json:"user,omitempty"`      // whose guesses; "" for those of everybody from Source
	Source    string    `json:"address,omitempty"`   // where they came from; "" for all that the user never logged in from
	Count     int       `json:"count"`               // what has not been regained yet
	HeldUntil time.Time `json:"held_until,omitzero"` // when the next is admitted; zero: at once
}

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

// HeldBack is a limit of [guard] that holds back a guess, for the log.
type HeldBack struct{ Admission }

// Error says which limit holds the guess back, and until when.
func (h *HeldBack) Error() string {
	until := h.Until.Format(time.RFC3339)
	switch {
	case h.Limit == LimitPerSource && h.Person == "":
		return fmt.Sprintf("guard: %s = %d of everybody is used up at %s; held back until %s", h.Limit, h.Limits.WrongPerSource, h.Source, until)
	case h.Limit == LimitPerSource:
		return fmt.Sprintf("guard: %s = %d of everybody is used up at %s, where %q has not logged in; held back until %s",
			h.Limit, h.Limits.WrongPerSource, h.Source, h.Person, until)
	case h.Known:
		return fmt.Sprintf("guard: %s = %d of %q is used up at %s; held back until %s", h.Limit, h.Limits.Of(h.Kind), h.Person, h.Source, until)
	}
	return fmt.Sprintf("guard: %s = %d of %q is used up at all sources where %[3]q has not logged in; held back until %[4]s",
		h.Limit, h.Limits.Of(h.Kind), h.Person, until)
}

// guess is what the guard counts of this login.
func (l *login) guess(kind GuessKind) Guess {
	return Guess{Kind: kind, Person: l.person(), Source: SourceOf(l.UserIP, l.Client.Name), Limits: l.settings.Guesses}
}

// guessOfPassword is nobody's where the name is only what the outside of an EAP tunnel says, "anonymous" for a whole
// company.
func (l *login) guessOfPassword() Guess {
	g := l.guess(GuessPassword)
	if l.Method == MethodEAP {
		g.Person = ""
	}
	return g
}

// admit rejects a guess that the guard holds back.
func (l *login) admit(ctx context.Context, g Guess) (Admission, *Verdict) {
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
	l.facts.Err = &HeldBack{a}
	return a, end(l.reject(ReasonThrottled, l.sayHeldBack(a.Limit, time.Until(a.Until))))
}

// settle tells the guard what a guess turned out to be. The login goes on whatever the guard makes of it: a guess that can't
// be settled stays counted as wrong.
func (l *login) settle(ctx context.Context, a Admission, result GuessResult) {
	if err := l.runtime.Guard.Settle(context.WithoutCancel(ctx), a, result); err != nil {
		l.facts.Err = err
	}
}

// admitPasscode holds back a passcode of a person of whom too many wrong ones came. r carries the admission to whoever
// hears Duo's answer.
func (l *login) admitPasscode(ctx context.Context, r *AuthRequest) *Verdict {
	if r.Factor != FactorPasscode {
		return nil
	}
	a, v := l.admit(ctx, l.guess(GuessPasscode))
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
	g := l.guess(GuessPasscode)
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
	case LimitPasscodes:
		say = messages.HeldPasscodes
	case LimitPerSource:
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
