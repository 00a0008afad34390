package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// TestDocumentation: each package says once what it is for, and each of its exported names has a sentence that begins with
// that name.
// with it.
func TestDocumentation(t *testing.T) {
	about := make(map[string][]string) // the files of a folder that document its package
	err := filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git"):
			return fs.SkipDir
		case !strings.HasSuffix(name, ".go"), strings.HasSuffix(name, "_test.go"):
			return nil
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		folder := filepath.Dir(name)
		if about[folder] == nil {
			about[folder] = []string{}
		}
		if f.Doc != nil {
			about[folder] = append(about[folder], filepath.Base(name))
		}
		for _, u := range undocumented(f) {
			t.Errorf("%s: %s has no sentence of its own", set.Position(u.Pos()), u.Name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for folder, files := range about {
		if len(files) != 1 {
			t.Errorf("%s: its package is documented in %q; want one file, doc.go where there are several", folder, files)
		}
	}
}

// undocumented lists the exported names of a file that have no doc comment that begins with them. A constant or variable
// may share that of its group.
func undocumented(f *ast.File) (names []*ast.Ident) {
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if exported(d) && !begins(d.Doc, d.Name.Name) {
				names = append(names, d.Name)
			}
		case *ast.GenDecl:
			names = append(names, undocumentedSpecs(d)...)
		}
	}
	return names
}

func undocumentedSpecs(d *ast.GenDecl) (names []*ast.Ident) {
	for _, s := range d.Specs {
		switch s := s.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && !begins(s.Doc, s.Name.Name) && !begins(d.Doc, s.Name.Name) {
				names = append(names, s.Name)
			}
		case *ast.ValueSpec:
			if d.Doc == nil && s.Doc == nil && s.Comment == nil && s.Names[0].IsExported() {
				names = append(names, s.Names[0])
			}
		}
	}
	return names
}

// exported reports whether others can call a function: it and the type that it is a method of are exported.
func exported(d *ast.FuncDecl) bool {
	if !d.Name.IsExported() {
		return false
	}
	if d.Recv == nil {
		return true
	}
	of := d.Recv.List[0].Type
	for {
		switch x := of.(type) {
		case *ast.StarExpr:
			of = x.X
		case *ast.IndexExpr:
			of = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return true
		}
	}
}

// begins reports whether a comment begins with a name, perhaps after an article.
func begins(doc *ast.CommentGroup, name string) bool {
	if doc == nil {
		return false
	}
	words := strings.Fields(doc.Text())
	if len(words) > 1 && (words[0] == "A" || words[0] == "An" || words[0] == "The") {
		words = words[1:]
	}
	return len(words) > 1 && strings.TrimRight(words[0], ",:") == name
}
