package conf

import "duoradiusd/policy"

// readRule reads a [[rule]], which decides for the logins that fit all of its lists.
func readRule(t *table) policy.Rule {
	r := policy.Rule{
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
