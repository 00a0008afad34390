package conf

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/bad/*.want anew")

// TestBad loads testdata/bad/NAME.toml and wants the lines of NAME.want, no more and no fewer.
func TestBad(t *testing.T) {
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	t.Setenv("CONF_TEST_EMPTY", "")
	t.Chdir("testdata/bad")
	names, err := filepath.Glob("*.toml")
	if err != nil || len(names) < 25 {
		t.Fatalf("%d files: %v", len(names), err)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			_, err := Load(name)
			if err == nil {
				t.Fatal("no problem")
			}
			got := err.Error() + "\n"
			if strings.Contains(got, "hunter2") {
				t.Errorf("shows a secret:\n%s", got)
			}
			wantFile := strings.TrimSuffix(name, ".toml") + ".want"
			if *update {
				if err := os.WriteFile(wantFile, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(wantFile)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}
