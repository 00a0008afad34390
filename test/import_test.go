package test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"duoradiusd/test/fakeduo"
	"duoradiusd/test/fakeldap"
	"duoradiusd/test/nas"
)

// importFile runs duoradiusd import on an authproxy.cfg and writes the configuration into dir. In the file, DUO stands for
// the application's options, PORT for a free port and SECRET for a client's secret. It returns what import printed. It adds
// what a daemon of the tests needs, and does not change what import wrote.
func importFile(t *testing.T, dir string, duo *fakeduo.Server, cfg string) (summary string, status int) {
	t.Helper()
	host, port, err := net.SplitHostPort(duo.Addr())
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(dir, "duo-ca.pem")
	application := fmt.Sprintf("ikey=%s\nskey=%s\napi_host=%s\napi_port=%s", duo.IntegrationKey(), duo.SecretKey(), host, port)
	known := strings.NewReplacer("DUO", application, "PORT", fmt.Sprint(freePort(t)), "SECRET", vpnSecret)
	write(t, filepath.Join(dir, "authproxy.cfg"), "[main]\nhttp_ca_certs_file="+ca+"\ninterface=127.0.0.1\n"+known.Replace(cfg))
	write(t, ca, string(duo.CAPEM()))
	write(t, filepath.Join(dir, "vpn.secret"), vpnSecret+"\n")
	config := filepath.Join(dir, configFile)
	_, summary, status = run(t, "", daemonProgram(t), "import", filepath.Join(dir, "authproxy.cfg"), "--output", config, "--auth-api")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatalf("%v; import said:\n%s", err, summary)
	}
	write(t, config, string(text)+"\n[guard]\nreject_delay = \"0s\"\n[admin]\nsocket = \""+socketFile+"\"\n[state]\ndirectory = \"state\"\n")
	return summary, status
}

// TestImportLogin: users log in with a configuration made from an authproxy.cfg as they did through Duo's proxy.
func TestImportLogin(t *testing.T) {
	t.Parallel()
	realClient(t, "radclient")
	duo := startDuo(t,
		fakeduo.User{Username: "alice", Passcodes: []string{"12345678"}},
		fakeduo.User{Username: "bob", Tap: fakeduo.Deny})
	dir := t.TempDir()
	summary, status := importFile(t, dir, duo, `
[duo_only_client]
[radius_server_auto]
DUO
failmode=secure
api_timeout=10
radius_ip_1=127.0.0.0-127.0.0.9
radius_secret_1=SECRET
client=duo_only_client
exempt_username_1=monitor
port=PORT
`)
	if status != 0 {
		t.Errorf("import ends with status %d:\n%s", status, summary)
	}
	d := launch(t, duo, dir)
	const from = ", Calling-Station-Id = 203.0.113.7\n"
	for _, tt := range []struct {
		name, packet, want string
		pushes             int
	}{
		{"push", `User-Name = alice, User-Password = "push"` + from, "Access-Accept", 1},
		{"whatever it holds", `User-Name = alice, User-Password = "12345678", Calling-Station-Id = 203.0.113.8` + "\n", "Access-Accept", 1}, // from the same address it would be a retry
		{"denied", `User-Name = bob, User-Password = "push"` + from, "Access-Reject Login request denied.", 1},
		{"exempt", `User-Name = monitor, User-Password = "push"` + from, "Access-Accept", 0},
	} {
		duo.Forget()
		printed, _ := feedRadclient(t, d, "auth", tt.packet)
		if got := received(printed); got != tt.want || duo.Pushes() != tt.pushes {
			t.Errorf("%s: got %q and %d pushes, want %q and %d:\n%s", tt.name, got, duo.Pushes(), tt.want, tt.pushes, printed)
		}
	}
	d.Stop()
}

