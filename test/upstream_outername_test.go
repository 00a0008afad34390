package test

import (
	"strings"
	"testing"

	"duoradiusd/test/fakeduo"
)

// doraWrites is a login of dora, who has her own password and declines on her phone. She writes another's name outside of
// her tunnel.
func doraWrites(outer string) peer {
	return peer{eap: "PEAP", phase2: "auth=MSCHAPV2", outer: outer, identity: "dora", password: "explorer"}
}

// mustFail logs in through d and checks that nobody gets in, although the upstream says yes.
func (p peer) mustFail(t *testing.T, d *daemon, u *upstream) {
	t.Helper()
	before, accepts := len(d.loginLines()), u.said("Sent Access-Accept")
	printed, ok := p.logIn(t, d, u)
	eventually(t, "a line in the log", func() bool { return len(d.loginLines()) > before })
	if ok {
		t.Errorf("%s is in by writing %q outside:\n%s", p.identity, p.outer, strings.Join(d.loginLines()[before:], "\n"))
	}
	if u.said("Sent Access-Accept") == accepts {
		t.Errorf("the upstream has not accepted %s; eapol_test said:\n%s", p.identity, printed)
	}
}

// TestOuterNameOfABypassedUser: FreeRADIUS with its default configuration names the user outside of the tunnel. Dora must
// not get in with the name of a user whom Duo lets in without a factor.
func TestOuterNameOfABypassedUser(t *testing.T) {
	t.Parallel()
	realClient(t, "eapol_test")
	duo := startDuo(t, fakeduo.User{Username: "dora", Tap: fakeduo.Deny}, fakeduo.User{Username: "guest", Preauth: "allow"})
	u := startUpstream(t, "peap", "outer")
	d := startDaemon(t, duo, u.behind(""))
	doraWrites("").mustFail(t, d, u)
	doraWrites("guest").mustFail(t, d, u)
}

// TestOuterNameOfAnAccomplice: an attacker has stolen a password. An accomplice, whose name the attacker writes outside of
// the tunnel, must not be able to approve the login.
func TestOuterNameOfAnAccomplice(t *testing.T) {
	t.Parallel()
	realClient(t, "eapol_test")
	duo := startDuo(t, fakeduo.User{Username: "dora", Tap: fakeduo.Deny}, fakeduo.User{Username: "accomplice"})
	u := startUpstream(t, "peap", "outer")
	d := startDaemon(t, duo, u.behind(""))
	doraWrites("accomplice").mustFail(t, d, u)
}

// TestOuterNameWithoutItsRealm: an upstream that removes the realm of the outer name has not told the name inside. Dora
// must not be taken for alice, whom the configuration or an earlier approval lets in without asking.
func TestOuterNameWithoutItsRealm(t *testing.T) {
	t.Parallel()
	realClient(t, "eapol_test")
	u := startUpstream(t, "peap", "stripped")
	for name, config := range map[string]struct{ client, rest string }{
		"exempt by a rule":      {rest: "[[rule]]\nusers = [\"alice\"]\nsecond_factor = \"exempt\"\n"},
		"listed for no service": {rest: "[[user]]\nname = \"alice\"\nservices = []\n"},
		"remembered":            {client: "remember = \"1h\"\n"},
	} {
		t.Run(name, func(t *testing.T) {
			duo := startDuo(t, fakeduo.User{Username: "alice"}, fakeduo.User{Username: "dora", Tap: fakeduo.Deny})
			d := startDaemon(t, duo, u.behind(config.client)+"[username]\nstrip_domain = [\"@example.com\"]\n"+config.rest)
			if name == "remembered" { // alice has logged in by herself from the same address
				printed, _ := feedRadclient(t, d, "auth", "User-Name = alice, User-Password = wonderland, Calling-Station-Id = 203.0.113.7, Message-Authenticator = 0x00\n")
				if !strings.Contains(printed, "Received Access-Accept") {
					t.Fatalf("alice can't log in:\n%s", printed)
				}
			}
			doraWrites("alice@example.com").mustFail(t, d, u)
		})
	}
}
