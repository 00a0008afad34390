package checkup

import (
	"context"
	"strings"
	"testing"

	"duoradiusd/conf"
	"duoradiusd/policy"
)

// TestNames: where spellings and names that nobody proves matter is warned about, and nothing else.
func TestNames(t *testing.T) {
	radius := func(given bool) conf.FirstFactor {
		return conf.FirstFactor{Name: "nps", Type: conf.TypeRADIUS, Given: map[string]bool{"inner_user_name": given}}
	}
	stripping := conf.Username{StripDomain: []string{`CORP\`}}
	for name, tt := range map[string]struct {
		config conf.Config
		want   string // in the one warning; "" for none
	}{
		"two users":         {conf.Config{Users: []conf.User{{Name: "alice"}, {Name: "bob"}}}, ""},
		"one person":        {conf.Config{Users: []conf.User{{Name: "alice"}, {Name: `CORP\alice`}}}, `"alice", "CORP\\alice" count as one person`},
		"accents":           {conf.Config{Users: []conf.User{{Name: "jose"}, {Name: "josé"}}}, "count as one person"},
		"domain left":       {conf.Config{Username: stripping, Rules: []policy.Rule{{Users: []string{"jo@example.com"}}}}, `does not remove the domain of "jo@example.com"`},
		"no domain is left": {conf.Config{Username: stripping, Rules: []policy.Rule{{Users: []string{"jo"}}}}, ""},
		"all domains stay":  {conf.Config{Rules: []policy.Rule{{Users: []string{"jo@example.com"}}}}, ""},
		"EAP upstream":      {conf.Config{FirstFactors: []conf.FirstFactor{radius(false)}}, "unproven-name"},
		"said":              {conf.Config{FirstFactors: []conf.FirstFactor{radius(true)}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var said []string
			for _, q := range (&run{config: &tt.config}).names() {
				for _, f := range q.ask(context.Background()) {
					said = append(said, f.Found)
				}
			}
			if all := strings.Join(said, "\n"); len(said) > 1 || (tt.want == "") != (all == "") || !strings.Contains(all, tt.want) {
				t.Errorf("said %q, want %q", all, tt.want)
			}
		})
	}
}
