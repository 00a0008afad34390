package memory

import (
	"context"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/guard"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	guardEntries = 1 << 16 // the most entries of each kind that the guard keeps

	knownFor    = 30 * 24 * time.Hour // how long a source is known after Duo has allowed a login from it
	maxKnown    = 16                  // known sources of one person
	creditEvery = 24 * time.Hour      // how often one person can give one wrong guess back to one source
	turnPause   = time.Second         // the pause after a wrong guess at a source that has had too many
	maxQueue    = 2048                // guesses that may wait for one source's turn; more would use up the room for all logins
)

// guesses is the part of the guard that counts guesses. The mutex of localGuard protects it.
type guesses struct {
	persons   limiter[personKey]
	sources   limiter[string]
	lastWrong *simplelru.LRU[string, time.Time]            // by source
	known     *simplelru.LRU[string, map[string]time.Time] // by person: until when each source is known
	credits   *simplelru.LRU[credit, time.Time]            // when it was given; not saved, so a restart allows another
	turns     map[string]*turn                             // by source; an entry exists while guesses use it
}

// personKey identifies one budget of a person.
type personKey struct {
	Kind   guard.GuessKind
	Person string
	Source string // "" stands for all sources that are not known to the person
}

// credit identifies the person and the source of a wrong guess that a right guess gives back.
type credit struct{ person, source string }

// turn lets only one guess at a time be checked. The guess that has waited longest is next.
type turn struct {
	taken chan struct{} // has capacity 1; whoever sends to it has the turn
	users int           // the guesses that wait for the turn or have it
}

func newGuesses() guesses {
	return guesses{
		persons:   newLimiter[personKey](guardEntries),
		sources:   newLimiter[string](guardEntries),
		lastWrong: mustLRU[string, time.Time](guardEntries),
		known:     mustLRU[string, map[string]time.Time](guardEntries),
		credits:   mustLRU[credit, time.Time](guardEntries),
		turns:     make(map[string]*turn),
	}
}

func perPerson(l guard.GuessLimits, kind guard.GuessKind) budget {
	return budget{l.Of(kind), l.Refill}
}
func perSource(l guard.GuessLimits) budget { return budget{l.WrongPerSource, l.Refill} }

// isKnown reports whether Duo has allowed a login of this person from this source lately.
func (g *guesses) isKnown(person, source string, now time.Time) bool {
	sources, _ := g.known.Get(person)
	return now.Before(sources[source])
}

// budgetOf returns the budget that a guess is counted in.
func budgetOf(g guard.Guess, known bool) personKey {
	k := personKey{g.Kind, g.Person, ""}
	if known {
		k.Source = g.Source
	}
	return k
}

// Admit implements policy.Guard.
func (g *localGuard) Admit(ctx context.Context, guess guard.Guess) (guard.Admission, error) {
	a := guard.Admission{Guess: guess}
	var queued *turn
	for {
		wait := g.try(&a, &queued)
		if a.Admitted || wait == nil {
			return a, nil
		}
		if !wait.over(ctx, &a) || ctx.Err() != nil {
			g.giveUp(&a, queued)
			return a, nil
		}
	}
}

// giveUp ends the wait of a guess whose reply is due. It sets in a when one more guess may be admitted.
func (g *localGuard) giveUp(a *guard.Admission, queued *turn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.leaveTurn(*a, queued)
	a.Turn = false
	now := time.Now()
	if a.Until = now.Add(a.Limits.Refill); a.Limit == guard.LimitPerSource {
		a.Until = g.sources.next(a.Source, perSource(a.Limits), now)
	}
}

// wait holds what a guess waits for: the first of the channels that are not nil, or the end of pause.
type wait struct {
	changed <-chan struct{} // another guess of the person has been checked
	turn    chan<- struct{} // the source's turn
	pause   time.Duration   // since the last wrong guess at the source
}

// over waits. It returns false if ctx ends first.
func (w *wait) over(ctx context.Context, a *guard.Admission) bool {
	if w.pause > 0 {
		timer := time.NewTimer(w.pause)
		defer timer.Stop()
		select {
		case <-timer.C:
			return true
		case <-ctx.Done():
			return false
		}
	}
	select {
	case <-w.changed:
	case w.turn <- struct{}{}:
		a.Turn = true
	case <-ctx.Done():
		return false
	}
	return true
}

// try admits a guess, or returns what the guess must wait for. It returns nil if the person's budget is spent, or if too
// many guesses wait for the source's turn. queued is the turn that the guess waits for or has.
func (g *localGuard) try(a *guard.Admission, queued **turn) *wait {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	a.Known = g.isKnown(a.Person, a.Source, now)
	key, perPerson, perSource := budgetOf(a.Guess, a.Known), perPerson(a.Limits, a.Kind), perSource(a.Limits)
	if a.Person != "" && g.persons.spent(key, perPerson, now) {
		a.Limit, a.Until = limitOf(a.Kind), g.persons.next(key, perPerson, now)
		g.leaveTurn(*a, *queued)
		a.Turn = false
		return nil
	}
	if !a.Known && g.sources.spent(a.Source, perSource, now) {
		a.Limit = guard.LimitPerSource
		if *queued == nil {
			if t := g.turns[a.Source]; t != nil && t.users >= maxQueue {
				a.Until = g.sources.next(a.Source, perSource, now)
				return nil
			}
			*queued = g.joinTurn(a.Source)
		}
		if !a.Turn {
			return &wait{turn: (*queued).taken}
		}
		last, _ := g.lastWrong.Get(a.Source)
		if pause := min(turnPause, last.Add(turnPause).Sub(now)); pause > 0 {
			return &wait{pause: pause}
		}
	} else {
		g.leaveTurn(*a, *queued)
		a.Turn, *queued = false, nil
	}
	if a.Person != "" {
		admitted, changed := g.persons.admit(key, perPerson, now)
		if !admitted {
			a.Limit = limitOf(a.Kind)
			return &wait{changed: changed}
		}
	}
	a.Admitted, a.Limit, a.Until = true, "", time.Time{}
	return nil
}

