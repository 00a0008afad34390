package conf

import (
	"fmt"
	"slices"
	"strings"

	"duoradiusd/internal/display"
	"duoradiusd/policy"
)

// combinations checks settings of different tables that are each right but do not go together.
func (l *loader) combinations(c *Config, at sites) {
	types := map[string]string{}
	for _, f := range c.FirstFactors {
		types[f.Name] = string(f.Type)
	}
	for i, client := range c.Clients {
		if c.Username.Unlisted == policy.UnlistedFirstFactor && slices.ContainsFunc(client.FirstFactors, func(name string) bool { return types[name] == string(TypeRADIUS) }) && len(c.Users) > 0 {
			l.warn(at.clients[i].under("first_factor"), `a server that may accept spellings of a name that duoradiusd does not know, such as CORP\alice, beside unlisted = "first-factor": a [[user]] who types one is not asked for a second factor; want unlisted = "ask" or "reject"`)
		}
		l.safeInTime(at.clients[i], client.Failmode, client, c)
		if client.FirstFactor == NoFirstFactor && c.Username.Unlisted == policy.UnlistedFirstFactor {
			l.warn(at.clients[i].under("first_factor"), `"none", beside unlisted = "first-factor": every unknown name is accepted and nothing is checked; want a [[first_factor]], or unlisted = "ask"`)
		}
	}
	for i, rule := range c.Rules {
		for _, client := range c.Clients {
			if canFit(rule, client) {
				l.ruleAt(at.rules[i], rule, client)
				l.claimedAddress(at.rules[i], rule, client, c.Rules[i+1:])
				if l.safeInTime(at.rules[i], rule.Failmode, client, c) {
					break
				}
			}
		}
	}
}

// safeInTime refuses failmode = "safe" of a client or a rule where the client's Duo application has an api_timeout that is too
// short for it. It reports whether it refused.
func (l *loader) safeInTime(at place, mode policy.Failmode, client Client, c *Config) bool {
	if mode != policy.FailmodeSafe {
		return false
	}
	var d *Duo
	if client.Application == "" {
		d = c.Duo
	}
	for i := range c.Applications {
		if c.Applications[i].Name == client.Application {
			d = &c.Applications[i].Duo
		}
	}
	if d == nil || d.APITimeout >= shortestSafe || d.Failmode == policy.FailmodeSafe { // the last is refused in its own line
		return false
	}
	l.bad(at.under("failmode"), `"safe", but api_timeout = %s of client %s's Duo application: if Duo is only slow, users would be accepted without it; want at least 2s there`,
		quote(display.Duration(d.APITimeout)), quote(client.Name))
	return true
}

// claimedAddress warns of a rule by networks that keeps its logins from a later rule that denies: the sender of an unsigned
// request can claim any address.
func (l *loader) claimedAddress(at place, r policy.Rule, c Client, later []policy.Rule) {
	denies := func(r policy.Rule) bool { return r.Need == policy.NeedDeny && canFit(r, c) }
	if len(r.Networks) > 0 && (r.Need == policy.NeedRequired || r.Need == "") && c.MessageAuthenticator != Require && slices.ContainsFunc(later, denies) {
		l.warn(at.under("networks"), `at client %s, an unsigned request can claim one of these addresses to avoid a later rule that denies; want message_authenticator = "require" there`, quote(c.Name))
	}
}

// canFit reports whether the rule can fit a login at the client.
func canFit(r policy.Rule, c Client) bool {
	return (len(r.Clients) == 0 || slices.Contains(r.Clients, c.Name)) &&
		(len(r.Services) == 0 || slices.Contains(r.Services, c.Service))
}

