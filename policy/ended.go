package policy

import (
	"context"
	"errors"

	"duoradiusd/policy/messages"
)

// ended is what a function returns that always ends the login. Its Verdict is never nil. It is a pointer because Verdicts that
// were passed as values made the stacks of waiting logins twice as large (DESIGN section 7, pending pushes).
type ended struct{ *Verdict }

// end returns the Verdict with which a step ends the login.
func end(e ended) *Verdict { return e.Verdict }

func (l *login) reject(why Reason, say string) ended {
	v := l.facts
	v.Outcome, v.Reason, v.Message, v.User = OutcomeReject, why, say, l.name
	return ended{&v}
}

// accept ends the login with the Verdict of accepted.
func (l *login) accept(why acceptance) ended {
	v := l.accepted(why)
	return ended{&v}
}

// accepted returns a Verdict that accepts, unless the one gate or an expired password forbids it. Only a health check gets its
// Access-Accept elsewhere (answerProbe). DecideAtOnce calls it instead of accept, because its Verdict needs no memory of its own.
func (l *login) accepted(why acceptance) Verdict {
	if !mayAccept(why, l.proof, l.Authentic || why == acceptRepeated && l.repeats) { // mayJoin has compared the signatures
		return *end(l.reject(ReasonUnproven, l.say(messages.WrongPassword)))
	}
	if l.account.Expired != nil {
		return *end(l.expired())
	}
	v := l.facts
	v.Outcome, v.Reason, v.User = OutcomeAccept, acceptReason[why], l.name
	var err error
	if v.Attributes, err = l.attributes(); err != nil && v.Err == nil {
		v.Err = err
	}
	v.EAP = l.account.EAP
	return v
}

// panicked turns a panic into a reject.
func (l *login) panicked(value any) ended {
	l.facts.Err = panicError{value}
	return l.reject(ReasonPanicked, l.say(messages.TryLater))
}

// storeFailed rejects a login for which a store can't be asked.
func (l *login) storeFailed(err error) ended {
	l.facts.Err = err
	return l.reject(ReasonStoreUnavailable, l.say(messages.TryLater))
}

// noLongerWaited answers a login that nobody waits for, or that a shutdown ends. It returns nil while there is time, and also
// when the time is up.
func (l *login) noLongerWaited(ctx context.Context) *Verdict {
	switch cause := context.Cause(ctx); {
	case cause == nil || errors.Is(cause, context.DeadlineExceeded):
		return nil
	case errors.Is(cause, ErrAbandoned):
		return end(l.reject(ReasonAbandoned, ""))
	}
	return end(l.reject(ReasonShuttingDown, l.say(messages.TryLater)))
}
