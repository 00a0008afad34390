package conf

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOpenDoorsAreNamed: what a configuration leaves open is said when it is loaded.
func TestOpenDoorsAreNamed(t *testing.T) {
	const safe = `
[duo]
api_host = "api-12345678.duosecurity.com"
integration_key = "DI1234567890ABCDEFGH"
secret_key = "abcdefabcdefabcdefabcdefabcdefabcdefabcd"
[[client]]
name = "vpn"
address = ["198.51.100.7"]
secret = "a long enough secret of a client"
first_factor = "nps"
message_authenticator = "require"
[[first_factor]]
name = "nps"
type = "radius"
servers = ["127.0.0.1:18120"]
secret = "a long enough secret of a server"
[[user]]
name = "alice"
[[rule]]
networks = ["10.0.0.0/8"]
[[rule]]
second_factor = "deny"
`
	for _, tt := range []struct {
		name     string
		mode     os.FileMode
		from, to string
		want     string // in the one warning
	}{
		{"safe", 0o640, "", "", ""},
		{"readable", 0o644, "", "", "everybody can read"},
		{"unlisted", 0o600, "[[user]]", "[username]\nunlisted = \"first-factor\"\n[[user]]", `unlisted = "first-factor"`},
		{"networks", 0o600, "message_authenticator = \"require\"\n", "", "networks"},
		{"probe", 0o600, "first_factor = \"nps\"", "first_factor = \"nps\"\nprobe_users = [\"monitor\"]\nprobe_answer = \"accept\"\nprobe_password = \"a probe's own word\"", "is accepted without Duo under that name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "x.toml")
			if err := os.WriteFile(file, []byte(strings.Replace(safe, tt.from, tt.to, 1)), tt.mode); err != nil {
				t.Fatal(err)
			}
			c, err := Load(file)
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == "" && len(c.Warnings) > 0 || tt.want != "" && (len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], tt.want)) {
				t.Errorf("warnings: %q, want %q", c.Warnings, tt.want)
			}
		})
	}
}

// TestClientsOfOneAddress: listeners or attributes tell them apart, and then Message-Authenticator is required.
func TestClientsOfOneAddress(t *testing.T) {
	c := load(t, `
[duo]
api_host = "api-12345678.duosecurity.com"
integration_key = "DI1234567890ABCDEFGH"
secret_key = "abcdefabcdefabcdefabcdefabcdefabcdefabcd"
[[listen]]
address = "0.0.0.0:1812"
[[listen]]
address = "0.0.0.0:18120"
[[client]]
name = "vpn"
address = ["192.0.2.10"]
listen = ["0.0.0.0:1812"]
secret = "a long enough secret"
first_factor = "none"
[[client]]
name = "console"
address = ["192.0.2.10"]
listen = ["0.0.0.0:18120"]
secret = "another long enough secret"
first_factor = "none"
nas_identifier = ["fw-1"]
[[client]]
name = "rest"
address = ["192.0.2.10"]
listen = ["0.0.0.0:18120"]
secret = "another long enough secret"
first_factor = "none"
`)
	for i, want := range []MessageAuthenticator{Auto, Require, Require} {
		if got := c.Clients[i].MessageAuthenticator; got != want {
			t.Errorf("%s: message_authenticator %q, want %q", c.Clients[i].Name, got, want)
		}
	}
	if len(c.Warnings) != 0 {
		t.Errorf("warnings: %q", c.Warnings)
	}
}
