package main

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"duoradiusd/cmd/internal/manual"
	"duoradiusd/conf"
)

var manualDir = flag.String("manual", "", "write manual pages and completions into this `DIR`, as .ci/package does")

// TestManual makes the manual and the completions from the commands, and holds them against each other.
func TestManual(t *testing.T) {
	root := rootCommand()
	root.InitDefaultCompletionCmd()
	made := map[string]string{
		"man5/duoradiusd.toml.5": manual.Example("duoradiusd.toml", "configuration of duoradiusd", conf.Example),
	}
	for name, page := range manual.Pages(root) {
		made["man8/"+name] = page
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		var out bytes.Buffer
		if status := run([]string{"completion", shell}, &out, &out); status != 0 {
			t.Fatalf("completion %s: status %d\n%s", shell, status, out.String())
		}
		made["completion/"+shell] = out.String()
	}
	for _, c := range root.Commands() {
		if page := made["man8/duoradiusd-"+c.Name()+".8"]; c.Name() != "help" && !strings.Contains(page, ".SH DESCRIPTION\n.PP\n") {
			t.Errorf("no page of %s that says what it does", c.Name())
		}
		if !strings.Contains(made["man8/duoradiusd.8"], "duoradiusd\\-"+c.Name()+" (8)") && c.Name() != "help" {
			t.Errorf("duoradiusd(8) does not name %s", c.Name())
		}
	}
	dir := *manualDir
	if dir == "" {
		dir = t.TempDir()
	}
	for name, text := range made {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(name, "man") {
			lint(t, path)
		}
	}
}

// lint has groff look for what it does not understand, where there is groff.
func lint(t *testing.T, page string) {
	t.Helper()
	groff, err := exec.LookPath("groff")
	if err != nil {
		return
	}
	var complaints bytes.Buffer
	c := exec.Command(groff, "-man", "-Tutf8", "-ww", "-z", page)
	c.Stderr = &complaints
	if err := c.Run(); err != nil || complaints.Len() > 0 {
		t.Errorf("groff: %v\n%s", err, complaints.String())
	}
}
