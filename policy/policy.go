package policy

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Settings is what the configuration says about logins.
type Settings struct {
	Names    Names
	Unlisted UnlistedMode // zero: UnlistedAsk
	Users    []User
	Rules    []Rule  // the first that fits decides
	Replies  []Reply // of all that fit, the attributes go into the Access-Accept

	BindTo []Binding     // what an approval holds for, beside the user
	Idle   time.Duration // an approval ends when unused this long; 0 = no such limit
	Uses   int           // an approval may be used this often; 0 = no such limit

	Guard PushGuard
}

// Policy decides logins. It never changes: a new configuration is a new Policy over the same Memory. It is safe for
// concurrent use.
type Policy struct {
	settings Settings
	users    map[string]listed // by canonical name and alias
	rules    ruleIndex
	memory   *Memory
}

// listed is a User under its canonical name.
type listed struct {
	*User
	name string
}

// New returns the Policy of s. Of two users with one name the first counts.
func New(s Settings, m *Memory) *Policy {
	p := &Policy{settings: s, memory: m, users: make(map[string]listed, len(s.Users))}
	for i := range s.Users {
		p.list(&s.Users[i])
	}
	p.settings.Rules = slices.Clone(s.Rules)
	for i := range p.settings.Rules {
		r := &p.settings.Rules[i]
		r.Users, r.Groups = p.settle(r.Users), foldGroups(r.Groups)
	}
	p.settings.Replies = slices.Clone(s.Replies)
	for i := range p.settings.Replies {
		r := &p.settings.Replies[i]
		r.Groups = foldGroups(r.Groups)
	}
	p.rules = indexRules(p.settings.Rules)
	return p
}

func (p *Policy) list(u *User) {
	own, _ := p.settings.Names.Canonical(u.Name)
	for _, name := range append([]string{u.Name}, u.Aliases...) {
		if name, ok := p.settings.Names.Canonical(name); ok && p.users[name].User == nil {
			p.users[name] = listed{u, cmp.Or(own, name)}
		}
	}
}

// settle returns names as logins settle on them, aliases too. A name that no login can have stays as it is.
func (p *Policy) settle(names []string) []string {
	names = slices.Clone(names)
	for i, name := range names {
		if own, _, ok := p.whois(name); ok {
			names[i] = own
		}
	}
	return names
}

// whois returns the one name of who logs in as name, and the User that it is, if one is listed.
func (p *Policy) whois(name string) (canonical string, u *User, ok bool) {
	canonical, ok = p.settings.Names.Canonical(name)
	if l := p.users[canonical]; l.User != nil {
		return l.name, l.User, true
	}
	return canonical, nil, ok
}

// Canonical returns the one name by which who logs in as name is remembered, whatever alias that is. It reports false
// for a name that no login can have.
func (p *Policy) Canonical(name string) (string, bool) {
	canonical, _, ok := p.whois(name)
	return canonical, ok
}

// Settle settles one login and gives its Verdict to answer, once: before it returns, or later and from another goroutine
// where the login waits for its user. ctx ends when the client must have its answer; ErrAbandoned as its cause says that
// nobody waits for it any more. The answer comes in time whatever the factors do with ctx, as long as they heed it.
//
// Of the logins that wait for their users there may be twenty thousand at a time: none waits but their transaction's goroutine.
func (p *Policy) Settle(ctx context.Context, a Attempt, answer func(Verdict)) {
	l := &login{Policy: p, Attempt: a, since: a.begun()}
	if a.Client.FirstFactor != nil { // one that hangs holds up nobody else's users
		l.run(ctx, answer)
		return
	}
	p.memory.startsAt(a.Client.Application).pass(ctx, func() {
		defer func() {
			if p := recover(); p != nil {
				answer(l.panicked(p))
			}
		}()
		l.run(ctx, answer)
	})
}

// run settles l, and sees to its answer.
func (l *login) run(ctx context.Context, answer func(Verdict)) {
	l.settled(l.settle(ctx))
	if l.waits != nil {
		l.wait(ctx, answer)
		return
	}
	answer(l.facts)
}

// Decide is Settle for those who wait.
func (p *Policy) Decide(ctx context.Context, a Attempt) Verdict {
	answer := make(chan Verdict, 1)
	p.Settle(ctx, a, func(v Verdict) { answer <- v })
	return <-answer
}

// settle takes l to its Verdict, or to the transaction that it waits for.
func (l *login) settle(ctx context.Context) Verdict {
	if l.State != "" {
		defer l.memory.changes.Add(1)
		return l.resume(ctx)
	}
	if !l.settleName(l.User) {
		return l.reject(BadName, sayWrong)
	}
	if l.isProbe() {
		return l.probe()
	}
	if v, ok := l.mayTry(); !ok {
		return v
	}
	defer l.memory.changes.Add(1) // until here nothing is kept: health probes leave no trace
	password, asked := l.readField()
	if v, ok := l.first(ctx, firstRound{asked: asked}, password); !ok {
		return v
	}
	return l.known(ctx, asked)
}

// DecideAtOnce settles a login for which nobody is to be asked: behind a client that has checked the first factor, one that is
// remembered or exempt. It reports false for all others, which are Decide's, and has done nothing then.
func (p *Policy) DecideAtOnce(a Attempt) (Verdict, bool) {
	if a.Client.FirstFactor != nil || a.Method != Password || a.State != "" {
		return Verdict{}, false
	}
	l := login{Policy: p, Attempt: a, since: a.begun()}
	if !l.settleName(a.User) || l.isProbe() {
		return Verdict{}, false
	}
	l.settleRule()
	if why, _ := l.barred(); why != "" {
		return Verdict{}, false
	}
	if l.exempt() {
		return l.accept(Exempt), true
	}
	if _, asked := l.readField(); asked.bad || !l.remembered(asked, l.since) {
		return Verdict{}, false
	}
	p.memory.changes.Add(1)
	return l.accept(Remembered), true
}

// known goes on with a user whose first factor is right.
func (l *login) known(ctx context.Context, asked typed) Verdict {
	if v, ok := l.mayPass(); !ok {
		return v
	}
	if l.exempt() {
		return l.accept(Exempt)
	}
	if asked.bad {
		return l.reject(BadField, sayFactors)
	}
	if l.remembered(asked, time.Now()) {
		return l.accept(Remembered)
	}
	return l.second(ctx, asked)
}
