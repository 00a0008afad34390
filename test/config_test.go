package test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"duoradiusd/test/fakeduo"
)

// vpnSecret is the secret of clients that name none.
const vpnSecret = "vpn-secret-of-the-tests"

// These are the places of the daemon's own files, beside its configuration.
const (
	configFile = "duoradiusd.toml"
	socketFile = "control.sock"
)

// filling holds the lines that the tests add to tables that lack them. Some tables are always added.
var filling = []struct {
	table  string
	always bool
	keys   []string // one line for each; a key counts as given if it, or a key that begins with it, is there
}{
	{"[duo]", true, []string{`api_host = "DUO"`, `integration_key = "IKEY"`, `secret_key_file = "duo.skey"`, `ca = "CA"`}},
	{"[[application]]", false, []string{`api_host = "DUO"`, `integration_key = "IKEY"`, `secret_key_file = "duo.skey"`, `ca = "CA"`}},
	{"[[listen]]", true, []string{`address = "127.0.0.1:0"`}},
	{"[[client]]", true, []string{`name = "vpn"`, `address = ["127.0.0.1"]`, `secret_file = "vpn.secret"`, `first_factor = "none"`}},
	{"[guard]", true, []string{`reject_delay = "0s"`}},
	{"[admin]", true, []string{`socket = "` + socketFile + `"`}},
	{"[state]", true, []string{`directory = "state"`}},
}

// complete returns text with everything that a daemon needs to run against duo, so that a test writes only what it is
// about. A complete text is not changed.
func complete(text string, duo *fakeduo.Server) string {
	host, key, ca := "api-00000000.duosecurity.com", "DIXXXXXXXXXXXXXXXXXX", "pinned"
	if duo != nil {
		host, key, ca = duo.Addr(), duo.IntegrationKey(), "duo-ca.pem"
	}
	known := strings.NewReplacer("DUO", host, "IKEY", key, "CA", ca)
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for _, f := range filling {
		found := false
		for i := 0; i < len(lines); i++ {
			if strings.TrimSpace(lines[i]) != f.table {
				continue
			}
			found = true
			missing := missingKeys(f.keys, lines[i+1:])
			for j, line := range missing {
				missing[j] = known.Replace(line)
			}
			lines = slices.Insert(lines, i+1, missing...)
		}
		if !found && f.always {
			lines = append(lines, "", f.table)
			for _, line := range f.keys {
				lines = append(lines, known.Replace(line))
			}
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

// missingKeys returns the keys that a table lacks in every form. A secret in a file may also be given as the secret itself,
// or by the name of a variable.
func missingKeys(keys, table []string) (missing []string) {
	if end := slices.IndexFunc(table, func(line string) bool { return strings.HasPrefix(line, "[") }); end >= 0 {
		table = table[:end]
	}
	for _, line := range keys {
		key, _, _ := strings.Cut(line, " =")
		stem := strings.TrimSuffix(key, "_file")
		given := func(line string) bool {
			has, _, _ := strings.Cut(line, "=")
			has = strings.TrimSpace(has)
			return has == stem || has == stem+"_file" || has == stem+"_env"
		}
		if !slices.ContainsFunc(table, given) {
			missing = append(missing, line)
		}
	}
	return missing
}

// furnish writes a configuration and the files that it names into dir. text may hold more files, as in a txtar archive.
func furnish(t testing.TB, dir string, duo *fakeduo.Server, text string) {
	t.Helper()
	archive := txtar.Parse([]byte(text))
	write(t, filepath.Join(dir, configFile), complete(string(archive.Comment), duo))
	for _, f := range archive.Files {
		write(t, filepath.Join(dir, f.Name), string(f.Data))
	}
	key := "secret-key-of-no-application-at-all-0000"
	if duo != nil {
		key = duo.SecretKey()
		write(t, filepath.Join(dir, "duo-ca.pem"), string(duo.CAPEM()))
	}
	write(t, filepath.Join(dir, "duo.skey"), key+"\n")
	write(t, filepath.Join(dir, "vpn.secret"), vpnSecret+"\n")
	if err := os.MkdirAll(filepath.Join(dir, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
}

// write replaces a file at once: readers see the old content or the new one.
func write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

var inlineSecret = regexp.MustCompile(`(?m)^\s*(?:secret|secret_key)\s*=\s*"([^"]+)"`)

// secretsIn returns the secrets that a configuration itself holds.
func secretsIn(text string) (list []string) {
	for _, m := range inlineSecret.FindAllStringSubmatch(text, -1) {
		list = append(list, m[1])
	}
	return list
}
