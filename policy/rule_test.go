package policy_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/factor"
)

func ptr[T any](v T) *T { return &v }

// TestNeed: who needs a second factor at which service, by the lists of services, what happens elsewhere, and the rules
// before both.
func TestNeed(t *testing.T) {
	const (
		asked  = "accept approved push T1"
		exempt = "accept exempt"
		no     = ": Wrong user name or password."
	)
	listed := func(u User) []User { u.Name = "alice"; return []User{u} }
	rule := func(n Need) []Rule { return []Rule{{Need: n}} }
	for _, tt := range []struct {
		name     string
		users    []User
		unlisted UnlistedMode
		rules    []Rule
		want     string
	}{
		{"unlisted, by default", nil, "", nil, asked},
		{"unlisted: ask", nil, UnlistedAsk, nil, asked},
		{"unlisted: first-factor", nil, UnlistedFirstFactor, nil, exempt},
		{"unlisted: reject", nil, UnlistedReject, nil, "reject unlisted" + no},
		{"unlisted: a word that is none", nil, "firstfactor", nil, asked},

		{"listed everywhere", listed(User{}), UnlistedReject, nil, asked},
		{"listed here", listed(User{Services: []string{"mail", "vpn"}}), UnlistedFirstFactor, nil, asked},
		{"listed here, else rejected", listed(User{Services: []string{"vpn"}, Elsewhere: ElsewhereReject}), "", nil, asked},
		{"listed elsewhere, by default", listed(User{Services: []string{"mail"}}), "", nil, exempt},
		{"listed elsewhere: first-factor", listed(User{Services: []string{"mail"}, Elsewhere: ElsewhereFirstFactor}), "", nil, exempt},
		{"listed elsewhere: reject", listed(User{Services: []string{"mail"}, Elsewhere: ElsewhereReject}), "", nil, "reject elsewhere" + no},
		{"listed nowhere", listed(User{Services: []string{}}), "", nil, exempt},
		{"listed nowhere: reject", listed(User{Services: []string{}, Elsewhere: ElsewhereReject}), "", nil, "reject elsewhere" + no},
		{"another is listed", []User{{Name: "bob"}}, UnlistedReject, nil, "reject unlisted" + no},

		{"rule: required", nil, "", rule(NeedRequired), asked},
		{"rule: nothing said", nil, "", rule(""), asked},
		{"rule: exempt", nil, "", rule(NeedExempt), exempt},
		{"rule: deny", nil, "", rule(NeedDeny), "reject denied-by-rule" + no},
		{"rule: a word that is none", nil, "", rule("exempted"), asked},
		{"rule above unlisted: first-factor", nil, UnlistedFirstFactor, rule(NeedRequired), asked},
		{"unlisted: reject above rule", nil, UnlistedReject, rule(NeedExempt), "reject unlisted" + no},
		{"rule above services", listed(User{Services: []string{"mail"}}), "", rule(NeedRequired), asked},
		{"rule exempts from services", listed(User{Services: []string{"vpn"}}), "", rule(NeedExempt), exempt},
		{"elsewhere: reject above rule", listed(User{Services: []string{"mail"}, Elsewhere: ElsewhereReject}), "", rule(NeedExempt), "reject elsewhere" + no},
		{"deny above all", listed(User{Services: []string{"vpn"}}), UnlistedFirstFactor, rule(NeedDeny), "reject denied-by-rule" + no},
		{"the first that fits", nil, "", []Rule{{Users: []string{"bob"}, Need: NeedDeny}, {Need: NeedExempt}, {Need: NeedDeny}}, exempt},
	} {
		for _, first := range []string{"checked", "by the client"} {
			t.Run(tt.name+", first factor "+first, func(t *testing.T) {
				inWorld(t, func(w *world) {
					w.settings.Users, w.settings.Unlisted, w.settings.Rules = tt.users, tt.unlisted, tt.rules
					w.load()
					password := "pw"
					if first != "checked" {
						w.client.FirstFactor, password = nil, ""
					}
					if tt.want == asked {
						w.answers(allows(time3))
					}
					w.wants(w.login(password), tt.want)
					if preauths, _ := w.duo.counts(); tt.want != asked && preauths != 0 {
						t.Error("Duo was asked")
					}
				})
			})
		}
	}
}

// TestDenySaysNothing: the user reads the same for a deny, for a login elsewhere and for an unlisted name as for a wrong
// password.
func TestDenySaysNothing(t *testing.T) {
	for _, s := range []Settings{
		{Rules: []Rule{{Need: NeedDeny}}},
		{Unlisted: UnlistedReject},
		{Users: []User{{Name: "alice", Services: []string{}, Elsewhere: ElsewhereReject}}},
	} {
		inWorld(t, func(w *world) {
			w.settings = s
			w.load()
			right, wrong, nobody := w.login("pw"), w.login("no"), w.login("no", as("nobody"))
			if right.Message != wrong.Message || wrong.Message != nobody.Message || right.Outcome != OutcomeReject {
				t.Errorf("right %s\nwrong %s\nnobody %s", line(right), line(wrong), line(nobody))
			}
			w.asked("")
		})
	}
}

