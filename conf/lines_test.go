package conf

import (
	"fmt"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

// linesOf scans a text and returns the line of each path.
func linesOf(text string) map[string]int {
	lines := map[string]int{}
	scan(text, func(_ kind, path []byte, pos int) {
		if _, ok := lines[string(path)]; !ok {
			lines[string(path)] = 1 + strings.Count(text[:pos], "\n")
		}
	})
	return lines
}

func TestLines(t *testing.T) {
	const strings = `# a comment with [[client]] and name = 1
include = ["a", # one ]
  'b' , "c\"]",
] # done
[duo]
"api host" = "x" # [no.table]
'integration.key'='[nothing]'
secret_key = """
[[client]]
name = 'no'
\""" escaped: \\"""
  proxy = '''
[[client]]'''' # one quote belongs to it
`

	const tables = "\ufeff" + `top.deep . key = 1
[[client]]
name = "a"
address = [
  "192.0.2.1",
  [ "nested", # not ] here
    { x = [1, 2], y.z = 2 } ],
]
[client.sub]
"quoted \u0041 \"key\"" = 1
[[ client ]]
  inline = { a = 1, "b c" = { d = """
""", e = [] } }
[[client.list]]
x = 1
[[client.list]]
x = 2979-05-27 07:32:00Z
[client.list.sub]
x = 1
[[other]]
[[client]]
name = 'b'
[client.sub]
`
	want := map[string]int{
		"top": 1, "top.deep": 1, "top.deep.key": 1,
		"client": 2, "client[0]": 2, "client[0].name": 3,
		"client[0].address": 4, "client[0].address[0]": 5, "client[0].address[1]": 6, "client[0].address[1][0]": 6,
		"client[0].address[1][1]": 7, "client[0].address[1][1].x": 7, "client[0].address[1][1].x[0]": 7,
		"client[0].address[1][1].x[1]": 7, "client[0].address[1][1].y": 7, "client[0].address[1][1].y.z": 7,
		"client[0].sub": 9, `client[0].sub."quoted A \"key\""`: 10,
		"client[1]": 11, "client[1].inline": 12, "client[1].inline.a": 12, `client[1].inline."b c"`: 12,
		`client[1].inline."b c".d`: 12, `client[1].inline."b c".e`: 13,
		"client[1].list": 14, "client[1].list[0]": 14, "client[1].list[0].x": 15,
		"client[1].list[1]": 16, "client[1].list[1].x": 17, "client[1].list[1].sub": 18, "client[1].list[1].sub.x": 19,
		"other": 20, "other[0]": 20,
		"client[2]": 21, "client[2].name": 22, "client[2].sub": 23,
	}
	compare(t, tables, want)
	compare(t, strings, map[string]int{
		"include": 2, "include[0]": 2, "include[1]": 3, "include[2]": 3,
		"duo": 5, `duo."api host"`: 6, `duo."integration.key"`: 7, "duo.secret_key": 8, "duo.proxy": 12,
	})
}

func compare(t *testing.T, text string, want map[string]int) {
	t.Helper()
	if _, err := decode(text); err != nil {
		t.Error(err)
	}
	got := linesOf(text)
	for path, line := range want {
		if got[path] != line {
			t.Errorf("%s: line %d, want %d", path, got[path], line)
		}
	}
	for path, line := range got {
		if _, ok := want[path]; !ok {
			t.Errorf("%s: line %d, want none", path, line)
		}
	}
}

func TestFindLines(t *testing.T) {
	wanted := map[string]int{"a": 0, "t[1].b": 0, "t[7].b": 0}
	findLines("a = 1\n[[t]]\nb = 1\n[[t]]\n\nb = 2\n", wanted)
	if want := "map[a:1 t[1].b:6 t[7].b:0]"; fmt.Sprint(wanted) != want {
		t.Errorf("got %v, want %s", wanted, want)
	}
}

// paths lists what the decoder has made of a text, in the form that the scanner uses.
func paths(prefix string, v any) []string {
	var out []string
	switch v := v.(type) {
	case map[string]any:
		for key, v := range v {
			path := string(appendKey(nil, key))
			if prefix != "" {
				path = prefix + "." + path
			}
			out = append(append(out, path), paths(path, v)...)
		}
	case []map[string]any:
		for i, v := range v {
			out = append(append(out, nth(prefix, i)), paths(nth(prefix, i), v)...)
		}
	case []any:
		for i, v := range v {
			out = append(append(out, nth(prefix, i)), paths(nth(prefix, i), v)...)
		}
	}
	return out
}

// FuzzLines: the scanner never panics, and has a line for every key that the decoder finds.
func FuzzLines(f *testing.F) {
	f.Add(Example)
	f.Add(minimal)
	f.Add("a.b.c = 1\n[[x.y]]\n[x.y.z]\n'q.r' = {a = [{b = 1}], c.d = ''}\n")
	f.Add("a = \"\"\"x\\\"\"\"\"\"\nb = '''''''\nc = \"\\\"\" # '\n")
	f.Add("[a]\nb = [ [1, 2], # ]\n ['x]'] ]\nc = 1979-05-27 07:32:00\r\n")
	f.Add("\"\\u00e9\\x41\\e\" = 1\n\"\" = 2\n'' . x = 3\n")
	f.Add("[[a]]\nb.c = 1\n[a.d]\n[[a]]\nb.c = 2\n")
	f.Add("x = {a = 1, # comment }\n b = 2,\n}\n")
	f.Fuzz(func(t *testing.T, text string) {
		lines := linesOf(text)
		last := 1 + strings.Count(text, "\n")
		for path, line := range lines {
			if line < 1 || line > last {
				t.Errorf("%s: line %d of %d", path, line, last)
			}
		}
		tree, err := decode(text)
		if err != nil {
			return
		}
		for _, path := range paths("", tree) {
			if lines[path] == 0 {
				t.Errorf("%s: no line", path)
			}
		}
		plain := map[string]bool{}
		for path := range lines {
			plain[withoutIndexes(path)] = true
		}
		var again map[string]any
		md, _ := toml.Decode(text, &again)
		for _, key := range md.Keys() {
			var path []byte
			for i, part := range key {
				if i > 0 {
					path = append(path, '.')
				}
				path = appendKey(path, part)
			}
			if !plain[string(path)] {
				t.Errorf("%s: no line for this of the decoder's keys", path)
			}
		}
	})
}

// withoutIndexes makes client.secret of client[1].secret.
func withoutIndexes(path string) string {
	var b strings.Builder
	quoted, index := false, false
	for i := 0; i < len(path); i++ {
		c := path[i]
		switch {
		case quoted && c == '\\':
			b.WriteString(path[i : i+2])
			i++
			continue
		case c == '"':
			quoted = !quoted
		case c == '[' && !quoted:
			index = true
		}
		if !index {
			b.WriteByte(c)
		}
		if c == ']' && !quoted {
			index = false
		}
	}
	return b.String()
}

// TestMistakesFarDown: the line of a mistake is known in a large file too.
func TestMistakesFarDown(t *testing.T) {
	text := strings.TrimSpace(minimal) + "\n" + strings.Repeat("[[user]]\nname = \"x\"\ncomment = \""+strings.Repeat("x", 4000)+"\"\n", (1<<20)/4000)
	last := strings.Count(text, "\n")
	user := 1 + strings.Count(text[:strings.Index(text, "[[user]]")], "\n")
	for _, x := range []struct {
		name, tail string
		line       int
		want       string
	}{
		{"table twice", "[duo]\n", 1, "duo: given a second time; want it once, the first is at x.toml:1"},
		{"list and table", "[user]\n", 1, fmt.Sprintf("user: given a second time; want it once, the first is at x.toml:%d", user)},
		{"syntax", "[[user]]\nname = \"x\n", 2, "syntax: a string that does not end on its line; want its closing quote"},
	} {
		t.Run(x.name, func(t *testing.T) {
			got := problems(t, map[string]string{"x.toml": text + x.tail})
			if want := fmt.Sprintf("x.toml:%d: %s", last+x.line, x.want); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// TestTwiceNamesItsTable: a key that stands twice is named as in every other problem, by the name of its table, although the
// decoder reads nothing of such a file.
func TestTwiceNamesItsTable(t *testing.T) {
	for _, x := range []struct{ name, text, want string }{
		{"name above", "[[client]]\nname = \"a\"\n[[client]]\nname = \"vpn\"\ntimeout = \"9s\"\ntimeout = \"9s\"\n", `6: client "vpn" timeout`},
		{"name below", "[[client]]\nname = \"a\"\n[[client]]\ntimeout = \"9s\"\ntimeout = \"9s\"\nname = 'vpn' # a remark\n", `5: client "vpn" timeout`},
		{"name twice", "[[client]]\nname = \"a\"\nname = \"b\"\n", `3: client "a" name`},
		{"no name", "[[rule]]\n[[rule]]\nfactors = []\nfactors = []\n", `4: rule #2 factors`},
		{"no string", "[[client]]\nname = 7\ntimeout = 1\ntimeout = 2\n", `4: client #1 timeout`},
		{"table", "[[user]]\nname = \"jo\"\n[user.attributes]\n[user.attributes]\n", `4: user "jo" attributes`},
		{"key of a table", "[[user]]\nname = \"jo\"\n[user.attributes]\nClass = 1\nClass = 2\n", `5: user "jo" attributes.Class`},
		{"inline", "client = [{name = \"a\"}, {name = \"vpn\", mode = \"auto\", mode = \"auto\"}]\n", `1: client "vpn" mode`},
		{"alone", "[duo]\nca = 1\nca = 2\n", `3: duo.ca`},
		{"the value is a secret's", "[[client]]\nname = \"vpn\"\nsecret.hunter2 = 1\nsecret.hunter2 = 2\n", `4: client "vpn" secret`},
	} {
		t.Run(x.name, func(t *testing.T) {
			got := problems(t, map[string]string{"x.toml": x.text})
			if want := "x.toml:" + x.want + ": given a second time; want it once, the first is at x.toml:"; !strings.HasPrefix(got, want) {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}
