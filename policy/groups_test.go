package policy_test

import (
	"reflect"
	"testing"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/factor"
)

const (
	wrongWord = "reject bad-password: Wrong user name or password."
	deniedNow = "reject denied-by-rule: Wrong user name or password."
	admins    = "CN=VPN Admins,OU=Groups,DC=example,DC=com"
)

// inGroups runs f in a world whose directory says that alice is in groups, and bob in none.
func inGroups(t *testing.T, groups []string, f func(w *world)) {
	t.Helper()
	inWorld(t, func(w *world) {
		w.ldap.accounts = map[string]Account{"alice": {Groups: groups}}
		f(w)
	})
}

// rules puts rules into effect.
func (w *world) rules(rules ...Rule) {
	w.settings.Rules = rules
	w.load()
}

// TestGroupNames: a group is named by its whole DN or by the value of its first RDN, whatever the case and the spaces
// around the separators, and by nothing else.
func TestGroupNames(t *testing.T) {
	of := []string{admins, "VPN Admins"} // as a directory returns them: the DN and the value of its first RDN
	for _, tt := range []struct {
		named string // as the rule names them
		fits  bool
	}{
		{admins, true},
		{"VPN Admins", true},
		{"vpn admins", true},
		{"  VPN ADMINS ", true},
		{"cn=vpn admins,ou=groups,dc=example,dc=com", true},
		{"cn = VPN Admins , ou = Groups , dc = example , dc = com", true},
		{"cn=  VPN Admins  ,   ou=Groups,dc=example,dc=com  ", true},

		{"ou=Groups,dc=example,dc=com", false},
		{"dc=com", false},
		{"CN=VPN Admins", false},
		{"CN=VPN Admins,OU=Groups,DC=example", false},
		{"N=VPN Admins,OU=Groups,DC=example,DC=com", false},
		{"X" + admins, false},
		{admins + ",", false},
		{admins + ",dc=org", false},
		{"Admins", false},
		{"VPN", false},
		{"VPN Admin", false},
		{"VPNAdmins", false},
		{"VPN Admins*", false},
		{"Groups", false},
		{"*", false},
		{"", false},
	} {
		t.Run(tt.named, func(t *testing.T) {
			inGroups(t, of, func(w *world) {
				w.rules(Rule{Groups: []string{"other", tt.named}, Need: NeedDeny}, Rule{Need: NeedExempt})
				want := "accept exempt"
				if tt.fits {
					want = deniedNow
				}
				w.wants(w.login("pw"), want)
				w.wants(w.login("pw", as("bob")), "accept exempt") // a user who is in no group
			})
		})
	}
}

// TestGroupsAsGiven: the directory's spelling is folded in the same way as the rule's.
func TestGroupsAsGiven(t *testing.T) {
	for _, given := range []string{admins, "cn=vpn admins, ou=groups, dc=example, dc=com", "CN = VPN ADMINS,OU= GROUPS ,DC=EXAMPLE,DC=COM"} {
		inGroups(t, []string{"else", given}, func(w *world) {
			w.rules(Rule{Groups: []string{admins}, Need: NeedDeny}, Rule{Need: NeedExempt})
			w.wants(w.login("pw"), deniedNow)
		})
	}
}

