package conf

import (
	"strings"
	"unicode"

	"duoradiusd/policy"
	"duoradiusd/policy/hours"
	"duoradiusd/policy/messages"
)

// readRule reads a [[rule]]. A rule decides for the logins that fit all of its lists.
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
		Message:  t.message("message"),
		Mode:     oneOf(t, "mode", "", allModes...),
		Factors:  t.factors("factors", nil),
		Remember: t.optional("remember", 0, maxRemember),
		Failmode: t.failmode("failmode", ""),
	}
	if r.Message != "" && r.Need != policy.NeedDeny {
		t.bad("message", `beside second_factor = %q; want "deny" there, because only users who are denied read it`, string(r.Need))
	}
	t.modeFits(r.Mode, r.Factors)
	return r
}

// message reads a text for users; "" = none.
func (t *table) message(key string) string {
	s := t.string(key, "")
	switch {
	case strings.ContainsFunc(s, func(r rune) bool { return r != '\n' && unicode.IsControl(r) }):
		t.bad(key, "a control character; want printable text, with \\n for a new line")
	case s != "" && strings.TrimSpace(s) == "":
		t.bad(key, `blank; want a text, or "" for the sentence of a wrong password`)
	case len(s) > messages.OneReplyMessage:
		t.warn(key, "%d octets long; want %d at most, as one Reply-Message holds, because some clients show the first one only", len(s), messages.OneReplyMessage)
	}
	return s
}

func (t *table) hours(key string) []hours.Hours {
	var out []hours.Hours
	for i, s := range t.strings(key, nil) {
		if !t.isString(key, i) {
			continue
		}
		h, err := hours.Parse(s)
		if err != nil {
			t.bad(nth(key, i), "%s: %s", quote(s), err)
		}
		out = append(out, h)
	}
	return out
}
