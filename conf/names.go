package conf

import (
	"duoradiusd/policy"
	"duoradiusd/policy/canonical"
)

// roster holds every name and alias of the users in canonical form, which is the form of a login's name.
type roster struct {
	*loader
	names  canonical.Names
	owners map[string]owner
	at     sites
}

// owner says whose name it is by two numbers, which take less memory than a place: there may be 100 000 users.
type owner struct{ user, alias int32 } // alias -1: the user's name

// userNames reports names that no login can have, names that two users have, and names in rules that never log in.
func (l *loader) userNames(c *Config, at sites) {
	r := roster{l, canonical.Names{Case: c.Username.Case, StripDomain: c.Username.StripDomain}, make(map[string]owner, len(c.Users)), at}
	for i := range c.Users {
		r.claim(c.Users[i].Name, owner{int32(i), -1})
		for j, alias := range c.Users[i].Aliases {
			r.claim(alias, owner{int32(i), int32(j)})
		}
	}
	for i := range c.Rules {
		for j, name := range c.Rules[i].Users {
			here := at.rules[i].under(nth("users", j))
			canonical, ok := r.canonical(name, func() place { return here })
			if _, listed := r.owners[canonical]; ok && !listed && l.whole && c.Username.Unlisted == policy.UnlistedReject {
				l.bad(here, `%s, whom unlisted = "reject" keeps out; want the name of a [[user]]`, quote(name))
			}
		}
	}
}

func (r *roster) claim(name string, o owner) {
	canonical, ok := r.canonical(name, func() place { return r.where(o) })
	if !ok {
		return
	}
	if first, taken := r.owners[canonical]; taken {
		r.twice(r.where(o), r.where(first), "%s a second time; want each name and alias once", quote(name))
		return
	}
	r.owners[canonical] = o
}

func (r *roster) where(o owner) place {
	if o.alias < 0 {
		return r.at.users[o.user].under("name")
	}
	return r.at.users[o.user].under(nth("aliases", int(o.alias)))
}

// canonical returns the canonical form of a name, and reports a name that no login can have. ok is false when the name has no
// canonical form.
func (r *roster) canonical(name string, at func() place) (string, bool) {
	own, ok := r.names.Canonical(name)
	if ok && len(r.names.StripDomain) == 0 {
		return own, true
	}
	unstripped, fits := canonical.Names{Case: r.names.Case}.Canonical(name)
	switch {
	case badWord(name) != "": // the reader of the key has reported it
	case !ok && !fits:
		r.bad(at(), "%s, which is too long for a login; want 253 octets at most", quote(name))
	case !ok:
		r.bad(at(), "%s, which is not a valid name after strip_domain; want a name", quote(name))
	case own != unstripped:
		r.bad(at(), "%s, whose domain strip_domain removes; want %s", quote(name), quote(own))
	}
	return own, ok
}
