package test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"duoradiusd/test/fakeduo"
)

// peer is a supplicant and its authenticator, both played by eapol_test.
type peer struct {
	eap, phase2     string
	outer, identity string // outer: anonymous_identity; "" means none
	password        string
	flags           []string
}

// logIn runs eapol_test with the daemon, and returns what it printed and whether it succeeded, with the right keys.
func (p peer) logIn(t *testing.T, d *daemon, u *upstream) (printed string, ok bool) {
	t.Helper()
	lines := []string{"key_mgmt=WPA-EAP", "eap=" + p.eap, fmt.Sprintf("identity=%q", p.identity), fmt.Sprintf("password=%q", p.password),
		fmt.Sprintf("ca_cert=%q", filepath.Join(u.dir, "server.pem"))}
	if p.outer != "" {
		lines = append(lines, fmt.Sprintf("anonymous_identity=%q", p.outer))
	}
	if p.phase2 != "" {
		lines = append(lines, fmt.Sprintf("phase2=%q", p.phase2))
	}
	config := filepath.Join(t.TempDir(), "eapol.conf")
	write(t, config, "network={\n"+strings.Join(lines, "\n")+"\n}\n")
	args := append([]string{"-c", config, "-a", "127.0.0.1", "-p", fmt.Sprint(d.Addr().Port()), "-s", vpnSecret, "-t", "20",
		"-N", "31:s:203.0.113.7"}, p.flags...)
	out, errs, status := run(t, "", realClient(t, "eapol_test"), args...)
	return out + errs, status == 0 && strings.HasSuffix(strings.TrimSpace(out), "SUCCESS")
}