func TestRuleFits(t *testing.T) {
	nets := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24")}
	for _, tt := range []struct {
		name string
		rule Rule
		fits bool
	}{
		{"all", Rule{}, true},
		{"user", Rule{Users: []string{"bob", "alice"}}, true},
		{"by an alias", Rule{Users: []string{"asmith"}}, true},
		{"by another spelling", Rule{Users: []string{`EXAMPLE\ALICE`}}, true},
		{"another user", Rule{Users: []string{"bob"}}, false},
		{"a name that nobody can have", Rule{Users: []string{"\x00"}}, false},
		{"client", Rule{Clients: []string{"lab", "vpn"}}, true},
		{"another client", Rule{Clients: []string{"lab"}}, false},
		{"service", Rule{Services: []string{"vpn"}}, true},
		{"another service", Rule{Services: []string{"mail"}}, false},
		{"network", Rule{Networks: nets}, true},
		{"another network", Rule{Networks: nets[:1]}, false},
		{"all lists", Rule{Users: []string{"alice"}, Clients: []string{"vpn"}, Services: []string{"vpn"}, Networks: nets}, true},
		{"all lists but one", Rule{Users: []string{"alice"}, Clients: []string{"vpn"}, Services: []string{"mail"}, Networks: nets}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				tt.rule.Need = NeedDeny
				w.settings.Users = []User{{Name: "alice", Aliases: []string{"asmith"}}}
				w.settings.Rules = []Rule{tt.rule, {Need: NeedExempt}}
				w.load()
				want := ReasonExempt
				if tt.fits {
					want = ReasonDeniedByRule
				}
				if v := w.login("pw"); v.Reason != want {
					t.Errorf("got %s, want %s", line(v), want)
				}
			})
		})
	}
}

// TestNetworksWithoutAddress: a login whose address is not known fits no network, not even one that holds all addresses.
func TestNetworksWithoutAddress(t *testing.T) {
	for _, tt := range []struct {
		ip   netip.Addr
		want Reason
	}{
		{home, ReasonExempt}, {netip.MustParseAddr("2001:db8::1"), ReasonExempt}, {nowIP, ReasonDeniedByRule},
	} {
		inWorld(t, func(w *world) {
			all := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
			w.settings.Rules = []Rule{{Networks: all, Need: NeedExempt}, {Need: NeedDeny}}
			w.load()
			if v := w.login("pw", from(tt.ip)); v.Reason != tt.want {
				t.Errorf("from %v: %s", tt.ip, line(v))
			}
		})
	}
}

// TestNetworksUnsigned: anybody may have sent an unsigned packet, with an address in it that would exempt the login.
func TestNetworksUnsigned(t *testing.T) {
	nets := []netip.Prefix{netip.PrefixFrom(home, 24)}
	for _, tt := range []struct {
		rule             Rule
		signed, unsigned Reason
	}{
		{Rule{Networks: nets, Need: NeedExempt}, ReasonExempt, ReasonApproved},
		{Rule{Networks: nets, Need: NeedExempt, Users: []string{"alice"}}, ReasonExempt, ReasonApproved},
		{Rule{Need: NeedExempt}, ReasonExempt, ReasonExempt}, // the rule does not need an address
		{Rule{Networks: nets, Need: NeedDeny}, ReasonDeniedByRule, ReasonDeniedByRule},
		{Rule{Networks: nets, Need: NeedRequired}, ReasonApproved, ReasonApproved},
		{Rule{Networks: nets, Mode: ModePasscode}, ReasonNeedsPasscode, ReasonNeedsPasscode},
	} {
		for _, unlisted := range []UnlistedMode{UnlistedAsk, UnlistedFirstFactor} {
			inWorld(t, func(w *world) {
				w.settings.Unlisted = unlisted
				w.settings.Rules = []Rule{tt.rule, {Need: NeedRequired}}
				w.load()
				w.duo.scripts = func(AuthRequest) reply { return allows(0) }
				if v := w.login("pw"); v.Reason != tt.signed {
					t.Errorf("%+v: signed: %s", tt.rule, line(v))
				}
				if v := w.login("pw", unsigned); v.Reason != tt.unsigned {
					t.Errorf("%+v: unsigned: %s", tt.rule, line(v))
				}
			})
		}
	}
}

