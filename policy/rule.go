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
		r.fitsNetwork(a) &&
		fitsList(r.Users, user)
}

func fitsList(list []string, word string) bool {
	return len(list) == 0 || slices.Contains(list, word)
}

// fitsNetwork believes an address of a packet that anybody could have sent only where it makes the login harder.
func (r *Rule) fitsNetwork(a *Attempt) bool {
	if len(r.Networks) == 0 {
		return true
	}
	if r.Need == ExemptBy && !a.Authentic {
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