// TestGroupRuleOrder: the first rule that fits decides, whether or not it needs the first factor.
func TestGroupRuleOrder(t *testing.T) {
	byGroup := func(n Need) Rule { return Rule{Groups: []string{"staff"}, Need: n} }
	byNobody := func(n Need) Rule { return Rule{Groups: []string{"nobody"}, Need: n} }
	byUser := func(n Need) Rule { return Rule{Users: []string{"alice"}, Need: n} }
	all := func(n Need) Rule { return Rule{Need: n} }
	for _, tt := range []struct {
		name  string
		rules []Rule
		want  string
		told  string // what the first factor was asked
	}{
		{"before a catch-all", []Rule{byGroup(NeedExempt), all(NeedDeny)}, "accept exempt", "alice:pw"},
		{"behind a catch-all", []Rule{all(NeedExempt), byGroup(NeedDeny)}, "accept exempt", "alice:pw"},
		{"behind a deny", []Rule{all(NeedDeny), byGroup(NeedExempt)}, deniedNow, ""},
		{"behind a user's deny", []Rule{byUser(NeedDeny), byGroup(NeedExempt)}, deniedNow, ""},
		{"before a user's deny", []Rule{byGroup(NeedExempt), byUser(NeedDeny)}, "accept exempt", "alice:pw"},
		{"that does not fit, before a deny", []Rule{byNobody(NeedExempt), all(NeedDeny)}, deniedNow, "alice:pw"},
		{"that does not fit, before a user's", []Rule{byNobody(NeedDeny), byUser(NeedExempt)}, "accept exempt", "alice:pw"},
		{"two, the first fits", []Rule{byGroup(NeedExempt), byGroup(NeedDeny)}, "accept exempt", "alice:pw"},
		{"two, the second fits", []Rule{byNobody(NeedExempt), byGroup(NeedDeny)}, deniedNow, "alice:pw"},
		{"between two others", []Rule{{Users: []string{"bob"}, Need: NeedDeny}, byGroup(NeedExempt), all(NeedDeny)}, "accept exempt", "alice:pw"},
		{"group and user", []Rule{{Groups: []string{"staff"}, Users: []string{"alice"}, Need: NeedExempt}, all(NeedDeny)}, "accept exempt", "alice:pw"},
		{"group and another user", []Rule{{Groups: []string{"staff"}, Users: []string{"bob"}, Need: NeedDeny}, all(NeedExempt)}, "accept exempt", "alice:pw"},
		{"group and another client", []Rule{{Groups: []string{"staff"}, Clients: []string{"lab"}, Need: NeedDeny}, all(NeedExempt)}, "accept exempt", "alice:pw"},
		{"none fits", []Rule{byNobody(NeedDeny)}, "accept approved push T1", "alice:pw"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inGroups(t, []string{"staff"}, func(w *world) {
				w.rules(tt.rules...)
				if tt.want == "accept approved push T1" {
					w.answers(allows(time3))
				}
				w.wants(w.login("pw"), tt.want)
				w.told(tt.told)
				if preauths, _ := w.duo.counts(); preauths != 0 && len(w.duo.auths) == 0 {
					t.Error("Duo was asked")
				}
			})
		})
	}
}

// TestRuleByGroupSays: mode, factors, remember and failmode of a rule by group apply like those of any rule.
func TestRuleByGroupSays(t *testing.T) {
	inGroups(t, []string{"contractors"}, func(w *world) {
		w.client.Remember = time.Hour
		w.rules(Rule{Groups: []string{"contractors"}, Mode: ModePasscode, Remember: ptr(0 * time.Second), Failmode: FailmodeSafe})
		w.wants(w.login("pw"), "reject passcode-needed: "+typeIt)
		w.answers(allows(0), allows(0))
		w.wants(w.login("pw,123456"), "accept approved passcode")
		if n := w.process.Counts().Approvals; n != 0 {
			t.Errorf("%d approvals", n)
		}
		w.wants(w.login("pw", as("bob")), "accept approved push T1")
		w.duo.preErr = errDown
		w.wants(w.login("pw,123456"), "accept failed-open")
		w.wants(w.login("pw", as("bob"), from(cafe)), "reject duo-unavailable"+later)
	})
}

// silent returns what the user or the client can notice of a Verdict.
func silent(v Verdict) Verdict {
	v.Reason = ""
	return withoutTrace(v)
}

// withoutTrace leaves out what the client never sees, and what differs in every login.
func withoutTrace(v Verdict) Verdict {
	v.Trace = Trace{}
	return v
}