// TestImportLoginUpstream: the same with a RADIUS server that checks the passwords, and a challenge. That server is another
// duoradiusd, which asks nobody for a second factor.
func TestImportLoginUpstream(t *testing.T) {
	t.Parallel()
	realClient(t, "radclient")
	duo := startDuo(t, fakeduo.User{Username: "alice"})
	upstream := startDaemon(t, duo, `
[[client]]
name = "proxy"
first_factor = "staff"
[[first_factor]]
name = "staff"
type = "file"
path = "staff.htpasswd"
[[rule]]
users = ["alice"]
second_factor = "exempt"
[[reply]]
attributes = { Class = ["OU=admins;"], Filter-Id = ["full"] }
-- staff.htpasswd --
alice:$2a$04$RwZ/wxD3KSgIhZ14fm60G.50xHTO5h84aAk2TOHSU2Rx8xIF0SMiK
`)
	dir := t.TempDir()
	summary, status := importFile(t, dir, duo, fmt.Sprintf(`
[radius_client]
host=127.0.0.1
port=%d
secret=SECRET
[radius_server_auto]
DUO
radius_ip_1=127.0.0.1
radius_secret_1=SECRET
failmode=secure
pass_through_attr_names=Filter-Id
port=PORT
`, upstream.Addr().Port()))
	if status != 0 {
		t.Errorf("import ends with status %d:\n%s", status, summary)
	}
	d := launch(t, duo, dir)
	d.forbid("wonderland")
	const from = ", Calling-Station-Id = 203.0.113.7\n"
	for _, tt := range []struct {
		name, password, want string
		rings                int // pushes and calls
	}{
		{"push", "wonderland", "Access-Accept", 1},
		{"append", "wonderland,phone", "Access-Accept", 1}, // a call rings too
		{"wrong password", "underland", "Access-Reject Wrong user name or password.", 0},
	} {
		duo.Forget()
		printed, _ := feedRadclient(t, d, "auth", `User-Name = alice, User-Password = "`+tt.password+`"`+from)
		if got := received(printed); got != tt.want || duo.Pushes() != tt.rings {
			t.Errorf("%s: got %q and %d rings, want %q and %d:\n%s", tt.name, got, duo.Pushes(), tt.want, tt.rings, printed)
		}
		if accepted := strings.HasPrefix(tt.want, "Access-Accept"); strings.Contains(printed, `Filter-Id = "full"`) != accepted || strings.Contains(printed, "Class =") {
			t.Errorf("%s: want Filter-Id in an Access-Accept, and Class never:\n%s", tt.name, printed)
		}
	}
	d.Stop()
}

// TestImportLoginDirectory: the same with a directory, a group whose members may log in, and a challenge.
func TestImportLoginDirectory(t *testing.T) {
	t.Parallel()
	duo := startDuo(t, fakeduo.User{Username: "alice", Passcodes: []string{"12345678"}}, fakeduo.User{Username: "bob"})
	const service, group = "cn=duo,dc=example,dc=com", "cn=VPN (users),dc=example,dc=com"
	ldap := fakeldap.Start(t, fakeldap.Config{BindDN: service, BindPassword: "of-the-service", StartTLS: true})
	for user, groups := range map[string][]string{"alice": {group}, "bob": {"cn=others,dc=example,dc=com"}} {
		ldap.Set(fakeldap.Entry{DN: "cn=" + user + ",dc=example,dc=com", Password: "wonderland", Attributes: map[string][]string{
			"objectClass": {"person"}, "sAMAccountName": {user}, "userPrincipalName": {user + "@example.com"}, "memberOf": groups}})
	}
	dir := t.TempDir()
	ca := filepath.Join(dir, "ad-ca.pem")
	write(t, ca, string(ldap.CAPEM()))
	host, port, err := net.SplitHostPort(ldap.Addr())
	if err != nil {
		t.Fatal(err)
	}
	summary, status := importFile(t, dir, duo, fmt.Sprintf(`
[ad_client]
host=%s
port=%s
transport=starttls
ssl_ca_certs_file=%s
service_account_username=%s
service_account_password=of-the-service
search_dn=DC=example,DC=com
security_group_dn=%s
[radius_server_challenge]
DUO
radius_ip_1=127.0.0.1
radius_secret_1=SECRET
failmode=secure
port=PORT
`, host, port, ca, service, group))
	if status != 0 {
		t.Errorf("import ends with status %d:\n%s", status, summary)
	}
	d := launch(t, duo, dir)
	d.forbid("of-the-service", "wonderland")
	menu := login(t, d, "alice", "wonderland")
	if menu.Code != nas.CodeAccessChallenge {
		t.Fatalf("alice gets code %d, %q; want a challenge", menu.Code, menu.ReplyMessage())
	}
	done := login(t, d, "alice", "12345678", with(func(r *nas.Request) { r.State(menu.State()) }))
	if done.Code != nas.CodeAccessAccept {
		t.Errorf("alice's passcode: code %d, %q", done.Code, done.ReplyMessage())
	}
	for user, password := range map[string]string{"bob": "wonderland", "alice": "underland"} {
		if r := login(t, d, user, password); r.Code != nas.CodeAccessReject || r.ReplyMessage() != "Wrong user name or password." {
			t.Errorf("%s with %s: code %d, %q", user, password, r.Code, r.ReplyMessage())
		}
	}
	d.Stop()
}
