package policy

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"duoradiusd/policy/factor"
)

// Step is one thing that a login did, for an administrator who asks why it ended as it did. It holds no password and no
// passcode.
type Step struct {
	Name   string // what was done, such as "first factor"
	Asked  string // about whom or what; "" for nobody
	Answer string // what came of it
	Took   time.Duration
}

// Trace is what is known about a login beside its answer.
type Trace struct {
	LoginID    string        // the same for a login's first request and for the answers to its challenges
	Rule       string        // the rule that decided, by its name or its place ("rule 3"); "" for none
	DuoUser    string        // whom Duo was asked about; "" when Duo was not asked
	DuoMessage string        // what Duo said of the login, in its own words; "" for nothing
	Tail       factor.Factor // what was taken off the password field, behind the password; "" for nothing
	Steps      []Step
}

var (
	loginPrefix = rand.Text()[:6] // prefix of this process, so that two daemons never have the same
	loginNumber atomic.Uint64
)

// newLoginID returns an ID that no other login has.
func newLoginID() string {
	var b [26]byte
	return string(strconv.AppendUint(append(b[:0], loginPrefix...), loginNumber.Add(1), 36))
}

// took records a step that began at start.
func (l *login) took(start time.Time, name, asked, answer string) {
	l.facts.Steps = append(l.facts.Steps, Step{Name: name, Asked: asked, Answer: answer, Took: time.Since(start)})
}

// trace completes the Trace of the login once the login has ended.
func (l *login) trace(v *Verdict) {
	v.LoginID, v.Rule, v.DuoMessage, v.Tail, v.Steps = l.id, l.ruleName(), l.facts.DuoMessage, l.facts.Tail, l.facts.Steps
	if l.id == "" {
		v.LoginID = newLoginID()
	}
	if !l.askedDuo.IsZero() {
		v.DuoUser = l.duo.String()
	}
}

// ruleName returns the rule that fits, by its name or its place in the configuration; "" if none does.
func (l *login) ruleName() string {
	r := l.terms.rule
	if r == nil {
		return ""
	}
	if r.Name != "" {
		return r.Name
	}
	for i := range l.settings.Rules {
		if &l.settings.Rules[i] == r {
			return fmt.Sprintf("rule %d", i+1)
		}
	}
	return ""
}

// String returns the user name at Duo, or the user ID.
func (i Identity) String() string {
	if i.Username != "" {
		return i.Username
	}
	return i.UserID
}

// preauthAnswer puts Duo's answer to preauth into words.
func preauthAnswer(pre Preauth, err error) string {
	if err != nil {
		return "could not be asked: " + err.Error()
	}
	say := map[PreauthResult]string{
		PreauthAllow: "allow: no second factor is needed", PreauthDeny: "deny",
		PreauthEnroll: "enroll: the user is unknown to Duo or has no device", PreauthAuth: "auth: a second factor is needed",
	}[pre.Result]
	if pre.Message != "" {
		say += ": " + pre.Message
	}
	return say
}

// authAnswer puts Duo's answer to a push, a call or a passcode into words.
func authAnswer(result AuthResult, err error) string {
	say := result.Status
	switch {
	case err != nil:
		say = "no answer: " + err.Error()
	case result.Message != "":
		say += ": " + result.Message
	}
	if result.Txid != "" {
		say += " (txid " + result.Txid + ")"
	}
	return say
}

// firstFactorAnswer puts a first factor's answer into words.
func firstFactorAnswer(account Account, err error) string {
	if err != nil {
		return err.Error()
	}
	say := "right"
	if account.User != "" {
		say += ", the account is " + account.User
	}
	if account.DuoUsername != "" {
		say += ", at Duo " + account.DuoUsername
	}
	if n := len(account.Groups); n > 0 {
		say += fmt.Sprintf(", %d group names", n)
	}
	return say
}
