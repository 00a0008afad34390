package memory

import (
	"time"

	"duoradiusd/policy/guard"
)

// Budgets says when the budgets of a guess are whole again, and until when its source is known to the person. A zero time
// lies in the past.
type Budgets struct {
	KnownUntil time.Time
	Here       time.Time // the person's budget at this source, if the source is known
	Elsewhere  time.Time // the person's budget at all unknown sources together
	Source     time.Time // the budget of all persons at this source
}

// Budgets returns the budgets that this process has counted for a guess.
func (g *localGuard) Budgets(guess guard.Guess) (b Budgets) {
	g.mu.Lock()
	defer g.mu.Unlock()
	known, _ := g.known.Peek(guess.Person)
	b.KnownUntil = known[guess.Source]
	b.Here, _ = g.persons.wrong.Peek(budgetOf(guess, true))
	b.Elsewhere, _ = g.persons.wrong.Peek(budgetOf(guess, false))
	b.Source, _ = g.sources.wrong.Peek(guess.Source)
	return b
}

// Adopt replaces the counts of this process for a guess with the counts of all processes. For a source it keeps the higher
// of the two counts, because no process may lower that count for the others.
func (g *localGuard) Adopt(guess guard.Guess, b Budgets) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	set := func(key personKey, whole time.Time) {
		if now.Before(whole) {
			g.persons.wrong.Add(key, whole)
		} else {
			g.persons.wrong.Remove(key)
		}
	}
	if guess.Person != "" {
		set(budgetOf(guess, true), b.Here)
		set(budgetOf(guess, false), b.Elsewhere)
		if now.Before(b.KnownUntil) {
			g.know(guess.Person, guess.Source, b.KnownUntil, now)
		}
	}
	if own, _ := g.sources.wrong.Peek(guess.Source); b.Source.After(own) {
		g.sources.wrong.Add(guess.Source, b.Source)
	}
}
