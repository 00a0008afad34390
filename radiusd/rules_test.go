package radiusd

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	testName = regexp.MustCompile(`(?m)^func (?:Test|Fuzz)(\w+)\(`)
	ruleID   = regexp.MustCompile(`^(?:AC|[ACDEKMPRSTUX]|Acceptance)\d+`)
	ruleRow  = regexp.MustCompile(`(?m)^\| (\w+\d+) \| (.+?) \| (.+?) \|$`)
)

// rulesOf returns the rules that the name of a test cites: A1_A2_Words cites A1 and A2, U3Words cites U3.
func rulesOf(name string) (rules []string) {
	for part := range strings.SplitSeq(name, "_") {
		id := ruleID.FindString(part)
		rest := strings.TrimPrefix(part, id)
		if id == "" || rest != "" && (rest[0] < 'A' || rest[0] > 'Z') {
			break
		}
		rules = append(rules, id)
	}
	return rules
}

// TestRules: RULES.md has each rule that a test of the project cites, with a sentence and a source, and has no other rule.
func TestRules(t *testing.T) {
	table, err := os.ReadFile("testdata/RULES.md")
	if err != nil {
		t.Fatal(err)
	}
	told := make(map[string]bool)
	for _, row := range ruleRow.FindAllStringSubmatch(string(table), -1) {
		if told[row[1]] {
			t.Errorf("%s stands there twice", row[1])
		}
		told[row[1]] = true
	}
	cited := make(map[string]bool)
	err = filepath.WalkDir("..", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		b, err := os.ReadFile(file)
		for _, name := range testName.FindAllStringSubmatch(string(b), -1) {
			for _, id := range rulesOf(name[1]) {
				if cited[id] = true; !told[id] {
					t.Errorf("%s: Test%s cites %s, which RULES.md does not have", file, name[1], id)
				}
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for id := range told {
		if !cited[id] {
			t.Errorf("RULES.md has %s, which no test cites", id)
		}
	}
}

func TestRulesOf(t *testing.T) {
	for name, want := range map[string]string{"A1_A2_Words": "A1 A2", "U3Words": "U3", "S3_S7_Acceptance18_Words": "S3 S7 Acceptance18",
		"MSCHAPv2": "", "RFC2865_7_1": "", "Load100kUsers": "", "M4": "M4", "Words_A1": ""} {
		if got := strings.Join(rulesOf(name), " "); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
