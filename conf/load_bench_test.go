package conf

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// manyUsers is a configuration of one client and n users.
func manyUsers(n int) string {
	var b strings.Builder
	b.WriteString(minimal)
	for i := range n {
		fmt.Fprintf(&b, "[[user]]\nname = \"user%06d\"\nduo_user_id = \"DU%018d\"\nservices = [\"vpn\", \"gateway\"]\nremember = \"15m\"\ncomment = \"laptop %d\"\n\n", i, i, i)
	}
	return b.String()
}

const minimal = `
[duo]
api_host        = "api-12345678.duosecurity.com"
integration_key = "DIXXXXXXXXXXXXXXXXXX"
secret_key      = "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef"

[[client]]
name         = "vpn"
address      = ["192.0.2.10"]
secret       = "a long enough secret"
first_factor = "none"

[[client]]
name         = "gateway"
address      = ["192.0.2.11"]
secret       = "another long enough secret"
first_factor = "none"

`

func BenchmarkLoad100kUsers(b *testing.B) {
	path := filepath.Join(b.TempDir(), "duoradiusd.toml")
	text := manyUsers(100_000)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		c, err := Load(path)
		if err != nil {
			b.Fatal(err)
		}
		if len(c.Users) != 100_000 {
			b.Fatal(len(c.Users))
		}
	}
}
