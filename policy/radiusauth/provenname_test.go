package radiusauth

import "testing"

// TestEchoProvesNobody: a name that the upstream may have made from the name outside of the tunnel does not prove who is
// inside.
func TestEchoProvesNobody(t *testing.T) {
	const ttls = 21
	c := conversation{peerMethod: ttls, serverMethod: ttls}
	for _, tt := range []struct {
		typed, told string
		proven      bool
	}{
		{"alice", "alice", false},
		{`CORP\Alice`, "alice@example.com", false},
		{"lab/alice", "alice", false},
		{"alice%lab", "Alice", false},
		{"alice.ppp", "alice", false},
		{`alice@corp\bob`, "alice", false}, // the realm is after the @ of one name, and before the backslash of the other
		{"lab/alice@example.com", `LAB\alice`, false},
		{"malice.alice", "alice", false},
		{"bob", "alice", true},
		{"malice", "alice", true},
		{"alice2", "alice", true},
		{"anonymous", "mo", true},
		{"anonymous@alice.example.com", "alice", true},
		{"@alice", "alice", true},
	} {
		name, proven, err := c.provenName([]string{tt.told}, tt.typed, false)
		if name != tt.told && tt.proven || proven != tt.proven || err != nil {
			t.Errorf("outside %q, told %q: %q, %v, %v", tt.typed, tt.told, name, proven, err)
		}
		if _, proven, err := c.provenName([]string{tt.told}, tt.typed, true); !proven || err != nil {
			t.Errorf("outside %q, told %q, inner_user_name: %v, %v", tt.typed, tt.told, proven, err)
		}
	}
}
