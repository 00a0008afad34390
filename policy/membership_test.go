package policy_test

import (
	"context"
	"slices"
	"testing"
	"time"

	. "duoradiusd/policy"
)

// TestNestedGroups: groups that may only restrict count for rules that deny or require a second factor, and for none that
// allow more.
func TestNestedGroups(t *testing.T) {
	nested := []string{"cn=No-VPN,dc=example", "No-VPN"}
	for _, tt := range []struct {
		name  string
		rules []Rule
		want  string
	}{
		{"deny", []Rule{{Groups: []string{"no-vpn"}, Need: NeedDeny}, {Need: NeedExempt}}, "reject denied-by-rule: Wrong user name or password."},
		{"deny by DN", []Rule{{Groups: []string{"CN=No-VPN, DC=Example"}, Need: NeedDeny}, {Need: NeedExempt}}, "reject denied-by-rule: Wrong user name or password."},
		{"required", []Rule{{Groups: []string{"No-VPN"}, Need: NeedRequired}, {Need: NeedExempt}}, "accept approved push T1"},
		{"nothing said", []Rule{{Groups: []string{"No-VPN"}}, {Need: NeedExempt}}, "accept approved push T1"},
		{"exempt", []Rule{{Groups: []string{"No-VPN"}, Need: NeedExempt}}, "accept approved push T1"},
		{"exempt by a direct group", []Rule{{Groups: []string{"Inner"}, Need: NeedExempt}}, "accept exempt"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.ldap.accounts = map[string]Account{"alice": {Groups: []string{"Inner"}, NestedGroups: nested}}
				w.settings.Replies = []Reply{{Groups: []string{"No-VPN"}, Attributes: given(attr(class, "nested"))}}
				w.rules(tt.rules...)
				if tt.want == "accept approved push T1" {
					w.answers(allows(time3))
				}
				v := w.login("pw")
				w.wants(v, tt.want)
				if len(v.Attributes) > 0 {
					t.Errorf("attributes %v", v.Attributes)
				}
			})
		})
	}
}

// TestGroupsToAsk: the first factor is asked for the groups that rules and replies for this client name, in their spelling.
// It is not asked for those of rules that an earlier rule without groups hides.
func TestGroupsToAsk(t *testing.T) {
	rules := []Rule{
		{Users: []string{"bob"}, Need: NeedExempt},
		{Groups: []string{"Staff", "CN=X, DC=Y"}, Need: NeedDeny},
		{Groups: []string{"Elsewhere"}, Clients: []string{"lab"}},
		{Groups: []string{"Other service"}, Services: []string{"other"}},
		{Groups: []string{"Staff"}},
	}
	replies := []Reply{{Groups: []string{"Replied"}, Attributes: given(attr(class, "x"))},
		{Groups: []string{"Lab"}, Clients: []string{"lab"}, Attributes: given(attr(class, "x"))}}
	for user, want := range map[string][]string{"alice": {"Staff", "CN=X, DC=Y", "Replied"}, "bob": {"Replied"}} {
		inWorld(t, func(w *world) {
			w.settings.Replies = replies
			w.rules(rules...)
			client := *w.client
			asked := &groupsSeen{FirstFactor: client.FirstFactor}
			client.FirstFactor = asked
			if user != "bob" {
				w.answers(allows(time.Second))
			}
			w.login("pw", as(user), through(client))
			if !slices.Equal(asked.groups, want) {
				t.Errorf("%s: asked for %q, want %q", user, asked.groups, want)
			}
		})
	}
}

// groupsSeen records the groups that a first factor is asked for.
type groupsSeen struct {
	FirstFactor
	groups []string
}

func (g *groupsSeen) Authenticate(ctx context.Context, r FirstRequest) (Account, error) {
	g.groups = r.Groups
	return g.FirstFactor.Authenticate(ctx, r)
}
