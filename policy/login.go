package policy

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// login is one run of Decide: the attempt, what has been settled of it so far, and the facts for the log.
type login struct {
	*Policy
	Attempt

	since   time.Time // when it began
	user    *User     // nil: no [[user]] names this one
	rule    *Rule     // never nil once settled: a rule that says nothing where none fits
	ruled   bool      // a rule of the configuration fits
	name    string
	duo     Identity
	account Account
	origin  joinKey // of the request that a challenge answered
	facts   Verdict
}

func (l *login) reject(why Reason, say string) Verdict {
	v := l.facts
	v.Outcome, v.Reason, v.Message, v.User = Reject, why, say, l.name
	return v
}

func (l *login) accept(why Reason) Verdict {
	v := l.facts
	v.Outcome, v.Reason, v.User = Accept, why, l.name
	return v
}

// settleName settles who this is: a listed user by its own name, whatever alias was typed; anybody else by the
// canonical form of what was typed.
func (l *login) settleName() bool {
	name, user, ok := l.whois(l.User)
	if !ok {
		return false
	}
	l.name, l.user = name, user
	if l.duo = (Identity{Username: name}); l.mapped() {
		l.duo = user.Duo
	}
	return true
}

// mapped reports whether a [[user]] says who this is at Duo.
func (l *login) mapped() bool { return l.user != nil && l.user.Duo != Identity{} }

func (l *login) isProbe() bool {
	return slices.ContainsFunc(l.Client.ProbeUsers, func(probe string) bool {
		return strings.EqualFold(probe, l.User) || strings.EqualFold(probe, l.name)
	})
}

func (l *login) probe() Verdict {
	v := l.reject(Probe, "")
	v.Immediate = true
	return v
}

var noRule = &Rule{}

func (l *login) settleRule() {
	l.rule = noRule
	for i := range l.settings.Rules {
		if r := &l.settings.Rules[i]; r.fits(l.name, &l.Attempt) {
			l.rule, l.ruled = r, true
			return
		}
	}
}

// readField parts the password field into password and second factor.
func (l *login) readField() (password string, asked typed, ok bool) {
	if l.Client.FirstFactor == nil {
		asked, ok = parseField(l.Password)
		return "", asked, ok
	}
	password, asked = splitField(l.Password, l.Client.Delimiter)
	return password, asked, true
}

// first asks the first factor. It reports false with the Verdict when the login ends here.
func (l *login) first(ctx context.Context, password string) (Verdict, bool) {
	factor := l.Client.FirstFactor
	if factor == nil {
		return Verdict{}, true
	}
	if password == "" { // many directories answer yes to an empty password (RFC 4513 §5.1.2)
		return l.reject(BadPassword, sayWrong), false
	}
	if !l.memory.guard.admit(l.name, l.UserIP, time.Now()) {
		return l.reject(Throttled, sayWrong), false
	}
	start := time.Now()
	account, err := factor.Authenticate(ctx, FirstRequest{User: l.name, Password: password})
	l.facts.FirstFactor = time.Since(start)
	switch {
	case err == nil:
		l.memory.guard.right(l.name)
		l.settleAccount(account)
		return Verdict{}, true
	case errors.Is(err, ErrRejected):
		l.memory.guard.wrong(l.UserIP, time.Now())
		return l.reject(BadPassword, sayWrong), false
	}
	l.memory.guard.unasked(l.name, time.Now())
	if v, ok := l.gone(ctx); ok {
		return v, false
	}
	l.facts.Err = err
	return l.reject(NoFirstFactor, sayLater), false
}

// gone answers a login that nobody waits for, or that a shutdown ends; it reports false while there is time or when time
// is up.
func (l *login) gone(ctx context.Context) (Verdict, bool) {
	switch cause := context.Cause(ctx); {
	case cause == nil || errors.Is(cause, context.DeadlineExceeded):
		return Verdict{}, false
	case errors.Is(cause, ErrAbandoned):
		return l.reject(Abandoned, ""), true
	}
	return l.reject(ShuttingDown, sayLater), true
}

// settleAccount takes what the first factor knows: a Duo name for those whom no [[user]] maps.
func (l *login) settleAccount(account Account) {
	l.account = account
	if !l.mapped() && account.DuoUsername != "" {
		l.duo = Identity{Username: account.DuoUsername}
	}
}

// needsSecond settles whether this user needs a second factor here. What rejects comes first, then the rule, which is
// the administrator's word on exactly this login, then the user's own list, then unlisted.
func (l *login) needsSecond() (Verdict, bool) {
	listedHere := l.user != nil && (l.user.Services == nil || slices.Contains(l.user.Services, l.Client.Service))
	switch {
	case l.user != nil && !listedHere && l.user.Elsewhere == ElsewhereReject:
		return l.reject(Elsewhere, sayWrong), false
	case l.user == nil && l.settings.Unlisted == UnlistedReject:
		return l.reject(Unlisted, sayWrong), false
	case l.ruled && l.rule.Need == ExemptBy:
		return l.accept(Exempt), false
	case l.ruled:
		return Verdict{}, true
	case l.user != nil && !listedHere:
		return l.accept(Exempt), false
	case l.user == nil && l.settings.Unlisted == UnlistedFirstFactor:
		return l.accept(Exempt), false
	}
	return Verdict{}, true
}

// lifetime is how long an approval of this login counts. Where a rule and the user both say, the shorter counts, so
// that "ask every time" holds whoever says it.
func (l *login) lifetime() time.Duration {
	var said []time.Duration
	if l.user != nil && l.user.Remember != nil {
		said = append(said, *l.user.Remember)
	}
	if l.rule.Remember != nil {
		said = append(said, *l.rule.Remember)
	}
	if len(said) == 0 {
		return l.Client.Remember
	}
	return slices.Min(said)
}

// rememberable reports whether an approval of this login may be kept or used: the user's address must be known, or it
// would count for a thief elsewhere, and the packet must be the client's own, or anybody could have sent it.
func (l *login) rememberable() bool {
	return l.UserIP.IsValid() && l.Authentic && l.lifetime() > 0
}

func (l *login) approvalKey() approvalKey {
	key := approvalKey{user: l.name, duo: l.duo}
	for _, b := range l.settings.BindTo {
		switch b {
		case BindService:
			key.service = l.Client.Service
		case BindClient:
			key.client = l.Client.Name
		case BindUserIP:
			key.ip = l.UserIP
		}
	}
	return key
}

// remembered reports whether an earlier approval answers this login. It never answers for a passcode: a wrong code
// that is accepted teaches users that codes do not matter.
func (l *login) remembered(asked typed) bool {
	if asked.factor == Passcode || !l.rememberable() {
		return false
	}
	limits := limits{idle: l.settings.Idle, uses: l.settings.Uses}
	return l.memory.Approvals.use(l.approvalKey(), time.Now(), l.lifetime(), limits)
}

func (l *login) remember() {
	if l.rememberable() {
		l.memory.Approvals.add(l.approvalKey(), time.Now(), l.lifetime())
	}
}
