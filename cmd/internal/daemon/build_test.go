package daemon

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"duoradiusd/conf"
)

const base = `
[duo]
api_host        = "api-12345678.duosecurity.com"
integration_key = "DIXXXXXXXXXXXXXXXXXX"
secret_key      = "0123456789012345678901234567890123456789"
[admin]
socket = ""
[state]
directory = ""
`

func load(t testing.TB, text string) *conf.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "duoradiusd.toml")
	if err := os.WriteFile(file, []byte(base+text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := conf.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestEveryUserIPAttribute: what the configuration takes, the door reads.
func TestEveryUserIPAttribute(t *testing.T) {
	for _, profile := range conf.ProfileNames() {
		c := load(t, `
[[client]]
name = "vpn"
address = ["192.0.2.1"]
secret = "a secret of the client"
first_factor = "none"
profile = "`+profile+`"
`)
		if profile == "generic" {
			c.Clients[0].UserIP = conf.UserIPAttributes
		}
		if _, err := build(c, nil, slog.New(slog.DiscardHandler)); err != nil {
			t.Errorf("%s: %v", profile, err)
		}
	}
}
