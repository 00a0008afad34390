package test

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"duoradiusd/test/fakeduo"
)

// release returns the daemon of this checkout, built like that of the packages and the container. All tests share it.
func release(t testing.TB) (program string) {
	t.Helper()
	slow(t, "it builds the daemon anew")
	program, err := buildRelease()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

var buildRelease = sync.OnceValues(func() (string, error) {
	program := filepath.Join(binaries, "release")
	return program, releaseOf("..", "", program)
})

// releaseOf builds the daemon of a checkout like that of the packages and the container. cache is Go's build cache; ""
// means the usual one.
func releaseOf(checkout, cache, program string) error {
	c := exec.Command("go", "build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w", "-o", program, "./cmd/duoradiusd")
	c.Dir = checkout
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if cache != "" {
		c.Env = append(c.Env, "GOCACHE="+cache)
	}
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// TestReproducible: everybody who builds the same source gets the same program, in any folder, with or without a cache.
func TestReproducible(t *testing.T) {
	if os.Getenv("REQUIRE_REAL_CLIENTS") != "1" {
		t.Skip("building everything anew takes a minute; REQUIRE_REAL_CLIENTS=1 has it done")
	}
	copied := checkout(t)
	one := release(t)
	two := filepath.Join(t.TempDir(), "duoradiusd")
	if err := releaseOf(copied, t.TempDir(), two); err != nil {
		t.Fatal(err)
	}
	if a, b := digest(t, one), digest(t, two); a != b {
		t.Error("two builds of the same source differ")
	}
}

// TestReproduciblePackages: the same holds for the packages.
func TestReproduciblePackages(t *testing.T) {
	needPackages(t)
	one, _ := packages12()(t)
	again := makePackages(t, checkout(t), "1.0.0")
	files, err := os.ReadDir(one)
	if err != nil || len(files) != 4 { // deb, rpm, zip and their checksums
		t.Fatalf("%v: %v", files, err)
	}
	for _, f := range files {
		if digest(t, filepath.Join(one, f.Name())) != digest(t, filepath.Join(again, f.Name())) {
			t.Errorf("%s: two of the same source and version differ", f.Name())
		}
	}
}

func digest(t testing.TB, name string) [sha256.Size]byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(b)
}

// TestRelease: the program needs no library, names no folder of the machine that built it, and agrees with its licences and
// its bill of materials.
func TestRelease(t *testing.T) {
	t.Parallel()
	program := release(t)
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if libraries, _ := f.ImportedLibraries(); len(libraries) > 0 || slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		t.Errorf("not static: it needs %q", libraries)
	}
	b, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	top, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, []byte(top+"/")) {
		t.Errorf("it holds %s", top)
	}

	list, err := exec.Command("go", "version", "-m", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := regexp.MustCompile(`(?m)^\tdep\t(\S+)\t(\S+)`).FindAllStringSubmatch(string(list), -1)
	if len(modules) < 10 {
		t.Fatalf("%d modules:\n%s", len(modules), list)
	}
	licences, sbom := inventory(t, program)
	if l, s := inventory(t, program); licences != l || sbom != s {
		t.Error("two inventories of one program differ")
	}
	var bill struct {
		BOMFormat, SpecVersion string
		Metadata               struct {
			Component struct{ Name, Version string }
		}
		Components []struct {
			Name, Version, PURL string
		}
	}
	if err := json.Unmarshal([]byte(sbom), &bill); err != nil {
		t.Fatal(err)
	}
	if bill.BOMFormat != "CycloneDX" || bill.SpecVersion != "1.6" || bill.Metadata.Component.Name != "duoradiusd" || bill.Metadata.Component.Version != "v1.2.3" {
		t.Errorf("head of the bill: %+v", bill)
	}
	if len(bill.Components) != len(modules)+1 { // including the standard library
		t.Errorf("%d components of %d modules", len(bill.Components), len(modules))
	}
	for i, m := range modules {
		c := bill.Components[i]
		if c.Name != m[1] || c.Version != m[2] || !strings.HasPrefix(c.PURL, "pkg:golang/"+m[1]+"@"+m[2]+"?") {
			t.Errorf("component %+v of module %s %s", c, m[1], m[2])
		}
		if !regexp.MustCompile(`(?m)^=+\n` + regexp.QuoteMeta(m[1]) + `/.*\n=+$`).MatchString(licences) {
			t.Errorf("no licence of %s", m[1])
		}
	}
	for _, part := range []string{"timestamp", "serialNumber", top + "/"} {
		if strings.Contains(sbom, part) {
			t.Errorf("the bill of materials has %s", part)
		}
	}
}