// ruleAt checks the mode and the factors of the logins at the client that the rule fits.
func (l *loader) ruleAt(at place, r policy.Rule, c Client) {
	switch r.Need {
	case policy.NeedExempt:
		if len(r.Networks) > 0 && c.MessageAuthenticator == Accept {
			l.warn(at.under("networks"), `at client %s, which has message_authenticator = "accept", anybody can claim one of these addresses, so the rule fits only requests with a valid Message-Authenticator; want "require" there`, quote(c.Name))
		}
		return
	case policy.NeedDeny:
		return
	}
	switch {
	case !c.IgnorePassword:
	case r.Mode == policy.ModeChallenge || r.Mode == policy.ModePasscode:
		l.warn(at.under("mode"), `%q, but client %s has ignore_password = true: what its users type first is ignored; want "auto"`, string(r.Mode), quote(c.Name))
	case r.Factors != nil && !ringable(r.Factors):
		l.warn(at.under("factors"), `neither push nor phone, but client %s has ignore_password = true: nobody gets in there; want one of them`, quote(c.Name))
	}
	if r.Mode == policy.ModeChallenge && !profileOf(c.Profile).Challenge {
		l.warn(at.under("mode"), `"challenge", but %s of client %s shows no challenge; want "auto"`, c.Profile, quote(c.Name))
	}
	if (r.Mode == "") == (r.Factors == nil) {
		return // both are the rule's, or both are the client's: their reader has checked them
	}
	key, mode, factors := "mode", r.Mode, c.Factors
	found := fmt.Sprintf("%q, but client %s has the factors %s", r.Mode, quote(c.Name), quote(join(c.Factors)))
	if r.Factors != nil {
		key, mode, factors = "factors", c.Mode, r.Factors
		found = fmt.Sprintf("%s, but client %s has mode = %q", quote(join(r.Factors)), quote(c.Name), c.Mode)
	}
	switch {
	case lockedOut(mode, factors):
		l.bad(at.under(key), `%s: nobody gets in; want "passcode" among the factors`, found)
	case onlyTyped(mode, factors):
		l.warn(at.under(key), `%s: only typed codes work; want mode = "passcode"`, found)
	}
}

// firstFactors reports what rules and replies need and the first factors can't tell, such as groups.
func (l *loader) firstFactors(c *Config, at sites) {
	byName := map[string]FirstFactor{}
	for _, f := range c.FirstFactors {
		byName[f.Name] = f
	}
	for i, client := range c.Clients {
		passes := slices.ContainsFunc(client.FirstFactors, func(name string) bool {
			f, known := byName[name]
			return f.Type == TypeRADIUS || !known && name != NoFirstFactor
		})
		if !passes && (client.PassAll || len(client.Pass) > 0 && !slices.Equal(client.Pass, defaultPass)) {
			l.warn(at.clients[i].under("pass_attributes"), `given, but first_factor = %s has nothing to pass; want it for those of type "radius" only`, quote(client.FirstFactor))
		}
	}
	for i, rule := range c.Rules {
		if without := l.groupsAt(at.rules[i], rule, c.Clients, byName); without != "" {
			l.warn(at.rules[i].under("groups"), "never fits at client %s; want clients or services without it", without)
		}
	}
	for i, r := range c.Replies {
		l.groupsAt(at.replies[i], policy.Rule{Groups: r.Groups, Clients: r.Clients}, c.Clients, byName)
	}
}

// domains checks the domains where a client lists several first factors: each name must go to one of them at most.
func (l *loader) domains(c *Config, at sites) {
	byName, owner, several := map[string]FirstFactor{}, map[string]string{}, false
	for i, f := range c.FirstFactors {
		byName[f.Name] = f
		for j, domain := range f.Domains {
			key := strings.ToLower(domain)
			if other, taken := owner[key]; taken && other != f.Name {
				l.bad(at.firstFactors[i].under(nth("domains", j)), "%s, which first factor %s has already; want it in one of them", quote(domain), quote(other))
			}
			owner[key] = f.Name
		}
	}
	for i, client := range c.Clients {
		several = several || len(client.FirstFactors) > 1
		without := ""
		for j, name := range client.FirstFactors {
			f, known := byName[name]
			if !known || len(f.Domains) > 0 || len(client.FirstFactors) == 1 {
				continue
			}
			if without != "" && without != name {
				l.bad(at.clients[i].under(nth("first_factor", j)), "%s has no domains, and neither has %s; want domains for one of them, so that the domain of a name says which one is asked", quote(name), quote(without))
			}
			without = name
		}
	}
	for i, f := range c.FirstFactors {
		if len(f.Domains) > 0 && !several {
			l.warn(at.firstFactors[i].under("domains"), "given, but no client lists several first factors; want it left out")
		}
	}
}

// groupsAt refuses the groups of a rule if no login that the rule could fit has groups. If only some logins have groups, it
// returns the first client whose logins have none, and why.
func (l *loader) groupsAt(at place, r policy.Rule, clients []Client, byName map[string]FirstFactor) (without string) {
	if len(r.Groups) == 0 {
		return ""
	}
	some := false
	for _, client := range clients {
		if !canFit(r, client) {
			continue
		}
		tells := slices.ContainsFunc(client.FirstFactors, func(name string) bool {
			f, known := byName[name]
			return name != NoFirstFactor && (!known || f.HasGroups())
		})
		switch {
		case tells:
			some = true
		case without == "":
			without = fmt.Sprintf("%s, whose first_factor = %s tells no groups", quote(client.Name), quote(client.FirstFactor))
		}
	}
	if without != "" && !some {
		l.bad(at.under("groups"), `never fits: client %s; want one of type "ldap" with a group_attribute`, without)
		return ""
	}
	return without
}
