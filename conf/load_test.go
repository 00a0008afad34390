package conf

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestLoadNoFile(t *testing.T) {
	t.Chdir(t.TempDir())
	_, err := Load("x.toml")
	if got, want := fmt.Sprint(err), "x.toml: open: no such file or directory; want a readable file"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestInclude: what the files list adds up in the order of the patterns, and a file is read once.
func TestInclude(t *testing.T) {
	user := func(name string) string { return fmt.Sprintf("[[user]]\nname = %q\n", name) }
	dir := files(t, map[string]string{
		"etc/x.toml":         "include = [\"z.toml\", \"conf.d/*.toml\", \"*.toml\", \"none/*.toml\", 'ABS/abs.toml']\n" + minimal + user("main"),
		"etc/z.toml":         user("z"),
		"etc/conf.d/b.toml":  user("b"),
		"etc/conf.d/a.toml":  user("a") + "[log]\nlevel = \"error\"\n[state]\ndirectory = \"st\"\n" + user("a2"),
		"etc/conf.d/c.other": "not TOML",
		"abs/abs.toml":       user("abs"),
	})
	main := filepath.Join(dir, "etc/x.toml")
	text, err := os.ReadFile(main)
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.Replace(string(text), "ABS", filepath.Join(dir, "abs"), 1))
	if err := os.WriteFile(main, text, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(main)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, u := range c.Users {
		names = append(names, u.Name)
	}
	if got, want := strings.Join(names, " "), "main z a a2 b abs"; got != want {
		t.Errorf("users %s, want %s", got, want)
	}
	if got, want := c.State.Directory, filepath.Join(dir, "etc/conf.d/st"); got != want {
		t.Errorf("state directory %s, want %s", got, want)
	}

	// Names in problems are joined to the path as it was given.
	t.Chdir(dir)
	if err := os.WriteFile("etc/conf.d/b.toml", []byte("[[user]]\nname = \"a\"\n[log]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Load("etc/x.toml")
	want := `etc/conf.d/b.toml:2: user "a" name: "a" a second time; want each name and alias once, the first is at etc/conf.d/a.toml:2
etc/conf.d/b.toml:3: log: given a second time; want it once, the first is at etc/conf.d/a.toml:3`
	if got := fmt.Sprint(err); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestWarnings(t *testing.T) {
	t.Chdir(files(t, map[string]string{"x.toml": `[duo]
api_host = "api-12345678.duosecurity.com"
integration_key = "DIXXXXXXXXXXXXXXXXXX"
secret_key = "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef"
failmode = "safe"

[[client]]
name = "vpn"
address = ["192.0.2.10", "::/0", "0.0.0.0/0"]
secret = "hunter2"
first_factor = "none"
timeout = "5s"
omit_reply_message_authenticator = true

[[client]]
name = "gateway"
address = ["192.0.2.11"]
secret = "hunter2"
first_factor = "none"
failmode = "safe"

[[rule]]
failmode = "safe"

[username]
case = "keep"
unlisted = "first-factor"

[[client]]
name = "wall"
address = ["192.0.2.12"]
secret = "0123456789 0123456789 0123456789"
first_factor = "none"
profile = "sonicwall"
`}))
	c, err := Load("x.toml")
	if err != nil {
		t.Fatal(err)
	}
	const safe = `failmode: "safe": whoever can block the way to Duo needs no second factor; want "secure" where that matters`
	const unchecked = `first_factor: "none", beside unlisted = "first-factor": every unknown name is accepted and nothing is checked; want a [[first_factor]], or unlisted = "ask"`
	want := []string{
		"x.toml:5: duo." + safe,
		"x.toml:9: client \"vpn\" address[1]: ::/0, everybody; want the addresses of the client",
		"x.toml:9: client \"vpn\" address[2]: 0.0.0.0/0, everybody; want the addresses of the client",
		"x.toml:10: client \"vpn\" secret: shorter than 16 octets; want a random one that is longer",
		"x.toml:11: client \"vpn\" " + unchecked,
		"x.toml:12: client \"vpn\" timeout: \"5s\"; want at least 10s, because nobody can answer a push in less",
		"x.toml:13: client \"vpn\" omit_reply_message_authenticator: true: replies can be forged (CVE-2024-3596); want it only for clients that drop replies otherwise",
		"x.toml:18: client \"gateway\" secret: shorter than 16 octets; want a random one that is longer",
		`x.toml:18: client "gateway" secret: the same as that of client "vpn"; want one for each`,
		"x.toml:19: client \"gateway\" " + unchecked,
		"x.toml:20: client \"gateway\" " + safe,
		"x.toml:23: rule #1 " + safe,
		`x.toml:27: username.unlisted: "first-factor", beside case = "keep": a user who types ALICE for alice needs no second factor; want case = "fold"`,
		"x.toml:32: client \"wall\" secret: longer than SonicWall accepts; want 31 octets at most",
		"x.toml:33: client \"wall\" " + unchecked,
	}
	if !slices.Equal(c.Warnings, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(c.Warnings, "\n"), strings.Join(want, "\n"))
	}
}

func TestLoad100kUsers(t *testing.T) {
	n := 100_000
	if testing.Short() {
		n = 10_000
	}
	text := manyUsers(n)
	c := load(t, text)
	if len(c.Users) != n || len(c.Clients) != 2 || len(c.Warnings) > 0 {
		t.Fatalf("%d users, %d clients, warnings %q", len(c.Users), len(c.Clients), c.Warnings)
	}
	for i, u := range c.Users {
		if u.Name != fmt.Sprintf("user%06d", i) || len(u.Services) != 2 {
			t.Fatalf("user %d: %+v", i, u)
		}
	}
}

// TestProblemInLargeFile: a problem in the last of many thousand users has its line and its name.
func TestProblemInLargeFile(t *testing.T) {
	const n = 16000
	text := manyUsers(n)
	lines := strings.Count(text, "\n")
	got := problems(t, map[string]string{"x.toml": strings.Replace(text, fmt.Sprintf("laptop %d\"", n-1), "laptop\"\naliases = [\"user000000\", 5]\nremembr = \"1h\"", 1)})
	first := 2 + strings.Count(text[:strings.Index(text, "[[user]]")], "\n")
	want := fmt.Sprintf(`x.toml:%[1]d: user "%[4]s" aliases[0]: "user000000" a second time; want each name and alias once, the first is at x.toml:%[2]d
x.toml:%[1]d: user "%[4]s" aliases[1]: an integer; want a string
x.toml:%[3]d: user "%[4]s" remembr: unknown key "remembr"; did you mean "remember"?`, lines, first, lines+1, fmt.Sprintf("user%06d", n-1))
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestProblemsAreSortedAndUnique(t *testing.T) {
	f, g := &file{name: "a.toml", text: "x = 1\ny = 2\n"}, &file{name: "b.toml", text: "\n\nx = 1\n"}
	at := func(f *file, key string) place { return place{file: f, index: -1, key: key} }
	got := render([]finding{
		{at: at(g, "x"), text: "1; the first is at ", first: &place{file: f, index: -1, key: "y"}},
		{at: at(f, "y"), text: "2; want 1"},
		{at: at(f, "x"), text: "1; want 2"},
		{at: at(f, "y"), text: "2; want 1"},
		{at: place{file: f, table: "none", index: 3, key: "z"}, text: "missing; want it"},
	})
	want := []string{
		"a.toml:1: none #4 z: missing; want it",
		"a.toml:1: x: 1; want 2",
		"a.toml:2: y: 2; want 1",
		"b.toml:3: x: 1; the first is at a.toml:2",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestNearest(t *testing.T) {
	words := []string{"name", "timeout", "mode", "ca", "secret_key", "remember"}
	for s, want := range map[string]string{
		"tmeout": "timeout", "timeuot": "timeout", "nmae": "name", "mod": "mode", "modus": "mode", "cas": "ca",
		"secretkey": "secret_key", "rememberme": "remember", "x": "", "xyz": "", "colour": "", "": "",
	} {
		if got := nearest(s, words); got != want {
			t.Errorf("%s: %q, want %q", s, got, want)
		}
	}
}

func TestQuote(t *testing.T) {
	for s, want := range map[string]string{
		"plain":                       `"plain"`,
		"two\nlines\x1b":              `"two\nlines\x1b"`,
		strings.Repeat("é", 61):       `"` + strings.Repeat("é", 60) + `..."`,
		"http://user:word@proxy:3128": `"http:..."`,
		"alice@example.com":           `"alice@example.com"`,
	} {
		if got := quote(s); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestHostPort(t *testing.T) {
	for s, want := range map[string]bool{
		"api-12345678.duosecurity.com": true, "localhost:8443": true, "127.0.0.1": true, "127.0.0.1:443": true, "[::1]": true, "[::1]:443": true,
		"": false, ":443": false, "a:": false, "a:0": false, "a:65536": false, "::1": false, "[::1": false, "[::1]443": false, "[::1]:": false,
		"[127.0.0.1]:443": false, "[fe80::1%eth0]:443": false, "a..b": false, "-a": false, "a_b": false, "a/b": false, "a b": false,
		strings.Repeat("a", 64): false, strings.Repeat("a.", 130): false,
	} {
		if got := isHostPort(s); got != want {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
	}
}

// FuzzConfig: whatever the decoder accepts, the readers make a Config or Problems of it.
func FuzzConfig(f *testing.F) {
	bad, _ := filepath.Glob("testdata/bad/*.toml")
	for _, name := range bad {
		if text, err := os.ReadFile(name); err == nil {
			f.Add(string(text))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		l := &loader{whole: true}
		x := &file{name: "x.toml", dir: "/nowhere", text: text}
		var err error
		if x.tree, err = decode(text); err != nil {
			l.syntax(x, err)
		} else {
			l.files = []*file{x}
			l.config()
		}
		for _, line := range append(render(l.problems), render(l.warnings)...) {
			if !strings.HasPrefix(line, "x.toml:") || strings.ContainsAny(line, "\n\x00") || !strings.Contains(line, ": ") {
				t.Errorf("a line in another form: %q", line)
			}
		}
	})
}
