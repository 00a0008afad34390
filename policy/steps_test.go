package policy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mayGoOn are the functions whose Verdict is nil if the login goes on. Any other function that returns a *Verdict ends the
// login: nil from refuse, for one, would let a login with a wrong password go on.
var mayGoOn = []string{
	"identify", "answerProbe", "applyRulesByName", "splitPasswordField", "checkFirstFactor", "passFirstFactor", "requireProof", "applyRules",
	"refuseExpired", "acceptExempt", "refuseUnreadableField", "useApproval", "checkChosenFactor", "joinTransaction", "preauth", "auth", // steps
	"denied", "admit", "admitPassword", "admitPasscode", "noLongerWaited", "join", "joinByCopy",
}

// TestWhoEndsALogin: a function that ends a login never returns nil. It does not return what a function of mayGoOn returns
// before it has compared that with nil.
func TestWhoEndsALogin(t *testing.T) {
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	ends, goOn, files := 0, slices.Clone(mayGoOn), token.NewFileSet()
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !returnsVerdict(f) {
				continue
			}
			if slices.Contains(mayGoOn, f.Name.Name) {
				goOn = slices.DeleteFunc(goOn, func(name string) bool { return name == f.Name.Name })
				continue
			}
			ends++
			for _, at := range unsure(f.Body) {
				t.Errorf("%s: %s ends a login, but here it may return nil", files.Position(at), f.Name.Name)
			}
		}
	}
	if ends < 25 || len(goOn) > 0 {
		t.Errorf("found %d functions that end a login, and not %v", ends, goOn)
	}
}

// returnsVerdict reports whether the last result of f is a *Verdict.
func returnsVerdict(f *ast.FuncDecl) bool {
	if f.Type.Results == nil {
		return false
	}
	list := f.Type.Results.List
	star, ok := list[len(list)-1].Type.(*ast.StarExpr)
	return ok && isNamed(star.X, "Verdict")
}

// unsure returns where body returns nil, or uses what l.F returned, for an F of mayGoOn, without comparing it with nil.
func unsure(body ast.Node) (places []token.Pos) {
	compared := map[ast.Node]bool{}
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.ReturnStmt:
			if last := n.Results[len(n.Results)-1]; isNamed(last, "nil") {
				places = append(places, n.Pos())
			}
		case *ast.IfStmt:
			if n.Init != nil && comparesWithNil(n, n.Init) {
				compared[n.Init] = true
			}
		case *ast.BlockStmt:
			for i, s := range n.List[:max(len(n.List)-1, 0)] {
				compared[s] = comparesWithNil(n.List[i+1], s)
			}
		case *ast.AssignStmt:
			return !compared[n]
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.SelectorExpr); ok && isNamed(f.X, "l") && slices.Contains(mayGoOn, f.Sel.Name) {
				places = append(places, n.Pos())
			}
		}
		return true
	})
	return places
}

// comparesWithNil reports whether s is "if v != nil", and assignment sets v last.
func comparesWithNil(s, assignment ast.Stmt) bool {
	branch, ok := s.(*ast.IfStmt)
	set, ok2 := assignment.(*ast.AssignStmt)
	if !ok || !ok2 {
		return false
	}
	c, ok := branch.Cond.(*ast.BinaryExpr)
	v, ok2 := set.Lhs[len(set.Lhs)-1].(*ast.Ident)
	return ok && ok2 && c.Op == token.NEQ && isNamed(c.X, v.Name) && isNamed(c.Y, "nil")
}

func isNamed(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}
