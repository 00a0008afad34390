package conf

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestC9_UpstreamSecret: nor does an upstream server share a client's.
func TestC9_UpstreamSecret(t *testing.T) {
	t.Chdir(files(t, map[string]string{"x.toml": minimal + `
[[first_factor]]
name = "nps"
type = "radius"
servers = ["nps.example.com"]
secret_file = "nps.secret"

[[first_factor]]
name = "idle"
type = "radius"
servers = ["idle.example.com"]
secret = "0123456789abcdef"

[[first_factor]]
name = "other"
type = "radius"
servers = ["other.example.com"]
secret = "0123456789abcdef"

[[first_factor]]
name = "short"
type = "radius"
servers = ["short.example.com"]
secret = "fifteen octets "
`, "nps.secret": "a long enough secret\n"}))
	c, err := Load("x.toml")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`x.toml:24: first_factor "nps" secret_file: the same as that of client "vpn"; want one for each`,
		`x.toml:36: first_factor "other" secret: the same as that of first factor "idle"; want one for each`,
		`x.toml:42: first_factor "short" secret: shorter than 16 octets; want a random one that is longer`,
	}
	if !slices.Equal(c.Warnings, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(c.Warnings, "\n"), strings.Join(want, "\n"))
	}
}

// TestC3_C9_Secrets: a secret is never empty, warned about when it is short, and may be long; no two clients share one
// (RFC 2865 §3, RFC 3579 §4.3.4).
func TestC3_C9_Secrets(t *testing.T) {
	for _, tt := range []struct {
		one, two string
		want     string // part of the only problem or warning; "" for none
	}{
		{"", "another that is long enough", `client "one" secret: empty`},
		{strings.Repeat("x", 12), "another that is long enough", `client "one" secret: shorter than 16 octets`},
		{strings.Repeat("x", 15), "another that is long enough", `client "one" secret: shorter than 16 octets`},
		{strings.Repeat("x", 16), "another that is long enough", ""},
		{strings.Repeat("x", 64), "another that is long enough", ""},
		{strings.Repeat("x", 253), "another that is long enough", ""},
		{"the same for both of them", "the same for both of them", `client "two" secret: the same as that of client "one"`},
	} {
		t.Chdir(files(t, map[string]string{"x.toml": fmt.Sprintf(`[duo]
api_host = "api-12345678.duosecurity.com"
integration_key = "DIXXXXXXXXXXXXXXXXXX"
secret_key = "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef"
[[client]]
name = "one"
address = ["192.0.2.1"]
secret = %q
first_factor = "none"
[[client]]
name = "two"
address = ["192.0.2.2"]
secret = %q
first_factor = "none"
`, tt.one, tt.two)}))
		c, err := Load("x.toml")
		said := fmt.Sprint(err)
		if err == nil {
			said = strings.Join(c.Warnings, "\n")
		}
		if tt.want == "" && said != "" || !strings.Contains(said, tt.want) || strings.Count(said, "\n") > 0 {
			t.Errorf("%d and %d octets: %q, want %q", len(tt.one), len(tt.two), said, tt.want)
		}
		if tt.one != "" && strings.Contains(said, tt.one) {
			t.Errorf("shows a secret: %q", said)
		}
	}
}

// TestSharedSecretOfMany: one warning names all that share a secret.
func TestSharedSecretOfMany(t *testing.T) {
	text := minimal
	for i := range 3 {
		text += fmt.Sprintf("[[client]]\nname = \"c%d\"\naddress = [\"198.51.100.%d\"]\nsecret = \"one secret for all of them\"\nfirst_factor = \"none\"\n", i, i)
	}
	t.Chdir(files(t, map[string]string{"x.toml": text}))
	c, err := Load("x.toml")
	if err != nil {
		t.Fatal(err)
	}
	const want = `one secret of 3: client "c0", client "c1", client "c2"; want one for each`
	if len(c.Warnings) != 1 || !strings.HasSuffix(c.Warnings[0], " secret: "+want) {
		t.Errorf("got %q, want one that ends in %s", c.Warnings, want)
	}
}
