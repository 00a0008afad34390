package policy

import (
	"context"
	"errors"

	"duoradiusd/policy/factor"
	"duoradiusd/policy/guard"
	"duoradiusd/policy/messages"
)

// ExpiredPassword is set in a Refusal if the password was right, has expired, and can be changed.
type ExpiredPassword struct {
	Account Account // what the first factor knows of the user
	State   string  // for PasswordChange.State; only the first factor understands it
}

// Expiry is set in the Account of a user whose password has expired. Such a login is accepted only after a change.
type Expiry struct {
	Why   string // of the Refusal
	State string // of the ExpiredPassword
}

// PasswordChange asks for a new password.
type PasswordChange struct {
	State    string // of the ExpiredPassword
	Old, New string // whole, as typed
}

// PasswordChanger is a FirstFactor that can change an expired password.
type PasswordChanger interface {
	// ChangePassword changes the password and then checks the new one at the same server. It returns nil when both were
	// successful. A Refusal says that the directory does not accept the change, and why; any other error says that it could
	// not be asked. Neither holds a password.
	ChangePassword(ctx context.Context, r PasswordChange) error
}

// NewPassword is the state of a login that changes its user's password, after Duo has allowed it.
type NewPassword struct {
	Factor factor.Factor // that Duo allowed
	Txid   string
	Wrong  int  // passwords that differed or that the directory did not accept
	Again  bool // the password has been typed once, and is asked for again

	typed string // the first time; never saved
}

const newPasswordTries = 3

// expiredAccount returns the account of a user whose password has expired and can be changed; nil for any other refusal.
func expiredAccount(err error) *Account {
	var no *Refusal
	if !errors.As(err, &no) || no.Change == nil || !no.Proven {
		return nil
	}
	account := no.Change.Account
	account.Expired = &Expiry{Why: no.Why, State: no.Change.State}
	return &account
}

// refuseExpired ends a login with an expired password where its user can't be asked for a new one. Duo is not asked then.
func (l *login) refuseExpired() *Verdict {
	if l.account.Expired == nil || l.mode() == ModeChallenge && !l.exempt() {
		return nil
	}
	return end(l.expired())
}

// expired rejects a login whose password has expired.
func (l *login) expired() ended {
	return l.refuse(&Refusal{Why: l.account.Expired.Why, Proven: true})
}

// askNewPassword asks for a new password after Duo has allowed this very login. Somebody who knows only the old password must
// not be able to change it. The old password is missing if another process, or this one before a restart, has checked it.
func (l *login) askNewPassword(ctx context.Context) ended {
	if l.oldPassword == "" {
		return l.reject(ReasonBadState, l.say(messages.StartAgain))
	}
	c := l.openChallenge()
	c.NewPassword = &NewPassword{Factor: l.facts.Factor, Txid: l.facts.Txid}
	return l.challenge(ctx, c, l.say(messages.PasswordExpired)+" "+l.say(messages.NewPassword))
}

// continuePasswordChange reads the user's answer to the question for a new password. The whole field is the password.
func (l *login) continuePasswordChange(ctx context.Context, c *OpenChallenge) ended {
	n := c.NewPassword
	l.facts.Factor, l.facts.Txid = n.Factor, n.Txid
	switch {
	case l.Method != MethodPassword || l.account.Expired == nil || l.oldPassword == "" || n.Again && n.typed == "":
		return l.reject(ReasonBadState, l.say(messages.StartAgain))
	case l.mode() != ModeChallenge: // the configuration may have changed since
		return l.expired()
	case l.Password == "":
		return l.askNewPasswordAgain(ctx, c, l.say(messages.PasswordEmpty))
	case !n.Again:
		n.Again, n.typed = true, l.Password
		return l.challenge(ctx, c, l.say(messages.NewPasswordAgain))
	case n.typed != l.Password:
		return l.askNewPasswordAgain(ctx, c, l.say(messages.PasswordsDiffer))
	}
	return l.changePassword(ctx, c)
}

// changePassword asks the first factor to change the password. The login is accepted only if the directory accepts the new
// password afterwards.
func (l *login) changePassword(ctx context.Context, c *OpenChallenge) ended {
	changer, ok := l.Client.FirstFactor.(PasswordChanger)
	if !ok {
		return l.expired() // the configuration has changed
	}
	admission, v := l.admit(ctx, l.guessOfPassword())
	if v != nil {
		return ended{v}
	}
	err := changer.ChangePassword(ctx, PasswordChange{State: l.account.Expired.State, Old: l.oldPassword, New: l.Password})
	var no *Refusal
	switch {
	case err == nil:
		l.settle(ctx, admission, guard.GuessRight)
		l.account.Expired = nil
		return l.acceptAllowed(ctx, acceptApproved, c.NewPassword.Factor)
	case errors.As(err, &no):
		l.settle(ctx, admission, guard.GuessWrong)
		l.facts.Err = no
		return l.askNewPasswordAgain(ctx, c, orElse(no.Message, l.say(messages.PasswordRefused)))
	case errors.Is(err, ErrRejected): // the old password is no longer valid
		l.settle(ctx, admission, guard.GuessWrong)
		return l.refuse(err)
	}
	l.settle(ctx, admission, guard.GuessNotAsked)
	if v := l.noLongerWaited(ctx); v != nil {
		return ended{v}
	}
	l.facts.Err = err
	return l.reject(ReasonNoFirstFactor, l.say(messages.TryLater))
}

// askNewPasswordAgain asks the first of the two questions again; the user has three tries in all.
func (l *login) askNewPasswordAgain(ctx context.Context, c *OpenChallenge, why string) ended {
	n := c.NewPassword
	n.Again, n.typed = false, ""
	if n.Wrong++; n.Wrong >= newPasswordTries {
		return l.reject(ReasonAccountRefused, why)
	}
	return l.challenge(ctx, c, why+" "+l.say(messages.NewPassword))
}
