package test

import (
	"strings"
	"testing"
)

func TestComplete(t *testing.T) {
	t.Parallel()
	given := "[[client]]\nname = \"lab\"\nsecret_env = \"LAB\"\n\n[guard]\nreject_delay = \"1s\"\npushes = 2\n"
	got := complete(given, nil)
	for _, want := range []string{
		"[[client]]\naddress = [\"127.0.0.1\"]\nfirst_factor = \"none\"\nname = \"lab\"\nsecret_env = \"LAB\"\n",
		"[guard]\nreject_delay = \"1s\"\npushes = 2\n",
		"[duo]\napi_host = \"api-00000000.duosecurity.com\"\n",
		"[[listen]]\naddress = \"127.0.0.1:0\"\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no\n%s\nin\n%s", want, got)
		}
	}
	if again := complete(got, nil); again != got {
		t.Errorf("once more changes it:\n%s", again)
	}
}

// TestSecretsShown: the harness finds each secret in the log. If it overlooked one, every leak would pass.
func TestSecretsShown(t *testing.T) {
	t.Parallel()
	d := &daemon{}
	d.forbid(secretsIn("[[client]]\n  secret = \"hush-hush\"\nsecret_file = \"vpn.secret\"\n")...)
	d.forbidTyped("one,two-words,123456")
	shown := d.secretsShown([]string{
		"secret_file vpn.secret one", "password two-words", "code=123456", "secret hush-hush",
	})
	if got := strings.Join(shown, " "); got != "hush-hush two-words 123456" {
		t.Errorf("got %q", got)
	}
}
