package reasons

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestReasonsComplete: every Reason constant of this package is explained once.
func TestReasonsComplete(t *testing.T) {
	file, err := parser.ParseFile(gotoken.NewFileSet(), "../attempt.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	explained := map[string]int{}
	for _, r := range All() {
		explained[string(r.Reason)]++
		if !strings.HasSuffix(r.Meaning, ".") || r.Cure != "" && !strings.HasSuffix(r.Cure, ".") {
			t.Errorf("%s: no whole sentence: %q %q", r.Reason, r.Meaning, r.Cure)
		}
	}
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || len(v.Names) != 1 || len(v.Values) != 1 {
			return true
		}
		if kind, ok := v.Type.(*ast.Ident); !ok || kind.Name != "Reason" {
			return true
		}
		word, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		found++
		if explained[word] != 1 {
			t.Errorf("%s: explained %d times", word, explained[word])
		}
		return true
	})
	if found != len(All()) || found < 30 {
		t.Errorf("%d constants, %d explained", found, len(All()))
	}
}

// TestReasonsOnPage: the table of conf/clients/README.md is that of the catalogue.
func TestReasonsOnPage(t *testing.T) {
	page, err := os.ReadFile("../../conf/clients/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range All() {
		row := "| `reason=" + string(r.Reason) + "` | " + strings.TrimSpace(r.Meaning+" "+r.Cure) + " |"
		if !strings.Contains(string(page), row) {
			t.Errorf("the page lacks the row\n%s", row)
		}
	}
}
