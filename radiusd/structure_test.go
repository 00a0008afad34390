package radiusd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestM9_ConstantTime: authenticators are compared in constant time only. The only comparison by == is that of Request
// Authenticators, which are not secret, because they stand in the packet.
func TestM9_ConstantTime(t *testing.T) {
	names, err := filepath.Glob("*.go")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	codec, err := filepath.Glob("wire/*.go")
	if err != nil || len(codec) == 0 {
		t.Fatal(codec, err)
	}
	names = append(names, codec...)
	hmacEqual := 0
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, forbidden := range []string{"bytes.Equal", "bytes.Compare", "IsAuthenticResponse", "IsAuthenticRequest", "reflect.DeepEqual"} {
			if strings.Contains(string(b), forbidden) {
				t.Errorf("%s: %s", name, forbidden)
			}
		}
		hmacEqual += strings.Count(string(b), "hmac.Equal")
	}
	if hmacEqual == 0 {
		t.Error("hmac.Equal is used nowhere")
	}
}
