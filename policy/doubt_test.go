package policy_test

import (
	"net/netip"
	"testing"

	. "duoradiusd/policy"
	"duoradiusd/policy/factor"
)

// TestUnprovenNameGetsNobodysAttributes: under unproven = "ask" Duo's allow lets the login in, with none of the attributes
// that the configuration gives to a person or a group. The same login with a proven name gets them all.
func TestUnprovenNameGetsNobodysAttributes(t *testing.T) {
	given := func(value string) []ReplyAttribute {
		return []ReplyAttribute{{Attribute: Attribute{AttributeID: AttributeID{Type: 25}, Value: value}}}
	}
	made := func(r ReplyAttribute) []ReplyAttribute {
		r.AttributeID = AttributeID{Type: 25}
		r.Encode = func(text string) (string, error) { return text, nil }
		return []ReplyAttribute{r}
	}
	for _, unproven := range []bool{true, false} {
		inRelay(t, func(w *world, u *upstream) {
			u.scripts = func(FirstRequest) said {
				return yes(Account{EAP: success, Unproven: unproven, Groups: []string{"admins"}, Directory: map[string][]string{"vlan": {"dir"}}})
			}
			w.settings.Unproven = UnprovenAsk
			w.settings.Users = []User{{Name: "alice", Aliases: []string{"ali"}, Attributes: given("user")}}
			w.settings.Replies = []Reply{
				{Users: []string{"alice"}, Attributes: given("users")},
				{Groups: []string{"admins"}, Attributes: given("groups")},
				{Groups: []string{"admins"}, Attributes: made(ReplyAttribute{Source: ValueFromGroup})},
				{Attributes: made(ReplyAttribute{Source: ValueFromDirectory, Directory: "vlan"})},
				{Clients: []string{"vpn"}, Attributes: given("client")},
			}
			w.load()
			w.duo.scripts = func(AuthRequest) reply { return allows(0) }
			want := "25=user 25=users 25=groups 25=admins 25=dir 25=client"
			if unproven {
				want = "25=client"
			}
			for _, name := range []string{"alice", "ali", "ALICE"} {
				v := w.login("", by(MethodEAP), as(name))
				w.wantReason(v.Reason, ReasonApproved)
				if got := attributes(v); got != want {
					t.Errorf("%s, unproven %v: attributes %q, want %q", name, unproven, got, want)
				}
			}
		})
	}
}

// TestSpellingOfAnAlias: a rule that denies a user, or demands a passcode, applies to all spellings of all names of that
// user.
func TestSpellingOfAnAlias(t *testing.T) {
	for _, rule := range []Rule{{Need: NeedDeny}, {Factors: []factor.Factor{factor.Passcode}}} {
		inRelay(t, func(w *world, u *upstream) {
			u.scripts = func(FirstRequest) said { return yes(Account{}) }
			w.settings.Names.StripDomain = nil
			w.settings.Users = []User{{Name: "bob", Aliases: []string{"bobby"}}}
			rule.Name, rule.Users = "bob", []string{"bob"}
			w.rules(rule)
			w.duo.scripts = func(AuthRequest) reply { return allows(0) }
			w.wants(w.login("pw", as("carol")), "accept approved push T1")
			for _, name := range []string{"bob", "bobby", "Bob@corp", "bobby@corp", `CORP\Bobby`, "böbby"} {
				w.notAccepted(w.login("pw", as(name)))
			}
		})
	}
}

// TestUnsignedMayNotLoosen: an unsigned packet may have a false address. It gets the stricter of the results with and
// without that address, and no approval that was earned before.
func TestUnsignedMayNotLoosen(t *testing.T) {
	office := []netip.Prefix{netip.PrefixFrom(home, 24)}
	for name, rules := range map[string][]Rule{
		"exempt":             {{Networks: office, Need: NeedExempt}},
		"exempt elsewhere":   {{Networks: []netip.Prefix{netip.PrefixFrom(cafe, 24)}, Need: NeedDeny}, {Networks: office, Need: NeedExempt}},
		"weaker factor":      {{Networks: office, Factors: []factor.Factor{factor.Push}}, {Factors: []factor.Factor{factor.Passcode}}},
		"weaker mode":        {{Networks: office, Mode: ModeAuto}, {Mode: ModePasscode}},
		"exempt before deny": {{Networks: office, Need: NeedExempt}, {Need: NeedDeny}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.rules(rules...)
				w.duo.scripts = func(AuthRequest) reply { return denied }
				w.duo.preErr = nil
				v := w.login("pw", unsigned)
				w.notAccepted(v)
			})
		})
	}
}