// TestDenyByGroupSaysNothing: a user whom a rule by group denies can't tell a right password from a wrong one: not by the
// Verdict, its delay or its attributes, nor by the time that it took.
func TestDenyByGroupSaysNothing(t *testing.T) {
	for name, rules := range map[string][]Rule{
		"deny by group":         {{Groups: []string{"staff"}, Need: NeedDeny}},
		"deny behind a group's": {{Groups: []string{"nobody"}, Need: NeedExempt}, {Users: []string{"alice"}, Need: NeedDeny}},
	} {
		t.Run(name, func(t *testing.T) {
			inGroups(t, []string{"staff"}, func(w *world) {
				w.ldap.delay = 2 * time.Second
				w.ldap.accounts["alice"] = Account{Groups: []string{"staff"}, DuoUsername: "al", EAP: "x",
					Attributes: []Attribute{{AttributeID{Type: 25}, "upstream"}}, Proof: []Attribute{{AttributeID{Type: 26}, "proof"}}}
				w.client.PassAll = true
				w.settings.Replies = []Reply{{Attributes: given(attr(class, "own"))}}
				w.rules(rules...)
				start := time.Now()
				right := w.login("pw")
				middle := time.Now()
				wrong := w.login("no")
				end := time.Now()
				w.wants(right, deniedNow)
				w.wants(wrong, wrongWord)
				if !reflect.DeepEqual(silent(right), silent(wrong)) {
					t.Errorf("\nright %+v\nwrong %+v", right, wrong)
				}
				if middle.Sub(start) != end.Sub(middle) {
					t.Errorf("a right password takes %v, a wrong one %v", middle.Sub(start), end.Sub(middle))
				}
				for _, field := range []string{"pw,push", "pw,123456", "pw,sms"} {
					if v := w.login(field); !reflect.DeepEqual(silent(v), silent(wrong)) {
						t.Errorf("%s: %+v", field, v)
					}
				}
				if preauths, _ := w.duo.counts(); preauths != 0 {
					t.Error("Duo was asked")
				}
			})
		})
	}
}

// TestDenyByGroupIsThrottledAlike: the number of tries does not tell them apart either. A right password that is denied
// does not count, and a wrong one does. So ten tries that include the right password must look the same.
func TestDenyByGroupIsThrottledAlike(t *testing.T) {
	inGroups(t, []string{"staff"}, func(w *world) {
		w.rules(Rule{Groups: []string{"staff"}, Need: NeedDeny})
		for range 2 * wrongPerUser {
			w.wants(w.login("pw"), deniedNow)
		}
		for range wrongPerUser {
			w.wants(w.login("no"), wrongWord)
		}
		throttled := withoutTrace(w.login("no"))
		if v := withoutTrace(w.login("pw")); !reflect.DeepEqual(v, throttled) || v.Reason != ReasonThrottled {
			t.Errorf("right %+v\nwrong %+v", v, throttled)
		}
	})
}

// TestDenyBeforeFirstFactor: a rule that needs no groups is applied before the password is checked.
func TestDenyBeforeFirstFactor(t *testing.T) {
	for name, rules := range map[string][]Rule{
		"of all":            {{Need: NeedDeny}},
		"of a user":         {{Users: []string{"alice"}, Need: NeedDeny}},
		"before a group's":  {{Users: []string{"alice"}, Need: NeedDeny}, {Groups: []string{"staff"}, Need: NeedExempt}},
		"behind a stranger": {{Users: []string{"bob"}, Need: NeedExempt}, {Services: []string{"vpn"}, Need: NeedDeny}},
	} {
		t.Run(name, func(t *testing.T) {
			inGroups(t, []string{"staff"}, func(w *world) {
				w.rules(rules...)
				w.wants(w.login("pw"), deniedNow)
				w.wants(w.login("no"), deniedNow)
				w.told("")
			})
		})
	}
}

// TestGroupsWithoutFirstFactor: nobody knows the groups of a user whom the client has checked, so no rule by group fits.
func TestGroupsWithoutFirstFactor(t *testing.T) {
	for _, need := range []Need{NeedExempt, NeedDeny} {
		inWorld(t, func(w *world) {
			w.client.FirstFactor = nil
			w.rules(Rule{Groups: []string{"staff", ""}, Need: need})
			w.answers(allows(time3))
			w.wants(w.login(""), "accept approved push T1")
			w.rules(Rule{Groups: []string{"staff", ""}, Need: need}, Rule{Need: NeedExempt})
			w.wants(w.login(""), "accept exempt")
			w.rules(Rule{Groups: []string{"staff", ""}, Need: need}, Rule{Need: NeedDeny})
			w.wants(w.login(""), deniedNow)
		})
	}
}

