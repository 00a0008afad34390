package policy

import (
	"slices"

	"duoradiusd/policy/canonical"
)

// membership holds the groups of a login's user, folded.
type membership struct {
	counted     []string // groups that count for every rule and reply
	restricting []string // those, and the nested groups that count only where that can restrict the login
}

func membershipOf(a Account) membership {
	m := membership{counted: canonical.Groups(a.Groups)}
	m.restricting = m.counted
	if len(a.NestedGroups) > 0 {
		m.restricting = append(slices.Clone(m.counted), canonical.Groups(a.NestedGroups)...)
	}
	return m
}

// of returns the groups that count for a rule with this Need.
func (m membership) of(need Need) []string {
	if need == NeedExempt {
		return m.counted
	}
	return m.restricting
}

// groupsAsked holds the groups that one rule or reply names, as the configuration spells them.
type groupsAsked struct {
	groups, clients, services []string
	byReply                   bool
}

// asksForGroups lists the rules and replies that name groups.
func asksForGroups(s *Settings) (list []groupsAsked) {
	for _, r := range s.Rules {
		if len(r.Groups) > 0 {
			list = append(list, groupsAsked{groups: r.Groups, clients: r.Clients, services: r.Services})
		}
	}
	for _, r := range s.Replies {
		if len(r.Groups) > 0 {
			list = append(list, groupsAsked{groups: r.Groups, clients: r.Clients, byReply: true})
		}
	}
	return list
}

// groupsToAsk returns the groups whose members the first factor is asked for: those that the rules and replies for this client
// name. If a rule without groups has decided already, only the groups of replies matter.
func (l *login) groupsToAsk() (names []string) {
	for _, asked := range l.groupsAsked {
		if l.ruledByName && !asked.byReply || !fitsList(asked.clients, l.Client.Name) || !fitsList(asked.services, l.Client.Service) {
			continue
		}
		for _, name := range asked.groups {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}
