package policy_test

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/canonical"
)

// TestApprovalJSON: the JSON has the field names that programs rely on, and leaves out the fields that an approval is not
// bound to.
func TestApprovalJSON(t *testing.T) {
	at := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		a    Approval
		want string
	}{
		{Approval{User: "jo", DuoUserID: "DU1", Service: "vpn", Client: "fw", UserIP: netip.MustParseAddr("2001:db8::7"),
			ApprovedAt: at, EndsAt: at.Add(time.Hour), LastUsedAt: at.Add(time.Minute), Uses: 3},
			`{"user":"jo","duo_user_id":"DU1","service":"vpn","client":"fw","user_ip":"2001:db8::7","approved_at":"2026-03-01T08:00:00Z",` +
				`"ends_at":"2026-03-01T09:00:00Z","last_used_at":"2026-03-01T08:01:00Z","uses":3}`},
		{Approval{User: "jo", DuoUsername: "jo", ApprovedAt: at, EndsAt: at.Add(time.Hour)},
			`{"user":"jo","duo_username":"jo","approved_at":"2026-03-01T08:00:00Z","ends_at":"2026-03-01T09:00:00Z","uses":0}`},
	} {
		if got, err := json.Marshal(tt.a); err != nil || string(got) != tt.want {
			t.Errorf("got  %s %v\nwant %s", got, err, tt.want)
		}
	}
}

// TestForgottenIsAsked: after an approval is forgotten, the next login is asked again, and its approval is remembered.
func TestForgottenIsAsked(t *testing.T) {
	inWorld(t, func(w *world) {
		w.client.Remember = time.Hour
		w.again(ReasonApproved)
		w.again(ReasonRemembered)
		if n := forgotten(w, w.process.Approvals, "alice"); n != 1 {
			t.Errorf("forgot %d", n)
		}
		w.again(ReasonApproved)
		w.again(ReasonRemembered)
	})
}

// TestPolicyCanonical: each spelling of a name leads to the name that approvals are kept under.
func TestPolicyCanonical(t *testing.T) {
	p := New(Settings{Names: canonical.Names{StripDomain: []string{`EXAMPLE\`}}, Users: []User{{Name: "alice", Aliases: []string{"asmith"}}}}, newProcess(1).Runtime)
	for name, want := range map[string]string{
		"alice": "alice", "ALICE": "alice", "asmith": "alice", `example\ASmith`: "alice", "Bob": "bob", "a\x00b": "-", "": "-",
	} {
		got, ok := p.Canonical(name)
		if !ok {
			got = "-"
		}
		if got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}
