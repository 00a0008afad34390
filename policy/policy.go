package policy

import (
	"cmp"
	"slices"
	"time"

	"duoradiusd/policy/canonical"
	"duoradiusd/policy/guard"
	"duoradiusd/policy/messages"
)

// Settings is what the configuration says about logins.
type Settings struct {
	Names    canonical.Names
	Unlisted UnlistedMode // zero: UnlistedAsk
	Unproven UnprovenMode // zero: UnprovenReject
	Users    []User
	Rules    []Rule         // the first that fits decides
	Replies  []Reply        // the attributes of all that fit go into the Access-Accept
	Messages messages.Texts // what users read; nil: the defaults

	BindTo []Binding     // what an approval holds for, beside the user
	Idle   time.Duration // an approval ends when unused this long; 0 = no such limit
	Uses   int           // an approval may be used this often; 0 = no such limit

	Guard   guard.PushLimits
	Guesses guard.GuessLimits
}

// Policy decides logins. It never changes: a new configuration is a new Policy over the same Runtime. It is safe for
// concurrent use.
type Policy struct {
	settings Settings
	users    map[string]listed  // by canonical name and alias
	persons  map[string][]*User // the same users, by folded name
	rules    ruleIndex

	rejectsElsewhere bool // a [[user]] rejects its user elsewhere
	runtime          *Runtime

	groupsAsked []groupsAsked
}

// listed is a User under its canonical name.
type listed struct {
	*User
	name string
}

// New returns the Policy of s. If two users have one name, the first user counts.
func New(s Settings, rt *Runtime) *Policy {
	p := &Policy{settings: s, runtime: rt, users: make(map[string]listed, len(s.Users)), persons: make(map[string][]*User)}
	for i := range s.Users {
		p.list(&s.Users[i])
	}
	p.settings.Rules = slices.Clone(s.Rules)
	for i := range p.settings.Rules {
		r := &p.settings.Rules[i]
		r.Users, r.Groups = p.canonicalNames(r.Users), canonical.Groups(r.Groups)
		r.persons = canonical.FoldAll(p.withAliases(r.Users))
	}
	p.settings.Replies = slices.Clone(s.Replies)
	for i := range p.settings.Replies {
		r := &p.settings.Replies[i]
		r.Users, r.Groups = p.canonicalNames(r.Users), canonical.Groups(r.Groups)
	}
	p.rules = indexRules(p.settings.Rules)
	p.groupsAsked = asksForGroups(&s)
	return p
}

func (p *Policy) list(u *User) {
	p.rejectsElsewhere = p.rejectsElsewhere || u.Elsewhere == ElsewhereReject
	own, _ := p.settings.Names.Canonical(u.Name)
	for _, name := range append([]string{u.Name}, u.Aliases...) {
		if name, ok := p.settings.Names.Canonical(name); ok && p.users[name].User == nil {
			p.users[name] = listed{u, cmp.Or(own, name)}
			if person := canonical.Fold(name); !slices.Contains(p.persons[person], u) {
				p.persons[person] = append(p.persons[person], u)
			}
		}
	}
}

// canonicalNames returns the names under which logins are known, also for aliases. It does not change a name that no login can
// have.
func (p *Policy) canonicalNames(names []string) []string {
	names = slices.Clone(names)
	for i, name := range names {
		if own, _, ok := p.whois(name); ok {
			names[i] = own
		}
	}
	return names
}

// withAliases returns canonical names and all other names of the users that are listed under them.
func (p *Policy) withAliases(names []string) []string {
	all := slices.Clone(names)
	for _, name := range names {
		if u := p.users[name].User; u != nil {
			all = append(all, u.Aliases...)
		}
	}
	return all
}

// whois returns the user's own name for a login as name, and the User that lists it, if there is one.
func (p *Policy) whois(name string) (own string, u *User, ok bool) {
	own, ok = p.settings.Names.Canonical(name)
	if l := p.users[own]; l.User != nil {
		return l.name, l.User, true
	}
	return own, nil, ok
}

// Canonical returns the one name by which a login as name is remembered, even if name is an alias. It reports false for a name
// that no login can have.
func (p *Policy) Canonical(name string) (string, bool) {
	own, _, ok := p.whois(name)
	return own, ok
}
