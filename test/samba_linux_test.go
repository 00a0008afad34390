package test

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"duoradiusd/test/fakeduo"
	"duoradiusd/test/nas"
)

const (
	sambaBase     = "DC=example,DC=test"
	sambaPassword = "Passw0rd.1" // of everybody, at first
)

// samba is a domain controller of Active Directory, run by Samba, with a domain of the test. Its ports are fixed, so it has
// a network namespace of its own.
type samba struct {
	*netns
	dir string
}

// startSamba makes the domain example.test and starts its controller. Both end with the test.
func startSamba(t *testing.T) *samba {
	t.Helper()
	if os.Geteuid() != 0 {
		noNetns(t, "not root")
	}
	realClient(t, "samba")
	realClient(t, "samba-tool")
	realClient(t, "ip")
	daemonProgram(t) // the daemon is built outside of the namespace
	s := &samba{netns: newNetns(t, "samba"), dir: t.TempDir()}
	s.do(func() {
		s.run("samba-tool", "domain", "provision", "--realm=EXAMPLE.TEST", "--domain=EXAMPLE", "--adminpass="+sambaPassword,
			"--server-role=dc", "--dns-backend=NONE", "--targetdir="+s.dir, "--host-ip=127.0.0.1",
			"--option=interfaces=lo", "--option=bind interfaces only=yes")
	})
	s.tool("domain", "passwordsettings", "set", "--min-pwd-age=0", "--account-lockout-threshold=3")
	certifySlapd(t, s.dir)
	s.do(func() {
		c := exec.Command("samba", "-F", "-M", "single", "-s", filepath.Join(s.dir, "etc/smb.conf"), "--debug-stdout",
			"--option=server services=ldap", "--option=pid directory="+s.dir,
			"--option=old password allowed period=0", // otherwise the old password stays good for an hour
			"--option=tls certfile="+filepath.Join(s.dir, "cert.pem"), "--option=tls keyfile="+filepath.Join(s.dir, "key.pem"),
			"--option=tls cafile="+filepath.Join(s.dir, "ca.pem"))
		accompany(t, "samba", c)
		if !eventually(t, "samba listens", func() bool { return listensTCP(636) && listensTCP(3269) }) {
			t.FailNow()
		}
	})
	return s
}

func (s *samba) run(name string, args ...string) {
	s.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		s.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
}

// tool changes the domain through its database, also while the controller runs.
func (s *samba) tool(args ...string) {
	s.t.Helper()
	s.run("samba-tool", append(args, "-H", filepath.Join(s.dir, "private/sam.ldb"), "-s", filepath.Join(s.dir, "etc/smb.conf"))...)
}

func (s *samba) user(name string) { s.t.Helper(); s.tool("user", "create", name, sambaPassword) }

func (s *samba) group(name string, members ...string) {
	s.t.Helper()
	s.tool("group", "add", name)
	if len(members) > 0 {
		s.tool("group", "addmembers", name, strings.Join(members, ","))
	}
}

// expire makes a password older than any policy allows.
func (s *samba) expire(name string) {
	s.t.Helper()
	// Debian's own interpreter has Samba's modules, whichever python3 is first in PATH. The LDAP control allows a change of
	// pwdLastSet.
	s.run("/usr/bin/python3", "-c", `import sys, ldb
from samba.samdb import SamDB
from samba.param import LoadParm
from samba.auth import system_session
lp = LoadParm(); lp.load(sys.argv[1] + "/etc/smb.conf")
db = SamDB(url=sys.argv[1] + "/private/sam.ldb", session_info=system_session(), lp=lp)
user = db.search(db.get_default_basedn(), expression="(sAMAccountName=%s)" % sys.argv[2], attrs=["pwdLastSet"])[0]
m = ldb.Message(user.dn)
m["a"] = ldb.MessageElement(str(int(str(user["pwdLastSet"])) - 90 * 864000000000), ldb.FLAG_MOD_REPLACE, "pwdLastSet")
db.modify(m, ["local_oid:1.3.6.1.4.1.7165.4.3.20:0", "relax:0"])`, s.dir, name)
}

// directory returns a first factor that asks the controller. more is further keys.
func (s *samba) directory(port int, more string) string {
	return fmt.Sprintf(`
[[first_factor]]
name = "directory"
type = "ldap"
urls = ["ldaps://127.0.0.1:%d"]
ca_file = "%s/ca.pem"
bind_dn = "svc@example.test"
bind_password = "%s"
base_dn = "%s"
%s
`, port, s.dir, sambaPassword, sambaBase, more)
}

