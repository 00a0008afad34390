package conf

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSecretIsNeverShown(t *testing.T) {
	const value = "hunter2hunter2hunter2"
	s := NewSecret(value)
	type exported struct{ Secret Secret }
	type hidden struct{ secret Secret } // fmt can't call the methods of what is in here
	things := []any{
		s, &s, exported{s}, &exported{s}, hidden{s}, &hidden{s}, []Secret{s}, map[string]Secret{"a": s}, []any{s}, map[Secret]int{s: 1},
		Client{Secret: s}, &Config{Duo: &Duo{SecretKey: s}, Clients: []Client{{Secret: s}}},
	}
	hex := fmt.Sprintf("%x", value)
	check := func(how, got string) {
		t.Helper()
		if strings.Contains(got, "hunter2") || strings.Contains(strings.ToLower(got), hex) {
			t.Errorf("%s shows it: %s", how, got)
		}
	}
	for _, thing := range things {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%20s", "%p", "%T", "%b", "%t"} {
			check(verb, fmt.Sprintf(verb, thing))
		}
		check("Sprint", fmt.Sprint(thing))
		check("errors", fmt.Errorf("x: %v", thing).Error())
		if out, err := json.Marshal(thing); err == nil {
			check("JSON", string(out))
		}
		var text, js bytes.Buffer
		slog.New(slog.NewTextHandler(&text, nil)).Info("x", "thing", thing)
		slog.New(slog.NewJSONHandler(&js, nil)).Info("x", "thing", thing)
		check("slog text", text.String())
		check("slog JSON", js.String())
	}
	text, _ := s.MarshalText()
	if got, want := fmt.Sprint(s)+" "+string(text)+" "+s.LogValue().String(), "(secret) (secret) (secret)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if s.Reveal() != value || (Secret{}).Reveal() != "" {
		t.Errorf("Reveal: %q %q", s.Reveal(), (Secret{}).Reveal())
	}
}

// TestSecretForms: what the file holds is the secret but for one line end.
func TestSecretForms(t *testing.T) {
	t.Setenv("CONF_TEST_SECRET", " from the environment\n")
	creds := files(t, map[string]string{"vpn": "from systemd, really"})
	t.Setenv("CREDENTIALS_DIRECTORY", creds)
	for _, x := range []struct{ form, file, want string }{
		{`secret = "a secret of the file"`, "", "a secret of the file"},
		{`secret_env = "CONF_TEST_SECRET"`, "", " from the environment\n"},
		{`secret_file = "${CREDENTIALS_DIRECTORY}/vpn"`, "", "from systemd, really"},
		{`secret_file = "sub/x.secret"`, "0123456789abcdef", "0123456789abcdef"},
		{`secret_file = "sub/x.secret"`, "0123456789abcdef\n", "0123456789abcdef"},
		{`secret_file = "sub/x.secret"`, "0123456789abcdef\r\n", "0123456789abcdef"},
		{`secret_file = "sub/x.secret"`, "0123456789abcdef\n\n", "0123456789abcdef\n"},
		{`secret_file = "sub/x.secret"`, "0123456789abcdef\r", "0123456789abcdef\r"},
		{`secret_file = "sub/x.secret"`, " 0123456789abcdef ", " 0123456789abcdef "},
		{`secret_file = "sub/x.secret"`, strings.Repeat("x", maxSecretFile), strings.Repeat("x", maxSecretFile)},
	} {
		dir := files(t, map[string]string{
			"x.toml":       strings.Replace(minimal, `secret       = "a long enough secret"`, x.form, 1),
			"sub/x.secret": x.file,
		})
		c, err := Load(filepath.Join(dir, "x.toml"))
		if err != nil {
			t.Errorf("%s: %v", x.form, err)
			continue
		}
		if got := c.Clients[0].Secret.Reveal(); got != x.want || len(c.Warnings) > 0 {
			t.Errorf("%s of %.20q: got %.20q, want %.20q; warnings %q", x.form, x.file, got, x.want, c.Warnings)
		}
	}
}

func TestSecretFileTooLarge(t *testing.T) {
	got := problems(t, map[string]string{
		"x.toml": strings.Replace(minimal, `secret       = "a long enough secret"`, `secret_file = "large"`, 1),
		"large":  strings.Repeat("x", maxSecretFile+1),
	})
	want := "x.toml:10: client \"vpn\" secret_file: a file of more than 64 KiB; want one that holds the secret and nothing else"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestSecretFileForEverybody(t *testing.T) {
	dir := files(t, map[string]string{
		"x.toml": strings.Replace(minimal, `secret       = "a long enough secret"`, `secret_file = "x"`, 1),
		"x":      "0123456789abcdef",
	})
	if err := os.Chmod(filepath.Join(dir, "x"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	c, err := Load("x.toml")
	if err != nil {
		t.Fatal(err)
	}
	want := "x.toml:10: client \"vpn\" secret_file: a file that everybody can read; want chmod 600, or 640 for the daemon's group"
	if got := strings.Join(c.Warnings, "\n"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestErrorsShowNoSecret breaks a file full of secrets in every place and in many ways. No secret has a character that
// is in any of our own words.
func TestErrorsShowNoSecret(t *testing.T) {
	const text = `[duo]
api_host = 5
integration_key = "~^~^ ~^~^"
secret_key = "~^~^~^~^"
[[client]]
secret = "~^~^~^~^~^"
name = "vpn"
mode = "x"
[[client]]
secret_file = '~^~^~^~^'
timeout = 5
[[client]]
secret_env = "~^~^~^"
[[first_factor]]
type = "ldap"
bind_password = """~^~^~^
~^~^"""
[remember]
store = "redis://:~^~^~^@x"
`
	t.Chdir(t.TempDir())
	try := func(text string) {
		t.Helper()
		if err := os.WriteFile("x.toml", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load("x.toml")
		if err == nil {
			t.Fatalf("no problem in %s", text)
		}
		if strings.ContainsAny(err.Error(), "~^") {
			t.Fatalf("a secret in the error:\n%v\nof:\n%s", err, text)
		}
	}
	try(text)
	step := 1 // each octet is changed in turn, with -short each eleventh
	if testing.Short() {
		step = 11
	}
	for i := 0; i < len(text); i += step {
		try(text[:i] + text[i+1:])
		for _, c := range []string{`"`, `'`, "[", "{", "\n", "#", "=", `\`, ",", "\x00", "\xff", `"""`} {
			try(text[:i] + c + text[i:])
		}
	}
}
