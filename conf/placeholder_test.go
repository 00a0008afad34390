package conf

import (
	"os"
	"path/filepath"
	"testing"
)

// TestExampleHostAlone is no problem: whether it answers is for check to say.
func TestExampleHostAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "duoradiusd.toml")
	text := `[duo]
api_host = "api-xxxxxxxx.duosecurity.com"
integration_key = "DIXXXXXXXXXXXXXXXXXX"
secret_key = "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef"

[[client]]
name = "vpn"
address = ["192.0.2.10"]
secret = "0123456789abcdef"
first_factor = "none"
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(file); err != nil {
		t.Error(err)
	}
}
