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
	called  string    // canonical name of User-Name
	name    string    // of who it is: the same, except inside an EAP tunnel
	duo     Identity
	account Account
	groups  []string // of account, folded
	origin  *joinKey // of the login's first request; nil in that one
	relayed bool     // it answers what the first factor asked back
	facts   Verdict  // what is known of the answer; all of it, once the login is settled

	asking  time.Time    // when Duo was turned to; zero: not at all
	waits   *transaction // whose answer the login waits for
	answers *challenge   // that the login answers with a second factor
}

func (l *login) reject(why Reason, say string) Verdict {
	v := l.facts
	v.Outcome, v.Reason, v.Message, v.User = Reject, why, say, l.name
	return v
}

func (l *login) accept(why Reason) Verdict {
	v := l.facts
	v.Outcome, v.Reason, v.User = Accept, why, l.name
	v.Attributes, v.EAP = l.attributes(), l.account.EAP
	return v
}

// settleName settles who this is: a listed user by its own name, whatever alias was typed; anybody else by the
// canonical form of what was typed.
func (l *login) settleName(typed string) bool {
	name, user, ok := l.whois(typed)
	if !ok && l.Method == EAP && l.called == "" { // "@example.com" is a name for the outside of a tunnel (RFC 7542 §2.4)
		name, ok = Names{Case: l.settings.Names.Case}.Canonical(typed)
	}
	if !ok {
		return false
	}
	if l.called == "" {
		l.called = name
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

// mayTry settles what of the policy needs no first factor, and reports false with the Verdict when the login ends here.
// Whoever is rejected here learns nothing of the password.
func (l *login) mayTry() (Verdict, bool) {
	if l.Method == EAP { // the name outside of a tunnel is nobody's
		l.rule, l.ruled = noRule, false
		return Verdict{}, true
	}
	r, at := l.rules.first(l.name, nil, &l.Attempt, l.since)
	l.rule, l.ruled = noRule, false
	// A rule by group may come first, where the first factor will tell groups.
	if r != nil && (at < l.rules.grouped || l.Client.Groupless || l.Client.FirstFactor == nil) {
		l.rule, l.ruled = r, true
	}
	if why, say := l.barred(); why != "" {
		return l.reject(why, say), false
	}
	return Verdict{}, true
}

// mayPass settles the rule of a user whose groups are known.
func (l *login) mayPass() (Verdict, bool) {
	l.settleRule()
	if why, say := l.barred(); why != "" {
		v := l.reject(why, say)
		v.Immediate = l.Method == EAP // as an upstream's own reject is
		return v, false
	}
	return Verdict{}, true
}

func (l *login) settleRule() {
	r, _ := l.rules.first(l.name, l.groups, &l.Attempt, l.since)
	l.rule, l.ruled = noRule, r != nil
	if r != nil {
		l.rule = r
	}
}

// barred is what the configuration rejects whatever the factors say; "" is nothing. The user is told the same as after a
// wrong password.
func (l *login) barred() (why Reason, say string) {
	switch {
	case l.rule.Need == DeniedHere:
		return DeniedByRule, sayWrong
	case l.user != nil && !l.listedHere() && l.user.Elsewhere == ElsewhereReject:
		return Elsewhere, sayWrong
	case l.user == nil && l.settings.Unlisted == UnlistedReject:
		return Unlisted, sayWrong
	}
	return "", ""
}

func (l *login) listedHere() bool {
	return l.user.Services == nil || slices.Contains(l.user.Services, l.Client.Service)
}

// readField parts the password field into password and second factor. Behind a client that has checked the first factor
// it may hold anything: only who needs a second factor is told so.
func (l *login) readField() (password string, asked typed) {
	if l.Client.FirstFactor == nil {
		asked, ok := parseField(l.Password)
		asked.bad = !ok
		return "", asked
	}
	return splitField(l.Password, l.Client.Delimiter)
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

// settleAccount takes what the first factor knows: who the user is where the client could not know, and a Duo name for
// those whom no [[user]] maps. It reports false for a name that is none.
func (l *login) settleAccount(account Account) bool {
	l.account, l.groups = account, foldGroups(account.Groups)
	if account.User != "" && !l.settleName(account.User) {
		return false
	}
	if !l.mapped() && account.DuoUsername != "" {
		l.duo = Identity{Username: account.DuoUsername}
	}
	return true
}

// exempt reports whether this user needs no second factor here. The rule is the administrator's word on exactly this
// login; after it come the user's own list and unlisted.
func (l *login) exempt() bool {
	switch {
	case l.account.Unproven:
		return false
	case l.ruled:
		return l.rule.Need == ExemptBy
	case l.user != nil:
		return !l.listedHere()
	}
	return l.settings.Unlisted == UnlistedFirstFactor
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
// would count for a thief elsewhere; the packet must be the client's own, or anybody could have sent it; and the name must
// be that of who proved a password.
func (l *login) rememberable() bool {
	return l.UserIP.IsValid() && l.Authentic && !l.account.Unproven && l.lifetime() > 0
}

func (l *login) approvalKey() approvalKey {
	key := approvalKey{user: l.name, duo: l.duo, at: l.Client.Application}
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
func (l *login) remembered(asked typed, now time.Time) bool {
	if asked.factor == Passcode || !l.rememberable() {
		return false
	}
	limits := limits{idle: l.settings.Idle, uses: l.settings.Uses}
	return l.memory.Approvals.use(l.approvalKey(), now, l.lifetime(), limits)
}

func (l *login) remember() {
	if l.rememberable() {
		l.memory.Approvals.add(l.approvalKey(), time.Now(), l.lifetime())
	}
}
