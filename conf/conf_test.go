package conf

import (
	"encoding/pem"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/canonical"
	"duoradiusd/policy/factor"
	"duoradiusd/policy/guard"
)

// files writes a configuration and what it refers to into a folder of its own, and returns that folder.
func files(t testing.TB, texts map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range texts {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// load loads a configuration that has to be good.
func load(t testing.TB, text string) *Config {
	t.Helper()
	c, err := Load(filepath.Join(files(t, map[string]string{"x.toml": text}), "x.toml"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// problems loads a configuration that has to be bad, as x.toml.
func problems(t testing.TB, texts map[string]string) string {
	t.Helper()
	t.Chdir(files(t, texts))
	c, err := Load("x.toml")
	if err == nil {
		t.Fatalf("no problem in %+v", c)
	}
	if _, ok := err.(Problems); !ok {
		t.Fatalf("error is a %T", err)
	}
	return err.Error()
}

// edited is an example in which somebody has put values of their own.
func edited(example string) string {
	return strings.ReplaceAll(example, "api-xxxxxxxx", "api-12345678")
}

func TestExample(t *testing.T) {
	dir := files(t, map[string]string{
		"duoradiusd.toml":  edited(Example),
		"duo.skey":         "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef\n",
		"contractors.skey": "cafecafecafecafecafecafecafecafecafecafe\r\n",
		"vpn.secret":       "0123456789abcdef",
		"staff.htpasswd":   "",
		"ldap.password":    "hunter2",
		"nps.secret":       "fedcba9876543210",
	})
	c, err := Load(filepath.Join(dir, "duoradiusd.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("warnings: %q", c.Warnings)
	}
	if got, want := c.Applications[0].SecretKey.Reveal(), "cafecafecafecafecafecafecafecafecafecafe"; got != want {
		t.Errorf("secret key %q, want %q", got, want)
	}
	if got, want := c.FirstFactors[2].Path, filepath.Join(dir, "staff.htpasswd"); got != want {
		t.Errorf("path %q, want %q", got, want)
	}
	u := c.Users[0]
	if u.Name != "alice" || u.Aliases[0] != "asmith" || *u.Remember != 15*time.Minute || !u.ServicesGiven {
		t.Errorf("user: %+v", u)
	}
	r := c.Rules[0]
	if r.Mode != policy.ModeChallenge || *r.Remember != 0 || r.Networks[0] != netip.MustParsePrefix("203.0.113.0/24") {
		t.Errorf("rule: %+v", r)
	}
}

// TestExampleComplete holds the example against what the readers ask for.
func TestExampleComplete(t *testing.T) {
	readers := map[string]func(*table){
		"duo":          func(t *table) { readDuo(t) },
		"application":  func(t *table) { t.name("name") },
		"listen":       func(t *table) { readListen(t) },
		"client":       func(t *table) { readClient(t) },
		"first_factor": func(t *table) { readFirstFactor(t) },
		"username":     func(t *table) { readUsername(t) },
		"user":         func(t *table) { readUser(t) },
		"rule":         func(t *table) { readRule(t) },
		"reply":        func(t *table) { readReply(t) },
		"remember":     func(t *table) { readRemember(t) },
		"cluster":      func(t *table) { readCluster(t) },
		"guard":        func(t *table) { readGuard(t) },
		"messages":     func(t *table) { readMessages(t) },
		"admin":        func(t *table) { readAdmin(t) },
		"log":          func(t *table) { readLog(t) },
		"state":        func(t *table) { readState(t) },
	}
	keys := func(name string, given map[string]any) []string {
		tab := table{place: place{file: &file{}, table: name, index: -1}, keys: given, out: &report{}}
		readers[name](&tab)
		return tab.seen
	}
	sections := regexp.MustCompile(`(?m)^\[+`).Split(Example, -1)
	for _, name := range tableNames {
		i := slices.IndexFunc(sections, func(s string) bool { return strings.HasPrefix(s, name+"]") })
		if i < 0 {
			t.Errorf("no [%s]", name)
			continue
		}
		all := keys(name, map[string]any{})
		text := sections[i]
		if name == "first_factor" {
			all = append(all, keys(name, map[string]any{"type": "ldap", "bind_dn": "x"})...)
			text = strings.Join(sections[i:i+3], "")
		}
		for _, key := range all {
			if !regexp.MustCompile(`\b` + key + `\b`).MatchString(text) {
				t.Errorf("[%s] does not tell of %s", name, key)
			}
		}
	}
}

// TestExampleWidth: the example is a manual page too, and a terminal may have 80 columns.
func TestExampleWidth(t *testing.T) {
	for i, line := range strings.Split(Example, "\n") {
		if n := len(line); n > 80 {
			t.Errorf("line %d has %d columns: %s", i+1, n, line)
		}
	}
}

// TestExampleDefaults: a key that the example shows without "example" or "required" has its default there.
func TestExampleDefaults(t *testing.T) {
	defaults := load(t, minimal)
	example := load(t, minimal+exampleTables(t, "listen", "username", "remember", "cluster", "guard", "messages", "state", "admin", "log"))
	defaults.Clients, example.Clients, defaults.Duo, example.Duo, defaults.Files, example.Files = nil, nil, nil, nil, nil, nil
	example.Username.StripDomain, example.Admin.Address, example.Admin.HelpDesk = nil, "", nil
	if !reflect.DeepEqual(defaults, example) {
		t.Errorf("got  %+v\nwant %+v", example, defaults)
	}

	dir := files(t, map[string]string{
		"x.toml": minimal, "y.toml": edited(Example), "duo.skey": "x", "contractors.skey": "x", "vpn.secret": "0123456789abcdef", "staff.htpasswd": "",
		"ldap.password": "x", "nps.secret": "fedcba9876543210",
	})
	x, err := Load(filepath.Join(dir, "x.toml"))
	if err != nil {
		t.Fatal(err)
	}
	y, err := Load(filepath.Join(dir, "y.toml"))
	if err != nil {
		t.Fatal(err)
	}
	got, want := y.Clients[0], x.Clients[0]
	got.Address, got.Secret, got.Given = want.Address, want.Secret, want.Given
	got.FirstFactor, got.FirstFactors = want.FirstFactor, want.FirstFactors
	got.Failmode = "" // shown as [duo]'s
	got.ProbeUsers = nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("client\ngot  %+v\nwant %+v", got, want)
	}
	y.Duo.APIHost, y.Duo.IntegrationKey, y.Duo.SecretKey = x.Duo.APIHost, x.Duo.IntegrationKey, x.Duo.SecretKey
	if !reflect.DeepEqual(x.Duo, y.Duo) {
		t.Errorf("duo\ngot  %+v\nwant %+v", y.Duo, x.Duo)
	}
}

// exampleTables cuts tables out of the example.
func exampleTables(t *testing.T, names ...string) string {
	t.Helper()
	var b strings.Builder
	for _, name := range names {
		m := regexp.MustCompile(`(?m)^\[+` + name + `\](?s:.*?)(^\[|\z)`).FindString(Example)
		if m == "" {
			t.Fatalf("no %s", name)
		}
		b.WriteString(strings.TrimSuffix(m, "[") + "\n")
	}
	return b.String()
}

func TestDefaults(t *testing.T) {
	c := load(t, minimal)
	d := c.Duo
	if d.Failmode != policy.FailmodeSecure || d.APITimeout != 10*time.Second || d.PushTimeout != time.Minute || d.CA != CAPinned || d.Proxy != nil {
		t.Errorf("duo: %+v", d)
	}
	if want := []Listen{{"udp", netip.MustParseAddrPort("[::]:1812")}}; !slices.Equal(c.Listen, want) {
		t.Errorf("listen: %+v", c.Listen)
	}
	want := Client{
		Name:                 "vpn",
		Address:              []netip.Prefix{netip.MustParsePrefix("192.0.2.10/32")},
		Secret:               NewSecret("a long enough secret"),
		Service:              "vpn",
		Profile:              "generic",
		MessageAuthenticator: Auto,
		LimitProxyState:      true,
		FirstFactor:          NoFirstFactor,
		FirstFactors:         []string{NoFirstFactor},
		Mode:                 policy.ModeAuto,
		Factors:              []factor.Factor{factor.Push, factor.Phone, factor.Passcode, factor.SMS},
		Delimiter:            ",",
		Timeout:              55 * time.Second,
		UserIP:               []string{"Tunnel-Client-Endpoint", "Calling-Station-Id"},
		PasswordCharset:      "utf-8",
		ProbeAnswer:          policy.ProbeReject,
		StatusServer:         true,
		Pass:                 []policy.AttributeID{{Type: 25}, {Type: 11}},
		Given:                map[string]bool{"name": true, "address": true, "secret": true, "first_factor": true},
	}
	if !reflect.DeepEqual(c.Clients[0], want) {
		t.Errorf("got  %+v\nwant %+v", c.Clients[0], want)
	}
	if c.Username.Case != canonical.CaseFold || c.Username.Unlisted != policy.UnlistedAsk {
		t.Errorf("username: %+v", c.Username)
	}
	wantGuard := Guard{3, 10 * time.Minute, 10 * time.Minute, time.Second, guard.GuessLimits{WrongPasswords: 10, WrongPasscodes: 10, WrongPerSource: 50, Refill: 30 * time.Second}}
	if c.Guard != wantGuard {
		t.Errorf("guard: %+v", c.Guard)
	}
	if c.Log.Format != "text" || c.Log.Level != slog.LevelInfo || c.State.Directory != "/var/lib/duoradiusd" {
		t.Errorf("log, state: %+v %+v", c.Log, c.State)
	}
}

func TestValues(t *testing.T) {
	c := load(t, strings.TrimSpace(minimal)+`
delimiter = ""
[[listen]]
address = ":0"
[[listen]]
address = "[::ffff:192.0.2.1]:1645"
[[client]]
name = "proxy"
address = ["::ffff:203.0.113.0/120", "2001:db8::1"]
secret = "yet another long enough secret"
first_factor = "none"
service = "gateway"
factors = ["sms", "push"]
[[user]]
name = "bob"
services = []
elsewhere = "reject"
[log]
level = "debug"
[admin]
socket = ""
[state]
directory = "state"
`)
	if c.Clients[1].Delimiter != "" || !c.Clients[1].Given["delimiter"] {
		t.Errorf("delimiter: %+v", c.Clients[1])
	}
	if got, want := c.Listen[0].Address.String()+" "+c.Listen[1].Address.String(), "[::]:0 192.0.2.1:1645"; got != want {
		t.Errorf("listen %s, want %s", got, want)
	}
	p := c.Clients[2]
	if got, want := p.Address[0].String()+" "+p.Address[1].String(), "203.0.113.0/24 2001:db8::1/128"; got != want {
		t.Errorf("address %s, want %s", got, want)
	}
	if !slices.Equal(p.Factors, []factor.Factor{factor.SMS, factor.Push}) || p.Service != "gateway" {
		t.Errorf("client: %+v", p)
	}
	u := c.Users[0]
	if len(u.Services) != 0 || !u.ServicesGiven || u.Elsewhere != policy.ElsewhereReject || u.Remember != nil {
		t.Errorf("user: %+v", u)
	}
	if c.Log.Level != slog.LevelDebug || c.Admin.Socket != "" || !filepath.IsAbs(c.State.Directory) {
		t.Errorf("%+v %+v %+v", c.Log, c.Admin, c.State)
	}
}

func TestProxyAndCA(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("not looked at")})
	dir := files(t, map[string]string{
		"x.toml":     strings.Replace(minimal, "[duo]", "[duo]\nproxy = \"http://[::1]:3128/\"\nca = \"pem/ca.pem\"", 1) + "[log]\nlevel = \"warn\"\n",
		"pem/ca.pem": "a comment\n" + string(key) + string(cert),
	})
	c, err := Load(filepath.Join(dir, "x.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Duo.Proxy.String()+" "+c.Duo.CA, "http://[::1]:3128 "+filepath.Join(dir, "pem/ca.pem"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if c.Log.Level != slog.LevelWarn {
		t.Errorf("level %v", c.Log.Level)
	}
}
