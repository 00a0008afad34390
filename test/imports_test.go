package test

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "duoradiusd"

// tree is section 1 of the design: which packages of the module may import which others, tests excepted. A name that ends
// in / means everything below it. The first row that fits a package counts.
var tree = []struct {
	who     string
	imports []string
}{
	{"internal/", nil},
	{"policy", []string{"policy/canonical", "policy/factor", "policy/guard", "policy/hours", "policy/messages"}},
	{"policy/canonical", nil},
	{"policy/factor", nil},
	{"policy/guard", nil},
	{"policy/hours", nil},
	{"policy/reasons", []string{"policy"}},
	{"policy/failover", nil},
	{"policy/messages", nil},
	{"policy/radiusauth", []string{"internal/", "policy", "policy/canonical", "policy/failover", "radiusd/wire"}}, // one codec for both sides
	{"policy/shared", []string{"internal/", "policy", "policy/canonical", "policy/factor", "policy/guard", "policy/memory"}},
	{"policy/", []string{"internal/", "policy", "policy/canonical", "policy/factor", "policy/failover", "policy/guard"}},
	{"radiusd", []string{"internal/", "policy", "policy/factor", "policy/reasons", "radiusd/"}},
	{"radiusd/wire", nil},
	{"radiusd/", []string{"policy", "radiusd", "radiusd/"}},
	{"conf", []string{"internal/", "policy", "policy/canonical", "policy/factor", "policy/guard", "policy/hours", "policy/messages"}},
	{"cmd/duodemo", []string{"cmd/", "conf", "internal/", "policy", "policy/", "radiusd", "radiusd/", "test/"}},
	{"cmd/", []string{"cmd/", "conf", "internal/", "policy", "policy/", "radiusd", "radiusd/"}},
	{"test/nas", nil}, // it cross-checks the server
	{"test/", []string{"policy", "policy/", "radiusd", "radiusd/", "test/"}},
	{"test", nil},
}

// noRandom lists the packages that make States, tokens and salts. They may use crypto/rand only.
var noRandom = []string{"policy", "policy/", "radiusd", "radiusd/"}

// fits reports whether a package has this name, or is below it if the name ends in /.
func fits(name, pkg string) bool {
	return pkg == name || strings.HasSuffix(name, "/") && strings.HasPrefix(pkg, name)
}

func fitsAny(names []string, pkg string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return fits(name, pkg) })
}

// objection says why package who may not import what, or "" if it may. Both are import paths; who's is relative to the
// module.
func objection(who, what string) string {
	if (what == "math/rand" || what == "math/rand/v2") && fitsAny(noRandom, who) {
		return who + " imports " + what + "; it is to use crypto/rand"
	}
	ours, ok := strings.CutPrefix(what, module+"/")
	if !ok {
		return ""
	}
	for _, row := range tree {
		if !fits(row.who, who) {
			continue
		}
		if fitsAny(row.imports, ours) {
			return ""
		}
		may := cmp.Or(strings.Join(row.imports, ", "), "nothing")
		return who + " imports " + ours + "; of ours it may import " + may
	}
	return who + " imports " + ours + ", and is not in the tree"
}

func TestImports(t *testing.T) {
	for _, p := range packages(t) {
		who := strings.TrimPrefix(p.ImportPath, module+"/")
		for _, what := range p.Imports {
			if o := objection(who, what); o != "" {
				t.Error(o)
			}
		}
	}
}

type listed struct {
	ImportPath string
	Imports    []string // without the imports of tests
}

