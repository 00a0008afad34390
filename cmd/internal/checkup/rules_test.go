package checkup

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"duoradiusd/conf"
	"duoradiusd/policy"
	"duoradiusd/policy/hours"
)

func hoursOf(t *testing.T, texts ...string) (list []hours.Hours) {
	t.Helper()
	for _, text := range texts {
		h, err := hours.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, h)
	}
	return list
}

// TestRules: what is often not meant is warned about, and what is meant is not.
func TestRules(t *testing.T) {
	vpn := conf.Client{Name: "vpn", Address: []netip.Prefix{netip.MustParsePrefix("192.0.2.10/32")}, LimitProxyState: true}
	staff := policy.Rule{Groups: []string{"staff"}}
	office := policy.Rule{Hours: hoursOf(t, "mon-fri 08:00-18:00")}
	for name, tt := range map[string]struct {
		config conf.Config
		want   string // in the one warning; "" for none
	}{
		"plain":                {conf.Config{Clients: []conf.Client{vpn}, Rules: []policy.Rule{staff}}, ""},
		"everybody exempt":     {conf.Config{Rules: []policy.Rule{staff, {Name: "rest", Need: policy.NeedExempt}}}, `[[rule]] "rest": exempts everybody`},
		"exempt without group": {conf.Config{Rules: []policy.Rule{{Need: policy.NeedExempt}}}, ""},
		"RDN":                  {conf.Config{Rules: []policy.Rule{{Groups: []string{"cn=staff"}}}}, `the group "cn=staff" never fits`},
		"domain":               {conf.Config{Rules: []policy.Rule{{Groups: []string{`CORP\staff`}}}}, "never fits"},
		"DN":                   {conf.Config{Rules: []policy.Rule{{Groups: []string{"CN=staff,DC=example,DC=com"}}}}, ""},
		"gap":                  {conf.Config{Rules: []policy.Rule{office, {Need: policy.NeedDeny, Hours: hoursOf(t, "mon-fri 18:00-08:00", "sat-sun")}}}, "neither applies on Monday 00:00"},
		"no gap":               {conf.Config{Rules: []policy.Rule{office, {Need: policy.NeedDeny}}}, ""},
		"deny alone":           {conf.Config{Rules: []policy.Rule{{Need: policy.NeedDeny, Hours: hoursOf(t, "sun")}}}, ""},
		"proxy state":          {conf.Config{Clients: []conf.Client{{Name: "softether"}}}, "limit_proxy_state = false"},
		"wide":                 {conf.Config{Clients: []conf.Client{{Name: "lab", LimitProxyState: true, Address: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}}, "10.0.0.0/8 is a wide network"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &run{config: &tt.config}
			var said []string
			for _, q := range r.rules() {
				for _, f := range q.ask(context.Background()) {
					said = append(said, q.subject+": "+f.Found)
				}
			}
			got := strings.Join(said, "; ")
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
