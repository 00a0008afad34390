package policy_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/factor"
)

// TestApprovalOfAnotherFactor: an approval counts only where the factor that earned it is allowed. An approval by push must
// not open a gateway at which a rule requires a passcode.
func TestApprovalOfAnotherFactor(t *testing.T) {
	for name, rule := range map[string]Rule{
		"by mode":    {Mode: ModePasscode},
		"by factors": {Factors: []factor.Factor{factor.Passcode}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.client.Remember = time.Hour
				rule.Name, rule.Clients = "codes only", []string{"datacentre"}
				w.rules(rule)
				w.answers(allows(0), allows(0))
				strict := through(w.at("datacentre", "vpn"))
				w.wants(w.login("pw"), "accept approved push T1")
				w.wants(w.login("pw"), "accept remembered")
				w.notAccepted(w.login("pw", strict))
				w.wants(w.login("pw,123456", strict), "accept approved passcode")
				w.wants(w.login("pw", strict), "accept remembered") // now a passcode has earned it
			})
		})
	}
}

// TestUnsignedAddressBeforeADeny: anybody on the network path can change the address in a packet without
// Message-Authenticator. That address must not choose the rule that lets a login past a deny.
func TestUnsignedAddressBeforeADeny(t *testing.T) {
	inWorld(t, func(w *world) {
		w.rules(
			Rule{Name: "from the office", Networks: []netip.Prefix{netip.PrefixFrom(home, 24)}, Need: NeedRequired},
			Rule{Name: "from elsewhere", Need: NeedDeny},
		)
		w.duo.scripts = func(AuthRequest) reply { return allows(0) }
		w.wants(w.login("pw"), "accept approved push T1")
		w.wantReason(w.login("pw", from(cafe)).Reason, ReasonDeniedByRule)
		w.wantReason(w.login("pw", unsigned).Reason, ReasonDeniedByRule)
		if preauths, _ := w.duo.counts(); preauths != 1 {
			t.Errorf("Duo was asked %d times", preauths)
		}
	})
}

// TestPendingWarnsOfAStranger: the user whose phone rings for somebody else's login must be told not to approve it.
func TestPendingWarnsOfAStranger(t *testing.T) {
	inWorld(t, func(w *world) {
		w.answers(denies("deny", "Login request denied.", 20*time.Second))
		stranger := w.start("pw", from(cafe))
		v := w.login("pw")
		w.wantReason(v.Reason, ReasonPending)
		say := strings.ToLower(v.Message)
		if strings.Contains(say, "login of yours") || !strings.Contains(say, "did not start") || !strings.Contains(say, "report") {
			t.Errorf("the user reads %q", v.Message)
		}
		<-stranger.verdict
	})
}
