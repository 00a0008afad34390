package policy

import (
	"net/netip"
	"slices"
	"time"

	"duoradiusd/policy/factor"
	"duoradiusd/policy/hours"
)

// Rule says how the logins that it fits are treated. Every list that is given must fit; the first rule that fits decides.
type Rule struct {
	Name     string
	Users    []string // canonical names
	Groups   []string // as the directory has them: a whole DN, or the value of its first RDN
	Clients  []string
	Services []string
	Networks []netip.Prefix // of the user's address; a login without one never fits
	Hours    []hours.Hours  // when the login begins

	Need     Need            // zero: NeedRequired
	Message  string          // for the user, with NeedDeny; "": the text of a wrong password
	Mode     Mode            // zero: the client's
	Factors  []factor.Factor // nil: the client's
	Remember *time.Duration  // nil: the user's or the client's
	Failmode Failmode        // zero: the client's

	persons []string // Users, folded; set by New
}

// ruleFacts is what rules look at. If a fact is in doubt, a login has several ruleFacts, one for each way to read it.
type ruleFacts struct {
	user   string // canonical name
	person string // folded name, by which users are compared; "": they are compared by canonical name
	groups membership
	client *Client
	userIP netip.Addr // the user's own address; invalid when the client did not tell
	signed bool       // the user's address can be believed
	now    time.Time
}

// fits reports whether the rule fits. A rule that names groups never fits while the groups are not known.
func (r *Rule) fits(f *ruleFacts) bool { return r.misfit(f) == "" }

// misfit returns the key of the first list that does not fit; "" if all fit.
func (r *Rule) misfit(f *ruleFacts) string {
	switch {
	case !fitsList(r.Clients, f.client.Name):
		return "clients"
	case !fitsList(r.Services, f.client.Service):
		return "services"
	case f.person == "" && !fitsList(r.Users, f.user), f.person != "" && !fitsList(r.persons, f.person):
		return "users"
	case !fitsGroups(r.Groups, f.groups.of(r.Need)):
		return "groups"
	case !r.fitsNetwork(f):
		return "networks"
	case !r.fitsHours(f.now):
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
	return len(r.Hours) == 0 || slices.ContainsFunc(r.Hours, func(h hours.Hours) bool { return h.Contain(now) })
}

// fitsNetwork reports whether the user's address is in one of the networks. An address in an unsigned packet counts only for a
// rule that denies.
func (r *Rule) fitsNetwork(f *ruleFacts) bool {
	if len(r.Networks) == 0 {
		return true
	}
	if !f.signed && r.Need != NeedDeny {
		return false
	}
	return slices.ContainsFunc(r.Networks, func(p netip.Prefix) bool { return p.Contains(f.userIP) })
}

// User is one [[user]]: who the user is at Duo, and where a second factor is asked.
type User struct {
	Name      string
	Aliases   []string
	Duo       Identity       // zero: Duo knows the user by the canonical name
	Services  []string       // where a second factor is required; nil: everywhere
	Elsewhere ElsewhereMode  // at any other service; zero: ElsewhereFirstFactor
	Remember  *time.Duration // nil: the rule's or the client's

	Attributes []ReplyAttribute // of the Access-Accept
}
