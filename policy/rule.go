package policy

import (
	"net/netip"
	"slices"
	"time"
)

// Rule says how the logins that it fits are treated. Every list that is given must fit; the first rule that fits decides.
type Rule struct {
	Name     string
	Users    []string // canonical names
	Groups   []string // as the directory has them: a whole DN, or the value of its first RDN
	Clients  []string
	Services []string
	Networks []netip.Prefix // of the user's address; a login without one never fits
	Hours    []Hours        // when the login begins

	Need     Need           // zero: NeedRequired
	Mode     Mode           // zero: the client's
	Factors  []Factor       // nil: the client's
	Remember *time.Duration // nil: the user's or the client's
	Failmode Failmode       // zero: the client's
}

// fits reports whether the rule fits a login by user; one that names groups never fits while groups are not known.
func (r *Rule) fits(user string, groups membership, a *Attempt, now time.Time) bool {
	return r.misfit(user, groups, a, now) == ""
}

// misfit returns the key of the first list that does not fit, "" where all do.
func (r *Rule) misfit(user string, groups membership, a *Attempt, now time.Time) string {
	switch {
	case !fitsList(r.Clients, a.Client.Name):
		return "clients"
	case !fitsList(r.Services, a.Client.Service):
		return "services"
	case !fitsList(r.Users, user):
		return "users"
	case !fitsGroups(r.Groups, groups.of(r.Need)):
		return "groups"
	case !r.fitsNetwork(a):
		return "networks"
	case !r.fitsHours(now):
		return "hours"
	}
	return ""
}

func fitsList(list []string, word string) bool {
	return len(list) == 0 || slices.Contains(list, word)
}

func fitsGroups(list, groups []string) bool {
	return len(list) == 0 || slices.ContainsFunc(list, func(g string) bool { return slices.Contains(groups, g) })
}

func (r *Rule) fitsHours(now time.Time) bool {
	return len(r.Hours) == 0 || slices.ContainsFunc(r.Hours, func(h Hours) bool { return h.Contain(now) })
}

// fitsNetwork believes an address of a packet that anybody could have sent only where it makes the login harder.
func (r *Rule) fitsNetwork(a *Attempt) bool {
	if len(r.Networks) == 0 {
		return true
	}
	if r.Need == NeedExempt && !a.Authentic {
		return false
	}
	return slices.ContainsFunc(r.Networks, func(p netip.Prefix) bool { return p.Contains(a.UserIP) })
}

// User is one [[user]]: who it is at Duo and where a second factor is asked.
type User struct {
	Name      string
	Aliases   []string
	Duo       Identity       // zero: the canonical name
	Services  []string       // where a second factor is required; nil: everywhere
	Elsewhere ElsewhereMode  // at any other service; zero: ElsewhereFirstFactor
	Remember  *time.Duration // nil: the rule's or the client's
}
