package conf

import (
	"slices"
	"strings"
	"testing"
)

// TestCombinedWarnings: what is wrong only beside something else.
func TestCombinedWarnings(t *testing.T) {
	t.Chdir(files(t, map[string]string{"x.toml": minimal + `[[client]]
name = "switch"
address = ["192.0.2.12"]
secret = "one more long enough secret"
first_factor = "none"
profile = "meraki"
message_authenticator = "accept"
remember = "90m"
user_ip = []
factors = ["passcode", "sms"]

[[client]]
name = "token"
address = ["192.0.2.13"]
secret = "the last long enough secret"
first_factor = "none"
mode = "passcode"
factors = ["passcode"]

[[rule]]
name = "challenge"
services = ["switch", "vpn"]
mode = "challenge"

[[rule]]
clients = ["switch", "vpn", "token"]
second_factor = "exempt"
networks = ["203.0.113.0/24"]

[[rule]]
second_factor = "exempt"

[[rule]]
clients = ["vpn"]
factors = ["passcode"]

[[rule]]
clients = ["token"]
mode = "auto"

[[rule]]
clients = ["vpn"]
mode = "auto"
factors = ["passcode"]

[[rule]]
clients = ["vpn"]
factors = ["sms"]

[[rule]]
users = ["not listed, but that is right"]

[remember]
bind_to = []
`}))
	c, err := Load("x.toml")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`x.toml:26: client "switch" remember: "1h30m", beside user_ip = []: without a user's address nothing is remembered; want user_ip, or no remember`,
		`x.toml:28: client "switch" factors: neither push nor phone, beside mode = "auto": only typed codes work; want mode = "passcode"`,
		`x.toml:41: rule "challenge" mode: "challenge", but meraki of client "switch" shows no challenge; want "auto"`,
		`x.toml:46: rule #2 networks: at client "switch", which has message_authenticator = "accept", anybody can claim one of these addresses, so the rule fits only requests with a valid Message-Authenticator; want "require" there`,
		`x.toml:53: rule #4 factors: "passcode", but client "vpn" has mode = "auto": only typed codes work; want mode = "passcode"`,
		`x.toml:57: rule #5 mode: "auto", but client "token" has the factors "passcode": only typed codes work; want mode = "passcode"`,
		`x.toml:62: rule #6 factors: neither push nor phone, beside mode = "auto": only typed codes work; want mode = "passcode"`,
		`x.toml:66: rule #7 factors: "sms" alone, which sends codes that are not accepted; want "passcode" beside it`,
		`x.toml:72: remember.bind_to: empty: an approval counts at every service, client and address; want "user-ip" among them`,
	}
	if !slices.Equal(c.Warnings, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(c.Warnings, "\n"), strings.Join(want, "\n"))
	}
}

// TestFirstFactorWarnings: what is wanted of first factors that cannot give it, while others can.
func TestFirstFactorWarnings(t *testing.T) {
	t.Chdir(files(t, map[string]string{"staff.htpasswd": "", "x.toml": minimal + `[[first_factor]]
name = "directory"
type = "ldap"
urls = ["ldaps://dc1.example.com"]
base_dn = "dc=example,dc=com"

[[first_factor]]
name = "staff"
type = "file"
path = "staff.htpasswd"

[[first_factor]]
name = "nps"
type = "radius"
servers = ["nps.example.com"]
secret = "fedcba9876543210"
message_authenticator = "accept"

[[client]]
name = "switch"
address = ["192.0.2.12"]
secret = "one more long enough secret"
first_factor = "directory"
pass_attributes = ["*"]

[[client]]
name = "desk"
address = ["192.0.2.13"]
secret = "the last long enough secret"
first_factor = "staff"
pass_attributes = ["Reply-Message"]

[[client]]
name = "lab"
address = ["192.0.2.14"]
secret = "the very last secret"
first_factor = "nps"
pass_attributes = ["*"]

[[client]]
name = "door"
address = ["192.0.2.15"]
secret = "the really last secret"
first_factor = "staff"
pass_attributes = ["Class", "Filter-Id"]

[[rule]]
groups = ["admins"]
second_factor = "deny"

[[rule]]
clients = ["switch", "desk"]
groups = ["admins"]

[[rule]]
clients = ["switch"]
groups = ["admins"]

[[reply]]
groups = ["admins"]
attributes = { Class = "admins" }
`}))
	c, err := Load("x.toml")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`x.toml:35: first_factor "nps" message_authenticator: "accept": replies without it can be forged (CVE-2024-3596); want "require", and a server that sends it`,
		`x.toml:42: client "switch" pass_attributes: given, but first_factor = "directory" has nothing to pass; want it for those of type "radius" only`,
		`x.toml:49: client "desk" pass_attributes: given, but first_factor = "staff" has nothing to pass; want it for those of type "radius" only`,
		`x.toml:66: rule #1 groups: never fits at client "vpn", whose first_factor = "none" tells no groups; want clients or services without it`,
		`x.toml:71: rule #2 groups: never fits at client "desk", whose first_factor = "staff" tells no groups; want clients or services without it`,
	}
	if !slices.Equal(c.Warnings, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(c.Warnings, "\n"), strings.Join(want, "\n"))
	}
}

// TestIgnoredPasswordRules: a rule that wants something typed, where what is typed is not looked at.
func TestIgnoredPasswordRules(t *testing.T) {
	t.Chdir(files(t, map[string]string{"x.toml": strings.Replace(minimal, "[[client]]", "[[client]]\nignore_password = true", 1) + `
[[rule]]
mode = "passcode"

[[rule]]
factors = ["passcode"]

[[rule]]
mode = "auto"
factors = ["phone"]
`}))
	c, err := Load("x.toml")
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(c.Warnings, "\n")
	for _, want := range []string{
		`rule #1 mode: "passcode", but client "vpn" has ignore_password = true: what its users type first is ignored; want "auto"`,
		`rule #2 factors: neither push nor phone, but client "vpn" has ignore_password = true: nobody gets in there; want one of them`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no warning says %s:\n%s", want, got)
		}
	}
	if strings.Contains(got, "rule #3") {
		t.Errorf("a rule that fits is warned of:\n%s", got)
	}
}