// inventory returns the documents that the packages carry beside a program: the licences and the bill of materials.
func inventory(t *testing.T, program string) (licences, sbom string) {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("../.ci/inventory", program, "v1.2.3", dir).CombinedOutput(); err != nil {
		t.Fatalf(".ci/inventory: %v\n%s", err, out)
	}
	l, err := os.ReadFile(filepath.Join(dir, "LICENSES"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := os.ReadFile(filepath.Join(dir, "sbom.cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(l), string(s)
}

// TestUnitExposure: systemd's own rating of the unit's exposure is at most 2.0 of 10.
func TestUnitExposure(t *testing.T) {
	t.Parallel()
	out, errs, status := run(t, "", realClient(t, "systemd-analyze"), "security", "--offline=true", "--threshold=20", "../conf/systemd/duoradiusd.service")
	found := regexp.MustCompile(`Overall exposure level for duoradiusd\.service: (\S+)`).FindStringSubmatch(out)
	if found == nil || status != 0 {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	if exposure, err := strconv.ParseFloat(found[1], 64); err != nil || exposure > 2.0 {
		t.Errorf("exposure %s", found[1])
	}
	t.Logf("exposure %s", found[1])
}

// TestUnitSystemCalls: from its start over logins and a reload to its end, the daemon makes no system call that the unit
// forbids.
func TestUnitSystemCalls(t *testing.T) {
	t.Parallel()
	strace := realClient(t, "strace")
	allowed := unitSystemCalls(t)
	duo := startDuo(t, fakeduo.User{Username: "alice"}, fakeduo.User{Username: "bob", Passcodes: []string{"12345678"}})
	dir := t.TempDir()
	trace := filepath.Join(dir, "trace")
	program := release(t)
	wrapped := filepath.Join(dir, "traced")
	if err := os.WriteFile(wrapped, []byte("#!/bin/sh\nexec "+strace+" -D -f -qq -o "+trace+" "+program+" \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	d, _ := startServiceOf(t, wrapped, duo, "[log]\nauth_log = \"auth.log\"\n[admin]\naddress = \"127.0.0.1:0\"\n[[client]]\nremember = \"1h\"\n")
	for _, packet := range []string{"User-Name = alice, User-Password = push", "User-Name = bob, User-Password = 12345678", "User-Name = alice, User-Password = push"} {
		printed, _ := feedRadclient(t, d, "auth", packet+", Message-Authenticator = 0x00, Calling-Station-Id = 203.0.113.7\n")
		if got := received(printed); got != "Access-Accept" {
			t.Errorf("%s: %s", packet, printed)
		}
	}
	d.Do("status")
	d.Reload("[[client]]\nremember = \"2h\"\n")
	d.Stop()
	b, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	calls := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^\d+ +(\w+)\(`).FindAllStringSubmatch(string(b), -1) {
		calls[m[1]] = true
	}
	if len(calls) < 20 {
		t.Fatalf("%d system calls seen", len(calls))
	}
	for call := range calls {
		if !allowed[call] {
			t.Errorf("the unit forbids %s", call)
		}
	}
}

// unitSystemCalls returns the system calls that SystemCallFilter of the unit allows, by systemd's own sets.
func unitSystemCalls(t *testing.T) map[string]bool {
	t.Helper()
	analyze := realClient(t, "systemd-analyze")
	b, err := os.ReadFile("../conf/systemd/duoradiusd.service")
	if err != nil {
		t.Fatal(err)
	}
	allowed := make(map[string]bool)
	var each func(set string, do func(call string))
	each = func(set string, do func(call string)) {
		out, errs, status := run(t, "", analyze, "syscall-filter", set)
		if status != 0 {
			t.Fatal(errs)
		}
		for line := range strings.Lines(out) {
			switch word := strings.TrimSpace(line); {
			case !strings.HasPrefix(line, " ") || strings.HasPrefix(word, "#"):
			case strings.HasPrefix(word, "@"):
				each(word, do)
			default:
				do(word)
			}
		}
	}
	for _, value := range slices.Backward(unit(string(b), "SystemCallFilter")) {
		sets, not := strings.CutPrefix(value, "~")
		for word := range strings.FieldsSeq(sets) {
			switch do := func(call string) { allowed[call] = !not }; {
			case strings.HasPrefix(word, "@"):
				each(word, do)
			default:
				do(word)
			}
		}
	}
	if !allowed["recvmsg"] || allowed["mount"] {
		t.Fatalf("the unit's filter is not understood: %d calls", len(allowed))
	}
	return allowed
}
