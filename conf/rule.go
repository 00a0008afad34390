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
	Clients  []string
	Services []string
	Networks []netip.Prefix // of the user's address
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
		Clients:  t.words("clients"),
		Services: t.words("services"),
		Networks: t.prefixes("networks"),
		Need:     oneOf(t, "second_factor", policy.Required, policy.Required, policy.ExemptBy, policy.DeniedHere),
		Mode:     oneOf(t, "mode", "", allModes...),
		Factors:  t.factors("factors", nil),
		Remember: t.optional("remember", 0, maxRemember),
		Failmode: t.failmode("failmode", ""),
	}
	t.modeFits(r.Mode, r.Factors)
	return r
}