func limitOf(kind guard.GuessKind) string {
	if kind == guard.GuessPasscode {
		return guard.LimitPasscodes
	}
	return guard.LimitPasswords
}

// joinTurn returns the turn of a source with one more user. The caller holds mu.
func (g *guesses) joinTurn(source string) *turn {
	t := g.turns[source]
	if t == nil {
		t = &turn{taken: make(chan struct{}, 1)}
		g.turns[source] = t
	}
	t.users++
	return t
}

// leaveTurn ends the use of a turn by a guess. The caller holds mu.
func (g *guesses) leaveTurn(a guard.Admission, t *turn) {
	if t == nil {
		return
	}
	if a.Turn {
		<-t.taken
	}
	if t.users--; t.users == 0 {
		delete(g.turns, a.Source)
	}
}

// Settle implements policy.Guard.
func (g *localGuard) Settle(_ context.Context, a guard.Admission, result guard.GuessResult) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if !a.Admitted {
		a.Known = g.isKnown(a.Person, a.Source, now)
	}
	key := budgetOf(a.Guess, a.Known)
	if a.Admitted && a.Person != "" {
		g.persons.checked(key)
		if result == guard.GuessWrong || result == guard.GuessAskedBack {
			g.persons.spend(key, perPerson(a.Limits, a.Kind), now)
		}
	}
	switch result {
	case guard.GuessRight:
		g.persons.clear(key, now)
		g.creditSource(a.Guess, now)
	case guard.GuessWrong:
		g.sources.spend(a.Source, perSource(a.Limits), now)
		g.lastWrong.Add(a.Source, now)
	}
	if a.Turn {
		g.leaveTurn(a, g.turns[a.Source])
	}
	g.changes.Add(1)
	return nil
}

// creditSource gives a source one wrong guess back, at most once a day for each person. Where many people log in, many
// mistype.
func (g *guesses) creditSource(guess guard.Guess, now time.Time) {
	c := credit{guess.Person, guess.Source}
	if given, ok := g.credits.Get(c); guess.Person == "" || ok && now.Sub(given) < creditEvery {
		return
	}
	if g.sources.credit(guess.Source, perSource(guess.Limits), now) {
		g.credits.Add(c, now)
	}
}

// Know implements policy.Guard.
func (g *localGuard) Know(_ context.Context, guess guard.Guess) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	guess.Kind = guard.GuessPasscode
	g.persons.clear(budgetOf(guess, g.isKnown(guess.Person, guess.Source, now)), now)
	g.creditSource(guess, now)
	g.know(guess.Person, guess.Source, now.Add(knownFor), now)
	g.changes.Add(1)
	return nil
}

// know records a source as known. If a person has too many sources, the one that has been known longest goes first. The
// caller holds mu.
func (g *guesses) know(person, source string, until, now time.Time) {
	sources, ok := g.known.Get(person)
	if !ok {
		sources = make(map[string]time.Time, 1)
		g.known.Add(person, sources)
	}
	sources[source] = until
	for s, until := range sources {
		if !now.Before(until) {
			delete(sources, s)
		}
	}
	for len(sources) > maxKnown {
		oldest := source
		for s, until := range sources {
			if until.Before(sources[oldest]) {
				oldest = s
			}
		}
		delete(sources, oldest)
	}
}

// List implements policy.Guard.
func (g *localGuard) List(_ context.Context, limits guard.GuessLimits) (list []guard.Count, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	for _, key := range g.persons.wrong.Keys() {
		b := perPerson(limits, key.Kind)
		if n := g.persons.count(key, b, now); n > 0 {
			list = append(list, guard.Count{
				Limit: limitOf(key.Kind), Person: key.Person, Source: key.Source, Count: n, HeldUntil: heldUntil(g.persons.next(key, b, now), now),
			})
		}
	}
	for _, source := range g.sources.wrong.Keys() {
		if n := g.sources.count(source, perSource(limits), now); n > 0 {
			list = append(list, guard.Count{
				Limit: guard.LimitPerSource, Source: source, Count: n, HeldUntil: heldUntil(g.sources.next(source, perSource(limits), now), now),
			})
		}
	}
	return append(list, g.listPushes(now)...), nil
}

func heldUntil(next, now time.Time) time.Time {
	if !next.After(now) {
		return time.Time{}
	}
	return next
}

// Clear implements policy.Guard.
func (g *localGuard) Clear(_ context.Context, what policy.GuardClear) (n int, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if what.Person != "" {
		for _, key := range g.persons.wrong.Keys() {
			if key.Person == what.Person && g.persons.clear(key, now) {
				n++
			}
		}
	}
	if what.Source != "" && g.sources.clear(what.Source, now) {
		g.lastWrong.Remove(what.Source)
		n++
	}
	n += g.clearPushes(what, now)
	g.changes.Add(1)
	return n, nil
}
