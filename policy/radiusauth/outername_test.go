package radiusauth

import (
	"testing"
)

// TestOuterNameInAnotherSpelling: an upstream that names the same person as the outside of a tunnel does, in another
// spelling, has not said who is inside: it may have normalized the outer name, as FreeRADIUS does with a realm. The name
// is not proven.
func TestOuterNameInAnotherSpelling(t *testing.T) {
	for _, tt := range []struct{ outer, named string }{
		{"Jo", "jo"},
		{"jo", "JO"},
		{"jo@example.com", "jo"},
		{"jo", "jo@example.com"},
		{`EXAMPLE\jo`, "jo"},
		{"jo", `EXAMPLE\jo`},
		{"jo@example.com", `EXAMPLE\Jo`},
		{"jó", "jo"},
	} {
		for name, kind := range map[string]string{"PEAP": "\x19", "TTLS": "\x15"} {
			a, err := converse(t, tt.outer, method(tt.outer, kind), tt.named)
			if err == nil && !a.Unproven {
				t.Errorf("%s, outside %q, named %q: %q counts as proven", name, tt.outer, tt.named, a.User)
			}
		}
	}
}
