package conf

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestFirstFactorDefaults holds what the example shows as defaults against the defaults.
func TestFirstFactorDefaults(t *testing.T) {
	c := load(t, minimal+`
[[first_factor]]
name = "directory"
type = "ldap"
urls = ["ldaps://dc1.example.com", "ldaps://dc2.example.com"]
base_dn = "dc=example,dc=com"

[[first_factor]]
name = "nps"
type = "radius"
servers = ["NPS1.example.com", "[2001:db8::1]", "[2001:db8::1]:1645", "192.0.2.1:1812"]
secret = "fedcba9876543210"
`)
	want := []FirstFactor{{
		Name:           "directory",
		Type:           TypeLDAP,
		URLs:           []string{"ldaps://dc1.example.com", "ldaps://dc2.example.com"},
		BaseDN:         []string{"dc=example,dc=com"},
		UserFilter:     "(&(objectClass=person)(sAMAccountName={username}))",
		GroupAttribute: "memberOf",
		Timeout:        5 * time.Second,
	}, {
		Name:                 "nps",
		Type:                 TypeRADIUS,
		Servers:              []string{"nps1.example.com:1812", "[2001:db8::1]:1812", "[2001:db8::1]:1645", "192.0.2.1:1812"},
		Secret:               NewSecret("fedcba9876543210"),
		MessageAuthenticator: Require,
		Timeout:              5 * time.Second,
	}}
	for i, f := range c.FirstFactors {
		f.Given = nil
		if !reflect.DeepEqual(f, want[i]) {
			t.Errorf("got  %+v\nwant %+v", f, want[i])
		}
	}
	if !c.FirstFactors[0].HasGroups() || c.FirstFactors[1].HasGroups() || len(c.Warnings) > 0 {
		t.Errorf("groups, or warnings %q", c.Warnings)
	}

	dir := files(t, map[string]string{
		"x.toml": edited(Example), "duo.skey": "x", "contractors.skey": "x", "vpn.secret": "0123456789abcdef", "staff.htpasswd": "",
		"ldap.password": "hunter2", "nps.secret": "fedcba9876543210",
	})
	example, err := Load(filepath.Join(dir, "x.toml"))
	if err != nil {
		t.Fatal(err)
	}
	want[0].NestedGroups = "auto"
	want[0].Domains, want[1].Domains = []string{}, nil
	want[0].BindDN, want[0].BindPassword = "cn=duoradiusd,ou=services,dc=example,dc=com", NewSecret("hunter2")
	want[1].Servers = []string{"nps1.example.com:1812", "nps2.example.com:1812"}
	for i, f := range example.FirstFactors[:2] {
		f.Given = nil
		if !reflect.DeepEqual(f, want[i]) {
			t.Errorf("example\ngot  %+v\nwant %+v", f, want[i])
		}
	}
}