// ask sends one login and returns the reply's code and text.
func (s *samba) ask(d *daemon, user, password string, state []byte) (*nas.Response, string) {
	s.t.Helper()
	var p *nas.Response
	s.do(func() {
		n, err := nas.Dial(d.Addr(), netip.AddrPort{})
		if err != nil {
			s.t.Fatal(err)
		}
		defer n.Close()
		r := newAttempt(nil).request(user, password)
		if state != nil {
			r.State(state)
		}
		if err := n.Send(r.Bytes()); err != nil {
			s.t.Fatal(err)
		}
		b, err := n.Receive(patience)
		if err == nil {
			p, err = r.Verify(b)
		}
		if err != nil {
			s.t.Fatal(err)
		}
	})
	word := map[byte]string{nas.CodeAccessAccept: "accept", nas.CodeAccessReject: "reject", nas.CodeAccessChallenge: "challenge"}[p.Code]
	return p, strings.TrimSpace(word + " " + p.ReplyMessage())
}

// want sends one login and requires this answer.
func (s *samba) want(d *daemon, user, password, want string) {
	s.t.Helper()
	if _, got := s.ask(d, user, password, nil); got != want {
		s.t.Errorf("%s: got %q, want %q", user, got, want)
	}
}

func (s *samba) start(duo *fakeduo.Server, config string) (d *daemon) {
	s.t.Helper()
	s.do(func() { d = startDaemon(s.t, duo, config) })
	d.forbid(sambaPassword)
	return d
}

const wrongPassword = "reject Wrong user name or password."

// TestSamba makes one domain for all its parts, because that takes most of a minute.
func TestSamba(t *testing.T) {
	slow(t, "it makes a domain of Samba")
	t.Parallel()
	s := startSamba(t)
	t.Run("accounts and groups", func(t *testing.T) { sambaAccounts(t, s.with(t)) })
	t.Run("password change", func(t *testing.T) { sambaPasswordChange(t, s.with(t)) })
}

// with returns the same controller for a part of the test.
func (s *samba) with(t *testing.T) *samba {
	part := *s.netns
	part.t = t
	return &samba{netns: &part, dir: s.dir}
}

// sambaAccounts: nested groups, the primary group, both kinds of names, and each reason for which an account can't log in.
func sambaAccounts(t *testing.T, s *samba) {
	for _, name := range []string{"svc", "jo", "ann", "must", "off", "locked"} {
		s.user(name)
	}
	s.group("Inner", "jo")
	s.group("No-VPN", "Inner")
	s.tool("group", "add", "Everybody", "--group-type=Distribution")
	s.tool("group", "addmembers", "Everybody", "Inner")
	s.tool("user", "setpassword", "must", "--newpassword="+sambaPassword, "--must-change-at-next-login")
	s.tool("user", "disable", "off")
	var duo *fakeduo.Server
	s.do(func() {
		duo = startDuo(t, fakeduo.User{Username: "jo"}, fakeduo.User{Username: "ann"}, fakeduo.User{Username: "locked"})
	})
	rules := func(groups, need string) string {
		return fmt.Sprintf("\n[[rule]]\ngroups = [%q]\nsecond_factor = %q\n", groups, need)
	}
	const client = "[[client]]\nname = \"vpn\"\nfirst_factor = \"directory\"\nuser_ip = [\"Calling-Station-Id\"]\n"

	for _, tt := range []struct{ name, more, rules, jo, ann string }{
		{"deny nested, not written", "", rules("No-VPN", "deny") + rules("Domain Users", "exempt"), wrongPassword, "accept"},
		{"deny a distribution group", "", rules("Everybody", "deny"), wrongPassword, "accept"},
		{"deny the primary group", "", rules("domain users", "deny"), wrongPassword, wrongPassword},
		{"deny by DN", "", rules("cn=no-vpn, cn=users, dc=EXAMPLE, dc=test", "deny"), wrongPassword, "accept"},
		{"off", `nested_groups = "off"`, rules("No-VPN", "deny"), "accept", "accept"},
		{"auto", `nested_groups = "auto"`, rules("No-VPN", "deny"), wrongPassword, "accept"},
		{"chain", `nested_groups = "chain"`, rules("No-VPN", "deny"), wrongPassword, "accept"},
		{"chain, primary", `nested_groups = "chain"`, rules("Domain Users", "deny"), wrongPassword, wrongPassword},
		{"token-groups", `nested_groups = "token-groups"`, rules("No-VPN", "deny"), wrongPassword, "accept"},
		{"walk", `nested_groups = "walk"`, rules("No-VPN", "deny"), wrongPassword, "accept"},
		{"walk, primary", `nested_groups = "walk"`, rules("Domain Users", "deny"), wrongPassword, wrongPassword},
	} {
		d := s.start(duo, client+s.directory(636, tt.more)+tt.rules)
		for user, want := range map[string]string{"jo": tt.jo, "ann": tt.ann} {
			if _, got := s.ask(d, user, sambaPassword, nil); got != want {
				t.Errorf("%s: %s: got %q, want %q", tt.name, user, got, want)
			}
		}
		if tt.name != "off" { // nobody was asked for the exempt login, nor for the denied one
			for _, line := range d.Log() {
				if strings.Contains(line, "first-factor-unavailable") {
					t.Errorf("%s: %s", tt.name, line)
				}
			}
		}
		d.Stop()
	}

	// A group in a group exempts its members only if the configuration says that nested groups count.
	for more, pushes := range map[string]int{"": 1, `nested_groups = "auto"`: 0} {
		before := duo.Pushes()
		d := s.start(duo, client+s.directory(636, more)+rules("Domain Users", "exempt"))
		s.want(d, "jo", sambaPassword, "accept")
		if got := duo.Pushes() - before; got != pushes {
			t.Errorf("nested_groups %q: %d pushes, want %d", more, got, pushes)
		}
		d.Stop()
	}

	// Names are the sAMAccountName by default, or the UPN. The Global Catalog answers like the domain's own port.
	upn := `user_filter = "(userPrincipalName={username})"`
	d := s.start(duo, client+s.directory(3269, upn)+rules("Inner", "exempt"))
	s.want(d, "jo@example.test", sambaPassword, "accept")
	s.want(d, "jo", sambaPassword, wrongPassword)
	d.Stop()

	d = s.start(duo, client+s.directory(636, ""))
	const refused = "reject Your account can't log in: its password may have expired. Ask your help desk."
	s.want(d, "must", sambaPassword, refused)
	s.want(d, "must", "wrong password", wrongPassword)
	s.want(d, "off", sambaPassword, refused)
	for range 3 {
		s.want(d, "locked", "wrong password", wrongPassword)
	}
	s.want(d, "locked", sambaPassword, wrongPassword)
	d.WaitLog("user=locked", "account locked")
	s.want(d, "ann", sambaPassword, "accept")
	s.expire("ann")
	s.want(d, "ann", sambaPassword, refused)
	d.WaitLog("user=ann", "password expired")

	d.Stop()
	d = s.start(duo, client+s.directory(636, "")+rules("No-VPN", "deny")+rules("Domain Users", "exempt")+rules("Gone", "deny"))
	var out string
	s.do(func() { out, _, _ = run(t, "", daemonProgram(t), "check", "--config", d.config(), "--user", "jo") })
	for _, want := range []string{
		`"jo" is in "CN=Inner,CN=Users,` + sambaBase + `"`,
		`"jo" is in "CN=No-VPN,CN=Users,` + sambaBase + `", nested or as the primary group: rule "" (deny)`,
		`"CN=Domain Users,CN=Users,` + sambaBase + `", nested or as the primary group: rule "" (exempt)`,
		"nested_groups is not set",
		`"Gone" is a group that no directory has`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("check: want %q in\n%s", want, out)
		}
	}
}

