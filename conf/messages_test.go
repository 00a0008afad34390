package conf

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"duoradiusd/policy/messages"
)

// TestMessages loads [messages], whose problems name the file and line where they stand.
func TestMessages(t *testing.T) {
	for _, tt := range []struct {
		name, file string
		problems   []string
		warnings   []string
	}{
		{"right", `denied = "Abgelehnt."`, nil, nil},
		{"empty", ``, nil, nil},
		{"unknown", "\n" + `wrong-pasword = "Falsch."` + "\n" + `xyz = "?"`, []string{
			`de.toml:2: wrong-pasword: unknown message "wrong-pasword"; did you mean "wrong-password"?`,
			`de.toml:3: xyz: unknown message "xyz"; want one that duoradiusd messages prints`}, nil},
		{"no string", `denied = 1`, []string{`de.toml:1: denied: an integer; want a string`}, nil},
		{"a table", "[denied]\nx = 1", []string{`de.toml:1: denied: a table; want a string`}, nil},
		{"unknown variable", `menu-of-user = "Duo: {usr}"`, []string{
			`de.toml:1: menu-of-user: "{usr}", which is no variable of this message; want {user}`}, nil},
		{"missing variables", `answer-push-by-code = "Tippe den Code:"` + "\n" + `enroll = "Melde dich an."`,
			[]string{`de.toml:1: answer-push-by-code: without {code}, what the user must type on the phone; want it in the text`}, nil},
		{"missing variable", `enroll = "Melde dich an."`, nil,
			[]string{`de.toml:1: enroll: without {url}, where the user can enrol; want it in the text`}},
		{"too long", `denied = "` + strings.Repeat("ü", 127) + `"`, nil,
			[]string{`de.toml:1: denied: likely 254 octets long; want 253 at most, as one Reply-Message holds, because some clients show the first one only`}},
		{"too long together", `new-password = "` + strings.Repeat("x", 240) + `"`, nil,
			[]string{`de.toml:1: new-password: together (password-expired, new-password) likely 267 octets long; want 253 at most, as one Reply-Message holds, because some clients show the first one only`,
				`de.toml:1: new-password: together (password-refused, new-password) likely 285 octets long; want 253 at most, as one Reply-Message holds, because some clients show the first one only`,
				`de.toml:1: new-password: together (passwords-differ, new-password) likely 266 octets long; want 253 at most, as one Reply-Message holds, because some clients show the first one only`,
				`de.toml:1: new-password: together (password-empty, new-password) likely 262 octets long; want 253 at most, as one Reply-Message holds, because some clients show the first one only`}},
		{"no TOML", `denied`, []string{`de.toml:1: syntax: `}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(files(t, map[string]string{"x.toml": minimal + "[messages]\nfile = \"de.toml\"\n", "de.toml": tt.file}))
			c, err := Load("x.toml")
			var problems, warnings []string
			if err != nil {
				problems = strings.Split(err.Error(), "\n")
			} else {
				warnings = c.Warnings
			}
			// The file of messages is named with its whole path.
			for _, list := range [][]string{problems, warnings} {
				for i, s := range list {
					path, rest, _ := strings.Cut(s, ": ")
					list[i] = filepath.Base(path) + ": " + rest
				}
			}
			sameLines(t, problems, tt.problems)
			sameLines(t, warnings, tt.warnings)
		})
	}
}

// sameLines compares lines in any order; a wanted one may be the start of what is got.
func sameLines(t *testing.T, got, want []string) {
	t.Helper()
	slices.Sort(got)
	want = slices.Sorted(slices.Values(want))
	if len(got) != len(want) || slices.ContainsFunc(want, func(w string) bool {
		return !slices.ContainsFunc(got, func(g string) bool { return strings.HasPrefix(g, w) })
	}) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestMessagesFileMissing(t *testing.T) {
	t.Chdir(files(t, map[string]string{"x.toml": minimal + "[messages]\nfile = \"de.toml\"\n"}))
	if _, err := Load("x.toml"); err == nil || !strings.Contains(err.Error(), `messages.file: "de.toml": no such file or directory; want a readable file of messages`) {
		t.Errorf("got %v", err)
	}
}

// TestShippedMessages: the languages that ship are complete, and check finds nothing about them.
func TestShippedMessages(t *testing.T) {
	names, err := filepath.Glob("messages/*.toml")
	if err != nil || len(names) < 3 {
		t.Fatalf("%d files: %v", len(names), err)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			path, err := filepath.Abs(name)
			if err != nil {
				t.Fatal(err)
			}
			t.Chdir(files(t, map[string]string{"x.toml": minimal + "[messages]\nfile = '" + path + "'\n"}))
			c, err := Load("x.toml")
			if err != nil {
				t.Fatal(err)
			}
			if len(c.Warnings) > 0 {
				t.Errorf("warnings:\n%s", strings.Join(c.Warnings, "\n"))
			}
			for _, m := range messages.All() {
				switch text, ok := c.Messages[m.ID]; {
				case !ok:
					t.Errorf("no %s", m.ID)
				case text == m.Text && len(text) > 20: // shorter ones may read the same
					t.Errorf("%s is not translated: %q", m.ID, text)
				}
			}
		})
	}
}
