package policy

import (
	"context"
	"crypto/subtle"
	"net/netip"
	"sync"
)

// answering holds the answers to challenges that logins are working on. A State is valid once. But a client that hears nothing
// repeats its answer in a new request. As long as the first request has no reply, the same octets are the same answer. An
// answer that gets no reply does not use up its State, so copies of it get no reply either.
type answering struct {
	mu      sync.Mutex // guards byState, and what is in the answers
	byState map[string]*answer
}

// answer is what a user answered to a challenge.
type answer struct {
	digest AnswerDigest
	signed bool
	userIP netip.Addr     // of the login's first request
	passed chan struct{}  // closed when the first factor has nothing more to ask, or the login is over
	open   *OpenChallenge // the challenge that a copy of the answer continues with; nil: none
	logins int            // how many logins work on the answer
	used   bool           // one of these logins had a reply
}

// AnswerDigest identifies a user's answer to a challenge, together with the client, the name and the State. The zero digest
// identifies none.
type AnswerDigest [32]byte

// answerDigest returns the digest of this login's answer. The login must have a State.
func (l *login) answerDigest() AnswerDigest {
	return l.runtime.digest.of("answer", l.Client.Name, l.typedName, l.State, l.Method.String(), l.Password, l.EAP)
}

// equal takes the same time for all digests.
func (d AnswerDigest) equal(other AnswerDigest) bool {
	return subtle.ConstantTimeCompare(d[:], other[:]) == 1
}

// begin notes that l works on the answer to c.
func (as *answering) begin(l *login, c *OpenChallenge) *answer {
	a := &answer{digest: l.answerDigest(), signed: l.signed, userIP: c.UserIP, passed: make(chan struct{}), logins: 1}
	as.mu.Lock()
	defer as.mu.Unlock()
	if as.byState == nil {
		as.byState = make(map[string]*answer)
	}
	as.byState[l.State] = a
	if c.NewPassword == nil && (c.Dialogue == nil || c.Dialogue.Answered != AnswerDigest{}) {
		a.pass(c)
	}
	return a
}

// pass lets copies of the answer go on with c. The caller holds mu.
func (a *answer) pass(c *OpenChallenge) {
	kept := *c
	a.open = &kept
	close(a.passed)
}

// join returns the answer that l repeats; nil if there is none.
func (as *answering) join(l *login) *answer {
	as.mu.Lock()
	defer as.mu.Unlock()
	a := as.byState[l.State]
	if a == nil || a.used || a.signed && !l.signed || l.UserIP.IsValid() && l.UserIP != a.userIP || !a.digest.equal(l.answerDigest()) {
		return nil
	}
	a.logins++
	return a
}

// wait returns the challenge that a copy continues with, once it is known; nil if the answer had a reply meanwhile, or ctx
// ends.
func (as *answering) wait(ctx context.Context, a *answer) *OpenChallenge {
	select {
	case <-a.passed:
	case <-ctx.Done():
		return nil
	}
	as.mu.Lock()
	defer as.mu.Unlock()
	if a.open == nil || a.used {
		return nil
	}
	c := *a.open
	return &c
}

// passFirstFactor notes that a first factor that had asked back has said yes. It is not asked again about this answer.
func (l *login) passFirstFactor() *Verdict {
	as := &l.runtime.answering
	as.mu.Lock()
	defer as.mu.Unlock()
	if a := l.answer; a != nil && a.open == nil {
		c, d := l.openChallenge(), *l.dialogue
		d.Answered = a.digest
		c.Dialogue, c.LoginID = &d, l.id
		a.pass(c)
	}
	return nil
}

// end is called when a login that worked on an answer has its Verdict. If none of these logins gets a reply, the State is put
// back.
func (as *answering) end(ctx context.Context, l *login, v *Verdict) {
	as.mu.Lock()
	a := l.answer
	a.logins--
	a.used = a.used || v.Outcome != OutcomeDiscard
	last := a.logins == 0
	if last {
		delete(as.byState, l.State)
	}
	select {
	case <-a.passed:
	default:
		if last || a.used {
			close(a.passed)
		}
	}
	open, used := a.open, a.used
	as.mu.Unlock()
	if !last || used || open == nil {
		return
	}
	if err := l.runtime.Challenges.PutBack(context.WithoutCancel(ctx), l.State, l.renewed(open)); err != nil {
		v.Err = err
	}
}

// renewed returns a copy of c in which the user's time begins again.
func (l *login) renewed(c *OpenChallenge) *OpenChallenge {
	kept := *c
	kept.Ends = challengeEnds()
	return &kept
}
