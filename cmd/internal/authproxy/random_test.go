package authproxy

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"duoradiusd/conf"
)

// choices are values for the options of each kind of section; "" leaves the option out.
var choices = map[string]map[string][]string{
	"ad_client": {
		"host": {"dc1.example.com", "10.0.0.5", "::1"}, "host_2": {"", "", "dc1.example.com", "dc2"}, "transport": {"", "clear", "starttls", "ldaps"},
		"port": {"", "389", "3269"}, "service_account_username": {"duo", `EX\duo`, "duo@example.com"}, "service_account_password": {"p", `"\`},
		"search_dn": {"DC=example,DC=com", "o=x", `OU=a\,b,DC=x`}, "security_group_dn": {"", "CN=a (b)*,DC=x", "CN={username},DC=x"},
		"ldap_filter": {"", "(a=b)", "a=b", "(&(a=b)(!(c={username})))"}, "auth_type": {"", "ntlm2", "plain", "sspi"}, "ntlm_domain": {"", "EX"},
		"bind_dn": {"", "cn=duo,dc=x"}, "username_attribute": {"", "uid", "userPrincipalName"}, "at_attribute": {"", "mail"},
		"ssl_verify_hostname": {"", "true", "false"}, "timeout": {"", "0", "7", "600"},
	},
	"radius_client": {
		"host": {"10.0.0.6", "::1", "nps.example.com"}, "host_2": {"", "10.0.0.6", "10.0.0.7"}, "port": {"", "1645"}, "port_2": {"", "1645"},
		"secret": {"x", "0123456789abcdef"}, "retries": {"", "0", "99"}, "retry_wait": {"", "0", "9"}, "nas_ip": {"", "10.0.0.1"},
		"pass_through_all": {"", "true", "no"}, "pass_through_attr_names": {"", "Class", "class, Filter-Id, CLASS", "State,User-Password"}, "pw_codec": {"", "utf-8", "cp1252"},
	},
	"radius_server": {
		"ikey": {"DIAAAAAAAAAAAAAAAAAA", "DIAAAAAAAAAAAAAAAAAA", "DIB"}, "skey": {"s", "t"}, "api_host": {"api-1.duosecurity.com", "10.0.0.9"},
		"api_port": {"", "443", "8443"}, "failmode": {"", "safe", "secure"}, "api_timeout": {"", "0", "30", "999"}, "http_proxy_host": {"", "p", "::1"},
		"http_proxy_port": {"", "3128"}, "factors": {"", "auto", "push", "phone,push", "passcode", "push,passcode", "auto,passcode"},
		"delimiter": {"", ",", ";", `"`, "::", "é"}, "allow_concat": {"", "true", "false"}, "delimited_password_length": {"", "0", "8"},
		"client_ip_attr": {"", "paloalto", "calling-station-id", "none"}, "pw_codec": {"", "latin-1", "koi8-r"}, "force_message_authenticator": {"", "true", "false"},
		"pass_through_all": {"", "true", "false"}, "pass_through_attr_names": {"", "Filter-Id,,Class", "Framed-IP-Address"},
		"exempt_username_1": {"", "alice", `EX\bob`}, "exempt_username_2": {"", "alice"}, "port": {"", "1812", "1813", "1814"}, "interface": {"", "0.0.0.0", "127.0.0.1", "::1"},
		"radius_ip_1": {"10.0.0.1", "10.0.0.0/8", "10.0.0.0-10.0.0.9"}, "radius_secret_1": {"a-secret", "b-secret"},
		"radius_ip_2": {"10.0.0.1", "10.0.0.7", "10.0.0.0/255.255.255.0", "::/0"}, "radius_secret_2": {"a-secret", "c-secret"},
		"prompt_format": {"", "short"}, "certs": {"", "x"}, "pkey": {"", "y"}, "bogus": {"", "z"},
	},
	"main": {
		"debug": {"", "true"}, "log_auth_events": {"", "true"}, "log_dir": {"", "/tmp", "log"}, "interface": {"", "127.0.0.1"}, "fips_mode": {"", "true"},
		"http_proxy_host": {"", "proxy"}, "http_proxy_port": {"", "8080"}, "client": {"", "ad_client"},
	},
}

func randomFile(r *rand.Rand) string {
	var b strings.Builder
	put := func(header, kind string, more ...string) {
		fmt.Fprintf(&b, "[%s]\n%s", header, strings.Join(more, ""))
		for _, name := range slices.Sorted(maps.Keys(choices[kind])) {
			values := choices[kind][name]
			if v := values[r.IntN(len(values))]; v != "" {
				fmt.Fprintf(&b, "%s=%s\n", name, v)
			}
		}
	}
	put("main", "main")
	put("ad_client", "ad_client")
	put("radius_client", "radius_client")
	b.WriteString("[duo_only_client]\n")
	for i := range 1 + r.IntN(4) {
		kind := serverKinds[r.IntN(len(serverKinds))]
		client := []string{"ad_client", "radius_client", "duo_only_client"}[r.IntN(3)]
		put(fmt.Sprint(kind, i+2), "radius_server", "client="+client+"\n")
	}
	return b.String()
}

// TestRandom: whatever options come together, the output passes check, and each option is spoken of.
func TestRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	file := filepath.Join(t.TempDir(), "duoradiusd.toml")
	for range 150 {
		text := randomFile(r)
		result, err := Import("authproxy.cfg", []byte(text), Options{})
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if err := os.WriteFile(file, []byte(result.TOML), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := conf.Load(file); err != nil {
			t.Fatalf("%v\n%s\n%s", err, text, result.TOML)
		}
		everyOption(t, []byte(text), result)
		if t.Failed() {
			t.Fatalf("%s\n%s", text, result.Summary)
		}
	}
}
