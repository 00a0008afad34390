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
	Clients  []string
	Services []string
	Networks []netip.Prefix // of the user's address; a login without one never fits

	Need     Need           // zero: Required
	Mode     Mode           // zero: the client's
	Factors  []Factor       // nil: the client's
	Remember *time.Duration // nil: the user's or the client's
	Failmode Failmode       // zero: the client's
}

func (r *Rule) fits(user string, a *Attempt) bool {
	return fitsList(r.Clients, a.Client.Name) &&
		fitsList(r.Services, a.Client.Service) &&
		r.fitsNetwork(a.UserIP) &&
		fitsList(r.Users, user)
}

func fitsList(list []string, word string) bool {
	return len(list) == 0 || slices.Contains(list, word)
}

func (r *Rule) fitsNetwork(ip netip.Addr) bool {
	if len(r.Networks) == 0 {
		return true
	}
	return slices.ContainsFunc(r.Networks, func(p netip.Prefix) bool { return p.Contains(ip) })
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
