package test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestContributing: each file that CONTRIBUTING.md names exists, and its glossary is short.
func TestContributing(t *testing.T) {
	b, err := os.ReadFile("../CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	folder := "" // of the last path; "`drop.go`" alone is beside it
	names := regexp.MustCompile("`([a-zA-Z.][a-zA-Z0-9_./-]*)`").FindAllStringSubmatch(string(b), -1)
	for _, name := range names {
		path := name[1]
		switch ext := filepath.Ext(path); {
		case strings.Contains(path, "/") && !strings.HasPrefix(path, "testing/"):
			folder = filepath.Dir(path)
		case ext == ".go":
			path = filepath.Join(folder, path)
		default:
			continue
		}
		if _, err := os.Stat(filepath.Join("..", path)); err != nil {
			t.Errorf("it names %s: %v", name[1], err)
		}
	}
	if len(names) < 30 {
		t.Errorf("only %d names are read of it", len(names))
	}
	_, glossary, ok := strings.Cut(string(b), "\n## Glossary\n")
	if n := strings.Count(glossary, "\n- **"); !ok || n < 20 || n > 40 {
		t.Errorf("the glossary has %d words", n)
	}
	if n := strings.Count(strings.TrimSpace(glossary), "\n") + 1; n > 40 {
		t.Errorf("the glossary has %d lines", n)
	}
}
