package policy_test

import (
	"strings"
	"testing"

	. "duoradiusd/policy"
	"duoradiusd/policy/factor"
)

// TestOneName: the first factor, the rules and Duo get the same name.
func TestOneName(t *testing.T) {
	for _, typed := range []string{"alice", "ALICE", `example\Alice`, "asmith", "ASmith@example.com", "ann-sophie"} {
		t.Run(typed, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.settings.Users = []User{{Name: `EXAMPLE\Alice`, Aliases: []string{"ASmith", "Ann-Sophie"}}}
				w.settings.Rules = []Rule{{Users: []string{"alice"}, Factors: []factor.Factor{factor.Phone}}}
				w.load()
				w.answers(allows(time3))
				v := w.login("pw", as(typed))
				w.wants(v, "accept approved phone T1")
				if v.User != "alice" {
					t.Errorf("the Verdict names %q", v.User)
				}
				w.told("alice:pw")
				if got := w.duo.preauths[0].User; got != (Identity{Username: "alice"}) {
					t.Errorf("Duo was asked about %+v", got)
				}
				if got := w.duo.auths[0]; got.Name != "alice" || got.User != (Identity{Username: "alice"}) {
					t.Errorf("Duo was asked about %+v", got)
				}
			})
		})
	}
}

func TestBadNames(t *testing.T) {
	for _, typed := range []string{"", "al\x00ice", "alice ", "al\xffice", strings.Repeat("a", 254), `EXAMPLE\`} {
		inWorld(t, func(w *world) {
			v := w.login("pw", as(typed))
			w.wants(v, "reject bad-name: Wrong user name or password.")
			if v.User != "" {
				t.Errorf("%q: the Verdict names %q", typed, v.User)
			}
			w.told("")
			w.asked("")
		})
	}
}

func TestIdentity(t *testing.T) {
	for _, tt := range []struct {
		name string
		user *User
		says Account
		want Identity
	}{
		{"unlisted", nil, Account{}, Identity{Username: "alice"}},
		{"from the directory", nil, Account{DuoUsername: "asmith"}, Identity{Username: "asmith"}},
		{"listed", &User{}, Account{}, Identity{Username: "alice"}},
		{"listed, from the directory", &User{Services: []string{"vpn"}}, Account{DuoUsername: "asmith"}, Identity{Username: "asmith"}},
		{"duo_user_id", &User{Duo: Identity{UserID: "DU1"}}, Account{DuoUsername: "asmith"}, Identity{UserID: "DU1"}},
		{"duo_username", &User{Duo: Identity{Username: "as"}}, Account{DuoUsername: "asmith"}, Identity{Username: "as"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				if tt.user != nil {
					tt.user.Name = "alice"
					w.settings.Users = []User{*tt.user}
				}
				w.ldap.accounts = map[string]Account{"alice": tt.says}
				w.load()
				w.answers(allows(time3))
				w.wants(w.login("pw"), "accept approved push T1")
				if p, a := w.duo.preauths[0].User, w.duo.auths[0].User; p != tt.want || a != tt.want {
					t.Errorf("preauth of %+v, auth of %+v, want %+v", p, a, tt.want)
				}
			})
		})
	}
}

func TestProbes(t *testing.T) {
	for _, typed := range []string{"test01", "TEST01", `EXAMPLE\test01`, "probe@example.com", "meraki_8021x_test"} {
		inWorld(t, func(w *world) {
			w.client.ProbeUsers = []string{"Test01", "probe", "Meraki_8021X_test"}
			w.settings.Rules = []Rule{{Need: NeedExempt}}
			w.load()
			v := w.login("pw", as(typed))
			w.wants(v, "reject probe")
			if !v.Immediate {
				t.Errorf("%s: the reject is delayed", typed)
			}
			w.told("")
			w.asked("")
		})
	}
	inWorld(t, func(w *world) {
		w.client.ProbeUsers = []string{"test01"}
		w.settings.Rules = []Rule{{Need: NeedExempt}}
		w.load()
		w.wants(w.login("pw"), "accept exempt")
		if v := w.login("no"); v.Immediate {
			t.Error("the reject of a user is not delayed")
		}
	})
}