func TestFirstFactorValues(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	t.Setenv("CONF_TEST_BIND", "hunter2")
	dir := files(t, map[string]string{
		"x.toml": minimal + `
[[first_factor]]
name = "directory"
type = "ldap"
urls = ["LDAP://DC1.example.com:389/", "ldap://[2001:db8::1]"]
start_tls = true
ca_file = "ca.pem"
bind_dn = 'EXAMPLE\duoradiusd'
bind_password_env = "CONF_TEST_BIND"
base_dn = "dc=example,dc=com"
user_filter = '(|(uid={username})(memberOf:1.2.840.113556.1.4.1941:=cn=\28x\29,dc=com)(!(cn>=a))(sn~=b*c))'
group_attribute = ""
duo_username_attribute = "mail;lang-de"
timeout = "100ms"

[[first_factor]]
name = "near"
type = "ldap"
urls = ["ldap://localhost", "ldap://127.0.0.1:1389", "ldap://[::1]:1389"]
base_dn = "dc=example,dc=com"
timeout = "1m"
`,
		"y.toml": minimal + `
[[first_factor]]
name = "near"
type = "ldap"
urls = ["ldap://localhost"]
ca_file = "ca.pem"
base_dn = "dc=example,dc=com"
`,
		"ca.pem": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})),
	})
	c, err := Load(filepath.Join(dir, "x.toml"))
	if err != nil {
		t.Fatal(err)
	}
	f := c.FirstFactors[0]
	if want := []string{"ldap://dc1.example.com:389", "ldap://[2001:db8::1]"}; !slices.Equal(f.URLs, want) {
		t.Errorf("urls %q, want %q", f.URLs, want)
	}
	if f.CAFile != filepath.Join(dir, "ca.pem") || f.BindPassword.Reveal() != "hunter2" || f.HasGroups() || !f.StartTLS {
		t.Errorf("%+v", f)
	}
	if c.FirstFactors[1].URLs[0] != "ldap://localhost" || len(c.Warnings) > 0 {
		t.Errorf("%+v, warnings %q", c.FirstFactors[1], c.Warnings)
	}
	c, err = Load(filepath.Join(dir, "y.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) != 1 || !strings.HasSuffix(c.Warnings[0], ":24: first_factor \"near\" ca_file: given, but no connection is by TLS; want ldaps://, or start_tls") {
		t.Errorf("warnings %q", c.Warnings)
	}
}

// TestAdminAndLog: what is reachable, or can't be written, is warned about.
func TestAdminAndLog(t *testing.T) {
	for address, warned := range map[string]bool{
		"": false, "127.0.0.1:9812": false, "[::1]:0": false, "localhost:9812": false,
		"[::]:9812": true, ":9812": true, "192.0.2.1:9812": true,
	} {
		c := load(t, minimal+"[admin]\naddress = \""+address+"\"\n")
		want := address
		if address == ":9812" {
			want = "[::]:9812"
		}
		if c.Admin.Address != want || len(c.Warnings) > 0 != warned {
			t.Errorf("%s: %q, warnings %q", address, c.Admin.Address, c.Warnings)
		}
	}
	for _, address := range []string{"localhost", "localhost:x", "example.com:80", "127.0.0.1", "127.0.0.1:99999"} {
		problems(t, map[string]string{"x.toml": minimal + "[admin]\naddress = \"" + address + "\"\n"})
	}

	dir := files(t, map[string]string{"x.toml": "", "old/auth.json": "", "log/auth.json/x": ""})
	for path, want := range map[string]string{
		"auth.json":     "",
		"old/auth.json": "",
		"new/auth.json": "", // serve makes the folder
		"x.toml/x":      "a folder that can't be written: not a directory; want one that can",
		"log/auth.json": "a file that can't be written: is a directory; want one that can",
	} {
		name := filepath.Join(files(t, map[string]string{"y.toml": minimal + "[log]\nauth_log = '" + filepath.Join(dir, path) + "'\n"}), "y.toml")
		c, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		if said := strings.Join(c.Warnings, "\n"); (want == "") != (said == "") || !strings.HasSuffix(said, want) {
			t.Errorf("%s: %q, want %q", path, said, want)
		}
		if c.Log.AuthLog != filepath.Join(dir, path) {
			t.Errorf("%s: %s", path, c.Log.AuthLog)
		}
	}
	if os.Getuid() != 0 { // who may write everywhere
		if err := os.Chmod(dir, 0o500); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(dir, 0o700)
		c := load(t, minimal+"[log]\nauth_log = '"+filepath.Join(dir, "auth.json")+"'\n")
		if !strings.Contains(strings.Join(c.Warnings, ""), "a folder that can't be written: permission denied") {
			t.Errorf("warnings %q", c.Warnings)
		}
	}
	c := load(t, minimal+"[log]\nauth_log = 'auth.json'\n")
	if !filepath.IsAbs(c.Log.AuthLog) {
		t.Errorf("%s is not absolute", c.Log.AuthLog)
	}
}