// packages lists the packages of the module. It uses -e, so that a package that does not build yet is listed, too.
func packages(t *testing.T) []listed {
	t.Helper()
	seen()
	list := exec.Command("go", "list", "-e", "-json=ImportPath,Imports", "./...")
	list.Dir = ".."
	out, err := list.Output()
	if err != nil {
		exit := new(exec.ExitError)
		errors.As(err, &exit)
		t.Fatalf("go list: %v\n%s", err, exit.Stderr)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		switch err := d.Decode(&p); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// seen opens every folder of the module. go test uses a cached result until one of the files that the test opened changes,
// and it does not see what go list opens.
func seen() {
	filepath.WalkDir("..", func(_ string, d fs.DirEntry, _ error) error {
		if d.Name() == ".git" {
			return fs.SkipDir
		}
		return nil
	})
}

// TestObjection: objection refuses the imports that it should refuse.
func TestObjection(t *testing.T) {
	for _, tt := range []struct{ who, what, want string }{
		{"policy", "net/netip", ""},
		{"policy", "github.com/hashicorp/golang-lru/v2", ""},
		{"policy", "duoradiusd/policy/duo", "policy imports policy/duo; of ours it may import policy/canonical, policy/factor, policy/guard, policy/hours, policy/messages"},
		{"policy/duo", "duoradiusd/policy", ""},
		{"policy/duo", "duoradiusd/policy/fileauth", "policy/duo imports policy/fileauth; of ours it may import internal/, policy, policy/canonical, policy/factor, policy/failover, policy/guard"},
		{"radiusd", "duoradiusd/policy", ""},
		{"radiusd", "duoradiusd/radiusd/eap", ""},
		{"radiusd", "duoradiusd/policy/duo", "radiusd imports policy/duo; of ours it may import internal/, policy, policy/factor, policy/reasons, radiusd/"},
		{"radiusd/eap", "duoradiusd/radiusd", ""},
		{"radiusd", "duoradiusd/radiusd/wire", ""},
		{"policy/radiusauth", "duoradiusd/radiusd/wire", ""},
		{"policy/radiusauth", "duoradiusd/radiusd",
			"policy/radiusauth imports radiusd; of ours it may import internal/, policy, policy/canonical, policy/failover, radiusd/wire"},
		{"policy/ldapauth", "duoradiusd/radiusd/wire",
			"policy/ldapauth imports radiusd/wire; of ours it may import internal/, policy, policy/canonical, policy/factor, policy/failover, policy/guard"},
		{"radiusd/wire", "duoradiusd/policy", "radiusd/wire imports policy; of ours it may import nothing"},
		{"radiusd", "duoradiusd/conf", "radiusd imports conf; of ours it may import internal/, policy, policy/factor, policy/reasons, radiusd/"},
		{"conf", "duoradiusd/policy", ""},
		{"conf", "duoradiusd/radiusd", "conf imports radiusd; of ours it may import internal/, policy, policy/canonical, policy/factor, policy/guard, policy/hours, policy/messages"},
		{"cmd/duoradiusd", "duoradiusd/conf", ""},
		{"cmd/duoradiusd", "duoradiusd/cmd/internal/daemon", ""},
		{"cmd/duodemo", "duoradiusd/test/fakeduo", ""},
		{"test/fakeduo", "duoradiusd/policy", ""},
		{"test/nas", "duoradiusd/radiusd", "test/nas imports radiusd; of ours it may import nothing"},
		{"test/fakeduo", "duoradiusd/conf",
			"test/fakeduo imports conf; of ours it may import policy, policy/, radiusd, radiusd/, test/"},
		{"cmd/duoradiusd", "duoradiusd/test/nas",
			"cmd/duoradiusd imports test/nas; of ours it may import cmd/, conf, internal/, policy, policy/, radiusd, radiusd/"},
		{"attic", "duoradiusd/policy", "attic imports policy, and is not in the tree"},
		{"radiusd", "math/rand", "radiusd imports math/rand; it is to use crypto/rand"},
		{"policy/duo", "math/rand/v2", "policy/duo imports math/rand/v2; it is to use crypto/rand"},
		{"test/nas", "math/rand", ""},
	} {
		if got := objection(tt.who, tt.what); got != tt.want {
			t.Errorf("%s importing %s:\n got %q\nwant %q", tt.who, tt.what, got, tt.want)
		}
	}
}
