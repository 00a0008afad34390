package policy_test

import (
	"slices"
	"testing"

	. "duoradiusd/policy"
	"duoradiusd/policy/canonical"
)

// inDomains runs f with a client of two first factors: one takes the names of the domain corp, the other takes names
// without a domain.
func inDomains(t *testing.T, f func(w *world, corp, plain *directory)) {
	t.Helper()
	inWorld(t, func(w *world) {
		corp := &directory{t: t, passwords: map[string]string{"alice": "corp's"}}
		plain := &directory{t: t, passwords: map[string]string{"alice": "plain"}}
		domains := []string{`CORP\`, "@corp.example.com"}
		w.settings.Names = canonical.Names{StripDomain: domains, Domains: [][]string{domains}}
		w.client.FirstFactor = NoFactorForName{}
		w.client.FirstFactors = []DomainFactor{{FirstFactor: corp, Domains: domains}, {FirstFactor: plain}}
		w.load()
		f(w, corp, plain)
	})
}

// TestDomains: the domain of a name chooses the first factor, and no other first factor is asked.
func TestDomains(t *testing.T) {
	for _, tt := range []struct {
		user, password, want, name string
		corp, plain                []string // what was asked
	}{
		{`CORP\alice`, "corp's", "accept approved push T1", `corp\alice`, []string{"alice:corp's"}, nil},
		{"Alice@Corp.Example.com", "corp's", "accept approved push T1", `corp\alice`, []string{"alice:corp's"}, nil},
		{"alice", "plain", "accept approved push T1", "alice", nil, []string{"alice:plain"}},
		{`CORP\alice`, "plain", wrongWord, `corp\alice`, []string{"alice:plain"}, nil},
		{"alice", "corp's", wrongWord, "alice", nil, []string{"alice:corp's"}},
		{`OTHER\alice`, "plain", "reject bad-name: Wrong user name or password.", "", nil, nil},
		{"alice@other.example.com", "plain", "reject bad-name: Wrong user name or password.", "", nil, nil},
		{`CORP\CORP\alice`, "corp's", "reject bad-name: Wrong user name or password.", "", nil, nil},
		{`CORP\alice@other.example.com`, "corp's", "reject bad-name: Wrong user name or password.", "", nil, nil},
		{`CORP\`, "corp's", "reject bad-name: Wrong user name or password.", "", nil, nil},
	} {
		inDomains(t, func(w *world, corp, plain *directory) {
			if tt.want == "accept approved push T1" {
				w.answers(allows(time3))
			}
			v := w.login(tt.password, as(tt.user))
			w.wants(v, tt.want)
			if v.User != tt.name || !slices.Equal(corp.asked, tt.corp) || !slices.Equal(plain.asked, tt.plain) {
				t.Errorf("%s: is %q, asked %q and %q", tt.user, v.User, corp.asked, plain.asked)
			}
		})
	}
}

// TestDomainsAreTwoPersons: an approval, a rule or a [[user]] for a name of one domain does not count for the other.
func TestDomainsAreTwoPersons(t *testing.T) {
	inDomains(t, func(w *world, _, _ *directory) {
		w.client.Remember = ChallengeLife
		w.answers(allows(time3), allows(time3))
		w.wants(w.login("corp's", as(`CORP\alice`)), "accept approved push T1")
		w.wants(w.login("corp's", as("alice@corp.example.com")), "accept remembered")
		w.wants(w.login("plain"), "accept approved push T2")
	})
	inDomains(t, func(w *world, _, _ *directory) {
		w.settings.Rules = []Rule{{Users: []string{"alice@corp.example.com"}, Need: NeedExempt}}
		w.settings.Users = []User{{Name: `CORP\alice`, Duo: Identity{UserID: "DUCORP"}}, {Name: "al", Aliases: []string{`corp\al`}}}
		w.load()
		w.answers(allows(time3))
		w.wants(w.login("corp's", as(`CORP\alice`)), "accept exempt")
		w.wants(w.login("plain"), "accept approved push T1")
		if got := w.duo.preauths[0].User; got != (Identity{Username: "alice"}) {
			t.Errorf("Duo is asked for %+v", got)
		}
	})
	inDomains(t, func(w *world, corp, _ *directory) { // an alias of another domain is not used for its name
		w.settings.Users = []User{{Name: "alice", Aliases: []string{`CORP\asmith`}}}
		w.load()
		corp.passwords["asmith"] = "corp's"
		w.answers(allows(time3))
		if v := w.login("corp's", as(`CORP\asmith`)); v.User != `corp\asmith` {
			t.Errorf("is %q", v.User)
		}
	})
}

// TestDomainsProbe: a health check needs no first factor, so it needs no domain either.
func TestDomainsProbe(t *testing.T) {
	inDomains(t, func(w *world, _, _ *directory) {
		w.client.ProbeUsers = []string{`NOWHERE\test01`}
		w.wants(w.login("x", as(`NOWHERE\test01`)), "reject probe")
	})
}
