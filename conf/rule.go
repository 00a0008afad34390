package conf

import (
	"net/netip"
	"time"

	"duoradiusd/policy"
)

// Rule decides for the logins that fit all of its lists; a list that is empty fits every login.
type Rule struct {
	Name     string // for logs; may be empty
	Users    []string
	Groups   []string // of the user, which the first factor tells
	Clients  []string
	Services []string
	Networks []netip.Prefix // of the user's address
	Hours    []policy.Hours // any of them
	Need     policy.Need
	Mode     policy.Mode     // "" = the client's
	Factors  []policy.Factor // nil = the client's
	Remember *time.Duration  // nil = the user's or the client's
	Failmode policy.Failmode // "" = the client's
}

func readRule(t *table) Rule {
	r := Rule{
		Name:     t.word("name", ""),
		Users:    t.words("users"),
		Groups:   t.words("groups"),
		Clients:  t.words("clients"),
		Services: t.words("services"),
		Networks: t.prefixes("networks"),
		Hours:    t.hours("hours"),
		Need:     oneOf(t, "second_factor", policy.NeedRequired, policy.NeedRequired, policy.NeedExempt, policy.NeedDeny),
		Mode:     oneOf(t, "mode", "", allModes...),
		Factors:  t.factors("factors", nil),
		Remember: t.optional("remember", 0, maxRemember),
		Failmode: t.failmode("failmode", ""),
	}
	t.modeFits(r.Mode, r.Factors)
	return r
}

func (t *table) hours(key string) []policy.Hours {
	var out []policy.Hours
	for i, s := range t.strings(key, nil) {
		if !t.isString(key, i) {
			continue
		}
		h, err := policy.ParseHours(s)
		if err != nil {
			t.bad(nth(key, i), "%s: %s", quote(s), err)
		}
		out = append(out, h)
	}
	return out
}