// TestUpstreamEAP: with each method there is one push, on the phone of the user inside the tunnel, and the keys arrive.
func TestUpstreamEAP(t *testing.T) {
	t.Parallel()
	realClient(t, "eapol_test")
	duo := startDuo(t, fakeduo.User{Username: "alice"}, fakeduo.User{Username: "dora", Tap: fakeduo.Deny}, fakeduo.User{Username: "mallory"})
	u := startUpstream(t, "peap", "inner")
	d := startDaemon(t, duo, u.behind("")+"inner_user_name = true\n")
	d.forbid("wonderland", "explorer", upstreamSecret)
	noKeys := []string{"-n"}
	for _, tt := range []struct {
		name   string
		peer   peer
		ok     bool
		pushes int
		log    []string
	}{
		{"PEAP-MSCHAPv2", peer{eap: "PEAP", phase2: "auth=MSCHAPV2", identity: "alice", password: "wonderland"}, true, 1, approved("alice")},
		{"PEAP-MSCHAPv2, anonymous", peer{eap: "PEAP", phase2: "auth=MSCHAPV2", outer: "anonymous", identity: "alice", password: "wonderland"},
			true, 1, approved("alice")},
		{"PEAP-GTC", peer{eap: "PEAP", phase2: "auth=GTC", outer: "anonymous", identity: "alice", password: "wonderland"}, true, 1, approved("alice")},
		{"TTLS-PAP", peer{eap: "TTLS", phase2: "auth=PAP", outer: "@example.com", identity: "alice", password: "wonderland"}, true, 1, approved("alice")},
		{"TTLS-MSCHAPv2", peer{eap: "TTLS", phase2: "auth=MSCHAPV2", outer: "anonymous", identity: "alice", password: "wonderland"},
			true, 1, approved("alice")},
		{"TTLS-EAP-MSCHAPv2", peer{eap: "TTLS", phase2: "autheap=MSCHAPV2", identity: "alice", password: "wonderland"}, true, 1, approved("alice")},
		{"another's name outside", peer{eap: "TTLS", phase2: "auth=PAP", outer: "mallory", identity: "alice", password: "wonderland"},
			true, 1, approved("alice")},
		{"EAP-MSCHAPv2", peer{eap: "MSCHAPV2", identity: "alice", password: "wonderland", flags: noKeys}, true, 1, approved("alice")},
		{"EAP-MD5", peer{eap: "MD5", identity: "alice", password: "wonderland", flags: noKeys}, true, 1, approved("alice")},
		{"EAP-GTC", peer{eap: "GTC", identity: "alice", password: "wonderland", flags: noKeys}, true, 1, approved("alice")},
		{"PEAP, wrong password", peer{eap: "PEAP", phase2: "auth=MSCHAPV2", identity: "alice", password: "wonderful"}, false, 0,
			[]string{"reason=bad-password"}},
		{"TTLS-PAP, wrong password", peer{eap: "TTLS", phase2: "auth=PAP", identity: "alice", password: "wonderful"}, false, 0,
			[]string{"reason=bad-password"}},
		{"PEAP, denied", peer{eap: "PEAP", phase2: "auth=MSCHAPV2", outer: "anonymous", identity: "dora", password: "explorer"}, false, 1,
			[]string{"user=dora", "reason=denied"}},
		{"TTLS-PAP, denied", peer{eap: "TTLS", phase2: "auth=PAP", outer: "alice", identity: "dora", password: "explorer"}, false, 1,
			[]string{"user=dora", "reason=denied"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			duo.Forget()
			before := len(d.loginLines())
			printed, ok := tt.peer.logIn(t, d, u)
			eventually(t, "a line in the log", func() bool { return len(d.loginLines()) > before })
			if ok != tt.ok {
				t.Errorf("success: %v, want %v; eapol_test said:\n%s", ok, tt.ok, printed)
			}
			if tt.ok && tt.peer.flags == nil && !strings.Contains(printed, "MPPE keys OK: 1  mismatch: 0") {
				t.Errorf("the keys are not those of the upstream:\n%s", printed)
			}
			if !tt.ok && !strings.Contains(printed, "decapsulated EAP packet (code=4 ") {
				t.Errorf("the peer got no EAP-Failure:\n%s", printed)
			}
			if got := duo.Pushes(); got != tt.pushes {
				t.Errorf("%d pushes, want %d", got, tt.pushes)
			}
			lines := d.loginLines()[before:]
			if len(lines) == 0 || !holdsAll(lines[len(lines)-1], tt.log) {
				t.Errorf("the last of %d lines does not hold %q:\n%s", len(lines), tt.log, strings.Join(lines, "\n"))
			}
		})
	}
}

func approved(user string) []string { return []string{"user=" + user, "reason=approved"} }

// TestUpstreamEAPNobody: FreeRADIUS with its default configuration names the user outside. If that name is anonymous,
// nobody gets in and no phone rings.
func TestUpstreamEAPNobody(t *testing.T) {
	t.Parallel()
	realClient(t, "eapol_test")
	duo := startDuo(t, fakeduo.User{Username: "alice"}, fakeduo.User{Username: "anonymous"})
	u := startUpstream(t, "peap", "outer")
	d := startDaemon(t, duo, u.behind("")+"\n[username]\nunlisted = \"first-factor\"\n")
	for _, p := range []peer{
		{eap: "PEAP", phase2: "auth=MSCHAPV2", outer: "anonymous", identity: "alice", password: "wonderland"},
		{eap: "TTLS", phase2: "auth=PAP", outer: "@example.com", identity: "alice", password: "wonderland"},
	} {
		before := len(d.loginLines())
		printed, ok := p.logIn(t, d, u)
		eventually(t, "a line in the log", func() bool { return len(d.loginLines()) > before })
		lines := strings.Join(d.loginLines()[before:], "\n")
		if ok || duo.Count("/auth/v2/preauth") != 0 || !strings.Contains(lines, "reason=first-factor-unavailable") ||
			!strings.Contains(lines, "let the upstream put the name from inside the tunnel into User-Name") {
			t.Errorf("success %v, %d questions to Duo; the log:\n%s\neapol_test said:\n%s", ok, duo.Count("/auth/v2/preauth"), lines, printed)
		}
	}
}