// TestGroupsInChallenge: what the first factor said about the user is not asked again, and is kept until the login ends.
func TestGroupsInChallenge(t *testing.T) {
	inChallenge(t, func(w *world) {
		w.ldap.accounts = map[string]Account{"alice": {Groups: []string{"Staff"}}}
		w.settings.Replies = []Reply{{Groups: []string{"staff"}, Attributes: given(attr(class, "staff"))}}
		w.rules(Rule{Groups: []string{"staff"}, Factors: []factor.Factor{factor.Push, factor.Passcode}}, Rule{Need: NeedDeny})
		const menu = "1. Duo Push to XXX-XXX-4508\nPasscode or option (1):"
		v := w.login("pw")
		w.wants(v, "challenge challenged: Duo login for alice\n"+menu)
		w.answers(wrong, allows(time3))
		s := w.answer(v.State, "111111", "challenge denied passcode: Incorrect passcode. Please try again.\n"+menu)
		s = w.answer(s, "phone", "challenge factor-not-allowed: This factor is not allowed here.\n"+menu)
		last := w.login("1", state(s))
		w.wants(last, "accept approved push T1")
		if len(last.Attributes) != 1 || last.Attributes[0].Value != "staff" {
			t.Errorf("attributes %v", last.Attributes)
		}
		w.told("alice:pw")
	})
}

// TestGroupsReloadInChallenge: the configuration at the time of the answer counts.
func TestGroupsReloadInChallenge(t *testing.T) {
	for name, tt := range map[string]struct {
		rules []Rule
		want  string
	}{
		"denied by group": {[]Rule{{Groups: []string{"staff"}, Need: NeedDeny}}, deniedNow},
		"denied":          {[]Rule{{Need: NeedDeny}}, deniedNow},
		"denied behind":   {[]Rule{{Groups: []string{"nobody"}}, {Need: NeedDeny}}, deniedNow},
		"factors":         {[]Rule{{Groups: []string{"staff"}, Factors: []factor.Factor{factor.Push}}}, "challenge factor-not-allowed: This factor is not allowed here.\n" + menuText},
		"another group":   {[]Rule{{Groups: []string{"nobody"}, Need: NeedDeny}}, "accept approved passcode"},
	} {
		t.Run(name, func(t *testing.T) {
			inChallenge(t, func(w *world) {
				w.ldap.accounts = map[string]Account{"alice": {Groups: []string{"staff"}}}
				s := w.offered()
				w.rules(tt.rules...)
				if tt.want == "accept approved passcode" {
					w.answers(allows(time3))
				}
				v := w.login("123456", state(s))
				if v.Outcome == OutcomeChallenge { // without the passcodes that may not be typed now
					v.Message += "\n"
					tt.want = "challenge factor-not-allowed: This factor is not allowed here.\n" +
						menuText[:len(menuText)-len("Passcode or option (1-4):")] + "Option (1-4):\n"
				}
				w.wants(v, tt.want)
			})
		})
	}
}

// TestGroupsOfJoined: a retry that joins the push of the first login gets the attributes of its own groups. A retry of an
// answer, for which no first factor is asked, gets those of the first login.
func TestGroupsOfJoined(t *testing.T) {
	replies := []Reply{{Groups: []string{"staff"}, Attributes: given(attr(class, "staff"))},
		{Groups: []string{"night"}, Attributes: given(attr(class, "night"))}}
	class := func(t *testing.T, p *pending, want string) {
		t.Helper()
		v := <-p.verdict
		p.world.wants(v, "accept approved push T1")
		if got := attributes(v); got != want {
			t.Errorf("attributes %q, want %q", got, want)
		}
	}
	inGroups(t, []string{"staff"}, func(w *world) {
		w.settings.Replies = replies
		w.load()
		w.answers(allows(10 * time.Second))
		first := w.start("pw")
		w.ldap.accounts["alice"] = Account{Groups: []string{"staff", "night"}} // the groups have changed since
		second := w.start("pw")
		class(t, first, "25=staff")
		class(t, second, "25=staff 25=night")
	})
	inChallenge(t, func(w *world) {
		w.ldap.accounts = map[string]Account{"alice": {Groups: []string{"staff"}}}
		w.settings.Replies = replies
		w.rules(Rule{Groups: []string{"staff"}}, Rule{Need: NeedDeny})
		s := w.offered()
		w.answers(allows(10 * time.Second))
		first, second := w.start("1", state(s)), w.start("1", state(s))
		w.rules(Rule{Groups: []string{"staff"}, Need: NeedDeny})
		w.wants(w.login("1", state(s)), deniedNow) // the configuration has changed since
		class(t, first, "25=staff")
		class(t, second, "25=staff")
		w.asked("push:D1")
	})
}
