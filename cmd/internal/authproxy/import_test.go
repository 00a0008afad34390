package authproxy

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"duoradiusd/conf"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden imports every testdata/NAME.cfg. NAME.toml and NAME.summary are what comes of it, or NAME.problems.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.cfg")
	if err != nil || len(files) < 12 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		base := strings.TrimSuffix(file, ".cfg")
		t.Run(filepath.Base(base), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r, err := Import(filepath.Base(file), text, Options{})
			if err != nil {
				golden(t, base+".problems", err.Error()+"\n")
				shows(t, text, err.Error())
				return
			}
			golden(t, base+".toml", r.TOML)
			golden(t, base+".summary", r.Summary)
			shows(t, text, r.Summary)
			everyOption(t, text, r)
			passesCheck(t, r)
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s", file, got)
	}
}

// shows fails if what is printed holds one of the file's secrets.
func shows(t *testing.T, text []byte, printed string) {
	t.Helper()
	p, _ := parse(text)
	for _, s := range p.sections {
		for _, o := range s.options {
			if isSecret(o) && strings.Contains(printed, o.value) {
				t.Errorf("line %d: the secret is shown", o.line)
			}
		}
	}
}

func isSecret(o *option) bool {
	for _, word := range []string{"skey", "secret", "password"} {
		if strings.Contains(o.name, word) && !strings.Contains(o.name, "length") {
			return len(o.value) > 5
		}
	}
	return false
}

// everyOption fails if an option is not spoken of in the summary or in the TOML.
func everyOption(t *testing.T, text []byte, r *Result) {
	t.Helper()
	p, _ := parse(text)
	for _, s := range p.sections {
		for _, o := range s.options {
			for what, printed := range map[string]string{"summary": r.Summary, "TOML": r.TOML} {
				if !strings.Contains(printed, show(o.name)) {
					t.Errorf("line %d: %s is not in the %s", o.line, o.name, what)
				}
			}
		}
	}
}

// passesCheck loads the TOML as the daemon does, once the files are there that the summary says are to be brought.
func passesCheck(t *testing.T, r *Result) {
	t.Helper()
	dir := t.TempDir()
	text := r.TOML
	var tree map[string]any
	if _, err := toml.Decode(text, &tree); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, absolute := range []string{"/etc/duo/ca.pem", "/etc/ssl/ad.pem"} {
		text = strings.ReplaceAll(text, str(absolute), str("ad-ca.pem"))
	}
	pem, err := os.ReadFile("testdata/ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"duoradiusd.toml": text, "ad-ca.pem": string(pem),
		"duo.skey": "skey", "ad_client.password": "password", "ad_client2.password": "password",
		"radius_server_auto.secret": "secret", "radius_server_auto2.secret": "secret",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conf.Load(filepath.Join(dir, "duoradiusd.toml")); err != nil {
		t.Errorf("duoradiusd check: %v\n%s", err, text)
	}
}

// TestDeterministic: the same file makes the same output.
func TestDeterministic(t *testing.T) {
	text, err := os.ReadFile("testdata/several.cfg")
	if err != nil {
		t.Fatal(err)
	}
	first, err := Import("several.cfg", text, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		r, err := Import("several.cfg", text, Options{})
		if err != nil || r.TOML != first.TOML || r.Summary != first.Summary {
			t.Fatalf("%v; another time:\n%s", err, r.TOML)
		}
	}
}

// TestSecretsDir: each secret in a file of its own, none in the TOML.
func TestSecretsDir(t *testing.T) {
	text, err := os.ReadFile("testdata/several.cfg")
	if err != nil {
		t.Fatal(err)
	}
	r, err := Import("several.cfg", text, Options{Secrets: "secrets"})
	if err != nil {
		t.Fatal(err)
	}
	shows(t, text, r.TOML)
	if r.Inline {
		t.Error("it says that secrets stand in the TOML")
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "secrets"), 0o700); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, f := range r.Files {
		if seen[f.Name] {
			t.Errorf("%s twice", f.Name)
		}
		seen[f.Name] = true
		if err := os.WriteFile(filepath.Join(dir, "secrets", f.Name), []byte(f.Content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pem, err := os.ReadFile("testdata/ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(dir, "ad-ca.pem"), pem, 0o600)
	file := filepath.Join(dir, "duoradiusd.toml")
	os.WriteFile(file, []byte(r.TOML), 0o600)
	c, err := conf.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range c.FirstFactors {
		if f.Name == "ad_client" && f.BindPassword.Reveal() != `p4ss"w\rd` {
			t.Error("the password of ad_client is another one")
		}
	}
	if got := c.Clients[0].Secret.Reveal(); got != "first-clients-secret" {
		t.Error("the first client's secret is another one")
	}
}

func TestTooLarge(t *testing.T) {
	_, err := Import("big.cfg", make([]byte, MaxSize+1), Options{})
	var problems Problems
	if !errors.As(err, &problems) || len(problems) == 0 || !strings.Contains(problems[0], "more than 1024 KiB") {
		t.Errorf("got %v", err)
	}
}

// FuzzImport: whatever the file holds, there is no panic, the output is TOML, and no secret is printed.
func FuzzImport(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.cfg")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := Import("authproxy.cfg", text, Options{})
		if err != nil {
			if strings.ContainsFunc(err.Error(), func(c rune) bool { return c < ' ' && c != '\n' }) {
				t.Errorf("a control character: %q", err)
			}
			return
		}
		var tree map[string]any
		if _, err := toml.Decode(r.TOML, &tree); err != nil {
			t.Fatalf("%v\n%s", err, r.TOML)
		}
		if strings.ContainsFunc(r.Summary, func(c rune) bool { return c < ' ' && c != '\n' }) {
			t.Errorf("a control character in the summary: %q", r.Summary)
		}
		file := filepath.Join(t.TempDir(), "duoradiusd.toml")
		if err := os.WriteFile(file, []byte(r.TOML), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := conf.Load(file); err != nil && !strings.Contains(err.Error(), "no such file") {
			t.Errorf("%v\n%s", err, r.TOML)
		}
	})
}