// TestRuleOverrides: the settings of a rule take the place of its client's.
func TestRuleOverrides(t *testing.T) {
	for _, tt := range []struct {
		name string
		rule Rule
		pass string
		err  error
		duo  []reply
		want string
	}{
		{"mode passcode", Rule{Mode: ModePasscode}, "pw", nil, nil, "reject passcode-needed: " + typeIt},
		{"mode passcode, given", Rule{Mode: ModePasscode}, "pw,123456", nil, []reply{allows(time3)}, "accept approved passcode"},
		{"mode challenge", Rule{Mode: ModeChallenge, Factors: []factor.Factor{factor.Passcode}}, "pw", nil, nil,
			"challenge challenged: Duo login for alice\nPasscode:"},
		{"factors", Rule{Factors: []factor.Factor{factor.Phone}}, "pw", nil, []reply{allows(time3)}, "accept approved phone T1"},
		{"a factor less", Rule{Factors: []factor.Factor{factor.Passcode}}, "pw,push", nil, nil,
			"reject factor-not-allowed: This factor is not allowed here."},
		{"no factors said", Rule{}, "pw,push", nil, []reply{allows(time3)}, "accept approved push T1"},
		{"failmode", Rule{Failmode: FailmodeSafe}, "pw", errDown, nil, "accept failed-open"},
		{"failmode not said", Rule{}, "pw", errDown, nil,
			"reject duo-unavailable: The login can't be checked now. Try again in a minute."},
		{"of a rule that does not fit", Rule{Users: []string{"bob"}, Mode: ModePasscode, Failmode: FailmodeSafe}, "pw", errDown, nil,
			"reject duo-unavailable: The login can't be checked now. Try again in a minute."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.settings.Rules = []Rule{tt.rule}
				w.load()
				w.duo.preErr, w.duo.script = tt.err, tt.duo
				w.wants(w.login(tt.pass), tt.want)
			})
		})
	}
}

// TestLifetimes: an approval counts for the shorter of the times of rule and user, or else for the client's time.
func TestLifetimes(t *testing.T) {
	none, short, long := ptr(0*time.Second), ptr(10*time.Minute), ptr(time.Hour)
	for _, tt := range []struct {
		client     time.Duration
		user, rule *time.Duration
		want       time.Duration
	}{
		{0, nil, nil, 0},
		{time.Minute, nil, nil, time.Minute},
		{time.Minute, long, nil, time.Hour},
		{time.Minute, nil, long, time.Hour},
		{time.Hour, short, nil, 10 * time.Minute},
		{time.Hour, short, long, 10 * time.Minute},
		{time.Minute, long, short, 10 * time.Minute},
		{time.Hour, none, nil, 0},
		{time.Hour, nil, none, 0},
		{time.Hour, none, long, 0},
		{time.Hour, long, none, 0},
	} {
		inWorld(t, func(w *world) {
			w.client.Remember = tt.client
			w.settings.Users = []User{{Name: "alice", Remember: tt.user}}
			w.settings.Rules = []Rule{{Remember: tt.rule}}
			w.load()
			w.answers(allows(0))
			w.login("pw")
			if tt.want > 0 {
				time.Sleep(tt.want - 1)
				if v := w.login("pw"); v.Reason != ReasonRemembered {
					t.Errorf("%+v: just before: %s", tt, line(v))
				}
				time.Sleep(time.Nanosecond)
			}
			w.answers(allows(0))
			if v := w.login("pw"); v.Reason != ReasonApproved {
				t.Errorf("%+v: just after: %s", tt, line(v))
			}
		})
	}
}

// TestRulesUnchanged: New does not change its arguments, because the daemon builds the next Policy from them.
func TestRulesUnchanged(t *testing.T) {
	m := newProcess(1)
	defer m.Close()
	s := Settings{Users: []User{{Name: "Alice", Aliases: []string{"ASmith"}}}, Rules: []Rule{{Users: []string{"ASmith"}}}}
	New(s, m.Runtime)
	if got := fmt.Sprintf("%s %s %s", s.Users[0].Name, s.Users[0].Aliases, s.Rules[0].Users); got != "Alice [ASmith] [ASmith]" {
		t.Errorf("New changed its settings: %s", got)
	}
}

// TestFirstUserCounts: of two users with one name, the first counts.
func TestFirstUserCounts(t *testing.T) {
	inWorld(t, func(w *world) {
		w.settings.Users = []User{
			{Name: "carol", Aliases: []string{"alice"}, Duo: Identity{UserID: "DU1"}},
			{Name: "alice", Duo: Identity{UserID: "DU2"}},
		}
		w.load()
		w.ldap.passwords["carol"] = "pw"
		w.answers(allows(time3))
		if v := w.login("pw"); v.User != "carol" || w.duo.auths[0].User.UserID != "DU1" {
			t.Errorf("%s is %q at Duo", v.User, w.duo.auths[0].User)
		}
	})
}