// sambaPasswordChange: an expired password is changed through pam_radius, after Duo's allow.
func sambaPasswordChange(t *testing.T, s *samba) {
	realClient(t, "pamtester")
	needPAMRadius(t)
	for _, name := range []string{"old", "due"} {
		s.user(name)
	}
	s.expire("old")
	s.tool("user", "setpassword", "due", "--newpassword="+sambaPassword, "--must-change-at-next-login")
	var duo *fakeduo.Server
	s.do(func() { duo = startDuo(t, fakeduo.User{Username: "old"}, fakeduo.User{Username: "due"}) })
	d := s.start(duo, "[[client]]\nname = \"vpn\"\nfirst_factor = \"directory\"\nmode = \"challenge\"\nuser_ip = [\"Calling-Station-Id\"]\n"+
		s.directory(636, "password_change = true"))
	p := newPAM(t, d, 20)
	for _, user := range []string{"old", "due"} {
		fresh := "A new, long pass,word for " + user + " 1"
		d.forbid(fresh)
		var status int
		s.do(func() {
			c := p.begin(t, user)
			c.answer("Password: ", sambaPassword)
			c.answer("Passcode or option (1-3):", "1")
			c.answer("New password:", "short")
			c.answer("New password again:", "short")
			c.answer("The directory does not accept this password", fresh)
			c.answer("New password again:", fresh)
			status = c.status()
		})
		if status != 0 {
			t.Errorf("%s: not let in with a new password", user)
		}
		s.want(d, user, sambaPassword, wrongPassword)
		if p, got := s.ask(d, user, fresh, nil); p.Code != nas.CodeAccessChallenge {
			t.Errorf("%s: with the new password: %s", user, got)
		}
	}
	// Without Duo's allow no password is changed, and the user reads why.
	s.expire("svc")
	if _, got := s.ask(d, "svc", sambaPassword, nil); got == "accept" {
		t.Error("an expired password without a second factor")
	}
}
