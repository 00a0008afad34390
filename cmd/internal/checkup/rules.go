package checkup

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"duoradiusd/conf"
	"duoradiusd/policy"
	"duoradiusd/policy/hours"
)

// rules looks for settings that are allowed but are often a mistake.
func (r *run) rules() (list []question) {
	add := func(subject string, f Finding) {
		list = append(list, one(subject, func(context.Context) Finding { return f }))
	}
	for i, rule := range r.config.Rules {
		subject := fmt.Sprintf("[[rule]] %d", i+1)
		if rule.Name != "" {
			subject = fmt.Sprintf("[[rule]] %q", rule.Name)
		}
		if rule.Need == policy.NeedExempt && everybody(rule) && slices.ContainsFunc(r.config.Rules[:i], byGroup) {
			add(subject, warning("duoradiusd check --user NAME lists a user's groups; where they can't be read, let this rule name whom it exempts",
				"exempts everybody whom no rule above fits, and a rule above goes by groups: where the groups of a user can't be read, the user is exempt"))
		}
		for _, group := range rule.Groups {
			if why := neverAnswered(group); why != "" {
				add(subject, warning("write the group's name, or its whole DN", "the group %q never fits: %s", group, why))
			}
		}
		if gap, found := r.gap(i); found {
			add(subject, warning("let a rule allow in the hours, and a rule below it deny without hours", "denies in its hours and another rule allows in its hours, but neither applies on %s", gap))
		}
	}
	for _, c := range r.config.Clients {
		subject := fmt.Sprintf("client %q", c.Name)
		if !c.LimitProxyState {
			add(subject, warning("update the client so that it sends a Message-Authenticator, then remove limit_proxy_state",
				"limit_proxy_state = false: replies to this client can be forged (CVE-2024-3596)"))
		}
		for _, p := range c.Address {
			if wide(p) {
				add(subject, warning("name the client's own addresses", "its address %s is a wide network: each machine there that knows the secret is this client", p))
			}
		}
		if c.Remember > 0 && c.MessageAuthenticator == conf.Accept {
			add(subject, warning("have the client send a Message-Authenticator; duoradiusd clients shows whether it does",
				"remember works only for requests with a valid Message-Authenticator: a request without one is neither remembered nor accepted by an earlier approval"))
		}
	}
	return list
}

// everybody reports whether a rule restricts nothing.
func everybody(r policy.Rule) bool {
	return len(r.Users)+len(r.Groups)+len(r.Clients)+len(r.Services)+len(r.Networks)+len(r.Hours) == 0
}

func byGroup(r policy.Rule) bool { return len(r.Groups) > 0 }

// neverAnswered says why no directory can return this name of a group; "" if a directory can. A directory returns a group's
// whole DN and the value of its first RDN.
func neverAnswered(group string) string {
	_, _, isRDN := strings.Cut(group, "=")
	switch {
	case isRDN && !strings.Contains(group, ","):
		return "it is the first part of a DN, neither the whole DN nor the bare name"
	case !isRDN && strings.Contains(group, `\`):
		return "a directory answers with the name alone, without domain and without escapes"
	}
	return ""
}

// wide reports whether a prefix has more addresses than one appliance.
func wide(p netip.Prefix) bool {
	return p.Bits() > 0 && (p.Addr().Is4() && p.Bits() < 24 || p.Addr().Is6() && p.Bits() < 64)
}

// gap finds a time of the week that a rule with hours leaves open. The i-th rule denies in its hours. Its complement is a rule
// with hours for the same persons that does not deny. At the time that gap returns, neither rule holds. If there is no
// complement, the hours are meant as they are.
func (r *run) gap(i int) (string, bool) {
	deny := r.config.Rules[i]
	if deny.Need != policy.NeedDeny || len(deny.Hours) == 0 {
		return "", false
	}
	for _, allow := range r.config.Rules {
		if allow.Need == policy.NeedDeny || len(allow.Hours) == 0 || !sameWho(allow, deny) {
			continue
		}
		// The week from Monday to Sunday has no change of the clock.
		for at := time.Date(2026, 1, 5, 0, 0, 0, 0, time.Local); at.Day() < 12; at = at.Add(15 * time.Minute) {
			if !contain(deny.Hours, at) && !contain(allow.Hours, at) {
				return at.Format("Monday 15:04"), true
			}
		}
	}
	return "", false
}

func contain(list []hours.Hours, at time.Time) bool {
	return slices.ContainsFunc(list, func(h hours.Hours) bool { return h.Contain(at) })
}

func sameWho(a, b policy.Rule) bool {
	return slices.Equal(a.Users, b.Users) && slices.Equal(a.Groups, b.Groups) && slices.Equal(a.Clients, b.Clients) &&
		slices.Equal(a.Services, b.Services) && slices.Equal(a.Networks, b.Networks)
}
