package test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"duoradiusd/test/fakeduo"
)

// checkout copies the module's files, as another person's checkout would have them, without git's own files.
func checkout(t testing.TB) string {
	t.Helper()
	seen()
	dir := filepath.Join(t.TempDir(), "somewhere else")
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = ".."
	out, err := list.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		b, err := os.ReadFile(filepath.Join("..", name))
		if os.IsNotExist(err) {
			continue // the file was removed, and that is not committed yet
		}
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, info.Mode()); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// makePackages runs .ci/package of a checkout and returns the folder of the packages for this machine.
func makePackages(t testing.TB, checkout, version string) string {
	t.Helper()
	dist := t.TempDir()
	c := exec.Command(filepath.Join(checkout, ".ci/package"), version)
	c.Env = append(os.Environ(), "DIST="+dist, "ARCHES=amd64", "SOURCE_DATE_EPOCH=1700000000", "GOFLAGS=-buildvcs=false")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf(".ci/package %s: %v\n%s", version, err, out)
	}
	return dist
}

// needPackages skips a test where no package can be installed.
func needPackages(t testing.TB) {
	t.Helper()
	if os.Getenv("REQUIRE_REAL_CLIENTS") != "1" {
		t.Skip("making packages takes a minute; REQUIRE_REAL_CLIENTS=1 has it done")
	}
	if os.Geteuid() != 0 {
		t.Fatal("not root, and REQUIRE_REAL_CLIENTS=1")
	}
}

// packages are the packages of two versions, made once for all tests. The second version has another example configuration.
var packages12 = sync.OnceValue(func() func(t testing.TB) (one, two string) {
	var one, two string
	return func(t testing.TB) (string, string) {
		if one == "" {
			source := checkout(t)
			one = keep(t, makePackages(t, source, "1.0.0"), "one")
			example := filepath.Join(source, "conf/package/duoradiusd.toml")
			b, err := os.ReadFile(example)
			if err != nil {
				t.Fatal(err)
			}
			write(t, example, string(b)+"# A line that version 1.1.0 has.\n")
			two = keep(t, makePackages(t, source, "1.1.0"), "two")
		}
		return one, two
	}
})

// keep moves a folder to a place where it stays until the last test ends.
func keep(t testing.TB, dir, name string) string {
	t.Helper()
	kept := filepath.Join(binaries, name)
	if err := os.Rename(dir, kept); err != nil {
		t.Fatal(err)
	}
	return kept
}

// etc is a configuration that an administrator has made: duoradiusd.toml and the files beside it.
func etc(t testing.TB, box *sandbox, duo *fakeduo.Server) {
	t.Helper()
	box.write("/etc/duoradiusd/duoradiusd.toml", fmt.Sprintf(`
[duo]
api_host = %q
integration_key = %q
secret_key = %q
ca = "duo-ca.pem"
[[listen]]
address = "127.0.0.1:0"
[[client]]
name = "vpn"
address = ["127.0.0.1"]
secret_file = "vpn.secret"
first_factor = "none"
`, duo.Addr(), duo.IntegrationKey(), duo.SecretKey()), 0o640)
	box.write("/etc/duoradiusd/duo-ca.pem", string(duo.CAPEM()), 0o644)
	box.write("/etc/duoradiusd/vpn.secret", vpnSecret+"\n", 0o640)
	box.run("chgrp", "duoradiusd", "/etc/duoradiusd/vpn.secret")
}

// login has radclient log in and returns what it got.
func (m *manager) login(t testing.TB, user, password string) string {
	t.Helper()
	m.mu.Lock()
	addr := m.addr.String()
	m.mu.Unlock()
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, secret, vpnSecret+"\n")
	packet := fmt.Sprintf("User-Name = %s, User-Password = %q, Message-Authenticator = 0x00\n", user, password)
	out, errs, _ := run(t, packet, realClient(t, "radclient"), "-x", "-t", "20", "-r", "1", "-S", secret, addr, "auth")
	if got := received(out + errs); got != "nothing" {
		return got
	}
	return out + errs
}

// modes returns what `stat` says about those files of the package that have owners of their own.
func modes(box *sandbox) string {
	return box.run("stat", "-c", "%n %A %U:%G", "/etc/duoradiusd", "/etc/duoradiusd/duoradiusd.toml", "/var/lib/duoradiusd")
}

const wantModes = `/etc/duoradiusd drwxr-x--- root:duoradiusd
/etc/duoradiusd/duoradiusd.toml -rw-r----- root:duoradiusd
/var/lib/duoradiusd drwx------ duoradiusd:duoradiusd
`

func wantAsked(t testing.TB, m *manager, want ...string) {
	t.Helper()
	if got := m.took(); !slices.Equal(got, want) {
		t.Errorf("systemctl was asked %q, want %q", got, want)
	}
}

// life is the life of a deb on one machine.
type life struct {
	t        *testing.T
	one, two string // the debs
	box      *sandbox
	*manager
	duo    *fakeduo.Server
	edited string // the configuration as the administrator has made it
}

// TestPackageLife installs the deb, runs what the unit says, upgrades it under a pending login, removes and purges it.
func TestPackageLife(t *testing.T) {
	needPackages(t)
	realClient(t, "dpkg")
	one, two := packages12()(t)
	l := &life{t: t, one: one + "/duoradiusd_1.0.0-1_amd64.deb", two: two + "/duoradiusd_1.1.0-1_amd64.deb", box: newSandbox(t)}
	l.manager = newManager(t, l.box)
	l.duo = startDuo(t, fakeduo.User{Username: "alice"}, fakeduo.User{Username: "bob", Passcodes: []string{"12345678", "87654321"}},
		fakeduo.User{Username: "carol", Tap: fakeduo.Ignore})
	l.install()
	l.serve()
	l.upgrade()
	l.remove()
	l.purge()
}

// install: nothing runs before the example is edited, and the example says so.
func (l *life) install() {
	l.t.Helper()
	printed := l.box.run("dpkg", "-i", l.one)
	if want := "edit /etc/duoradiusd/duoradiusd.toml, then: duoradiusd check && systemctl enable --now duoradiusd"; !strings.Contains(printed, want) {
		l.t.Errorf("dpkg says\n%s\nwithout %q", printed, want)
	}
	wantAsked(l.t, l.manager, "daemon-reload")
	if got := modes(l.box); got != wantModes {
		l.t.Errorf("got\n%swant\n%s", got, wantModes)
	}
	const refusal = "/etc/duoradiusd/duoradiusd.toml:9: duo.api_host: still the example's value, and so are duo.secret_key, client \"vpn\" secret; want your own\n"
	for _, command := range []string{"check", "serve"} {
		if printed, status := l.box.try("duoradiusd", command); printed != refusal || status != 1 {
			l.t.Errorf("%s of the example: status %d, %q; want %q", command, status, printed, refusal)
		}
	}
	if got, want := l.box.run("duoradiusd", "version"), "duoradiusd 1.0.0 (go"; !strings.HasPrefix(got, want) {
		l.t.Errorf("version %q, want %q", got, want)
	}
	for _, name := range []string{"man/man8/duoradiusd-serve.8.gz", "man/man5/duoradiusd.toml.5.gz", "doc/duoradiusd/LICENSES",
		"doc/duoradiusd/sbom.cdx.json", "bash-completion/completions/duoradiusd", "duoradiusd/messages/de.toml", "doc/duoradiusd/clients/README.md",
		"doc/duoradiusd/CHANGELOG.md", "doc/duoradiusd/examples/alerts.yml", "doc/duoradiusd/examples/grafana.json"} {
		if !l.box.exists("/usr/share/" + name) {
			l.t.Errorf("no %s", name)
		}
	}
}

// serve runs the unit's command line as the unit's user.
func (l *life) serve() {
	l.t.Helper()
	etc(l.t, l.box, l.duo)
	l.edited = l.box.read("/etc/duoradiusd/duoradiusd.toml")
	if status := l.systemctl([]string{"restart", "duoradiusd.service"}); status != 0 {
		l.t.Fatalf("the daemon does not start:\n%s", strings.Join(l.log.all(), "\n"))
	}
	l.took()
	l.waitNth(l.t, 3, "WATCHDOG=1")
	l.wantLogin("alice", "push")
	l.wantLogin("bob", "12345678")
	l.wantVersion("1.0.0")
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", l.pid))
	if err != nil || !strings.Contains(string(status), "NoNewPrivs:\t1") || !strings.Contains(string(status), "CapEff:\t0000000000000000") {
		l.t.Errorf("the daemon's process: %v\n%s", err, status)
	}
}

func (l *life) wantLogin(user, password string) {
	l.t.Helper()
	if got := l.login(l.t, user, password); got != "Access-Accept" {
		l.t.Errorf("%s: %s", user, got)
	}
}

func (l *life) wantVersion(version string) {
	l.t.Helper()
	if got := l.box.run("duoradiusd", "status"); !strings.Contains(strings.Join(strings.Fields(got), " "), "version "+version+" ") {
		l.t.Errorf("status says\n%s", got)
	}
}

// upgrade with a login pending: the login gets its answer, and then the new version runs.
func (l *life) upgrade() {
	l.t.Helper()
	answer := make(chan string, 1)
	go func() { answer <- l.login(l.t, "carol", "push") }()
	ctx, cancel := context.WithTimeout(l.t.Context(), patience)
	defer cancel()
	push, err := l.duo.AwaitPending(ctx, "carol")
	if err != nil {
		l.t.Fatal(err)
	}
	upgrade := make(chan string, 1)
	go func() {
		printed, status := l.box.try("dpkg", "--force-confold", "-i", l.two)
		upgrade <- fmt.Sprintf("%s\nstatus %d", printed, status)
	}()
	l.waitNth(l.t, 1, "STOPPING=1")
	select {
	case printed := <-upgrade:
		l.t.Fatalf("the upgrade did not wait for the pending login:\n%s", printed)
	default:
	}
	if err := l.duo.Answer(push.Txid, fakeduo.Approve); err != nil {
		l.t.Fatal(err)
	}
	if got := <-answer; got != "Access-Accept" {
		l.t.Errorf("the login that was pending: %s", got)
	}
	if printed := <-upgrade; !strings.HasSuffix(printed, "\nstatus 0") {
		l.t.Fatal(printed)
	}
	wantAsked(l.t, l.manager, "is-active --quiet duoradiusd.service", "stop duoradiusd.service", "daemon-reload", "daemon-reload",
		"restart duoradiusd.service")
	l.wantVersion("1.1.0")
	l.wantLogin("bob", "87654321")
	if l.box.read("/etc/duoradiusd/duoradiusd.toml") != l.edited {
		l.t.Error("the upgrade has changed the configuration")
	}
	if got := modes(l.box); got != wantModes {
		l.t.Errorf("after the upgrade:\n%swant\n%s", got, wantModes)
	}
}

// Removing: the service does not run any more, and the configuration and the saved state stay.
func (l *life) remove() {
	l.t.Helper()
	l.box.run("dpkg", "--remove", "duoradiusd")
	wantAsked(l.t, l.manager, "disable --now --quiet duoradiusd.socket duoradiusd.service", "daemon-reload")
	if l.pid != 0 || l.box.exists("/usr/bin/duoradiusd") {
		l.t.Error("it is still there")
	}
	for _, name := range []string{"/etc/duoradiusd/duoradiusd.toml", "/var/lib/duoradiusd/state.key"} {
		if !l.box.exists(name) {
			l.t.Errorf("%s is gone", name)
		}
	}
}

// purge: only what the administrator made is left, and the user to whom it belongs; without that, nothing.
func (l *life) purge() {
	l.t.Helper()
	l.box.run("dpkg", "--purge", "duoradiusd")
	left := l.box.written("duoradiusd")
	if want := []string{"/etc/duoradiusd", "/etc/duoradiusd/duo-ca.pem", "/etc/duoradiusd/vpn.secret"}; !slices.Equal(left, want) {
		l.t.Errorf("left: %q, want %q", left, want)
	}
	l.box.run("getent", "passwd", "duoradiusd")

	l.box.run("rm", "-r", "/etc/duoradiusd")
	l.box.run("dpkg", "-i", l.one)
	l.box.run("dpkg", "--purge", "duoradiusd")
	if left := l.box.written("duoradiusd"); len(left) > 0 {
		l.t.Errorf("left: %q", left)
	}
	for _, database := range []string{"passwd", "group"} {
		if printed, status := l.box.try("getent", database, "duoradiusd"); status == 0 {
			l.t.Errorf("still in %s: %s", database, printed)
		}
	}
}

// TestPackageWithoutSystemd installs, upgrades and purges where no systemd runs, as in a container.
func TestPackageWithoutSystemd(t *testing.T) {
	needPackages(t)
	realClient(t, "dpkg")
	one, two := packages12()(t)
	box := newSandbox(t)
	box.write("/usr/bin/systemctl", "#!/bin/sh\necho systemctl was called >&2\nexit 1\n", fs.FileMode(0o755))
	for _, args := range [][]string{
		{"-i", one + "/duoradiusd_1.0.0-1_amd64.deb"},
		{"-i", two + "/duoradiusd_1.1.0-1_amd64.deb"},
	} {
		if printed := box.run(append([]string{"dpkg"}, args...)...); strings.Contains(printed, "systemctl") && !strings.Contains(printed, "systemctl enable --now") {
			t.Errorf("dpkg %q:\n%s", args, printed)
		}
	}
	// The example was not edited, so it is replaced by the new one.
	if !strings.Contains(box.read("/etc/duoradiusd/duoradiusd.toml"), "version 1.1.0") {
		t.Error("the example is the old one still")
	}
	if got := modes(box); got != wantModes {
		t.Errorf("after the upgrade:\n%swant\n%s", got, wantModes)
	}
	box.run("dpkg", "--remove", "duoradiusd")
	box.run("dpkg", "--purge", "duoradiusd")
	if left := box.written("duoradiusd"); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// TestPackageRPM does the same with the rpm, where it differs. An rpm is never purged.
func TestPackageRPM(t *testing.T) {
	needPackages(t)
	realClient(t, "rpm")
	one, two := packages12()(t)
	rpm := func(dir, version string) string { return fmt.Sprintf("%s/duoradiusd-%s-1.x86_64.rpm", dir, version) }
	box := newSandbox(t)
	m := newManager(t, box)
	duo := startDuo(t, fakeduo.User{Username: "alice"})
	box.run("rpm", "--install", "--nodeps", rpm(one, "1.0.0")) // rpm does not know this machine's packages
	wantAsked(t, m, "daemon-reload")
	if got := modes(box); got != wantModes {
		t.Errorf("got\n%swant\n%s", got, wantModes)
	}
	etc(t, box, duo)
	edited := box.read("/etc/duoradiusd/duoradiusd.toml")
	if status := m.systemctl([]string{"restart", "duoradiusd.service"}); status != 0 {
		t.Fatalf("the daemon does not start:\n%s", strings.Join(m.log.all(), "\n"))
	}
	m.took()
	box.run("rpm", "--upgrade", "--nodeps", rpm(two, "1.1.0"))
	wantAsked(t, m, "is-active --quiet duoradiusd.service", "stop duoradiusd.service", "daemon-reload", "restart duoradiusd.service", "daemon-reload")
	if got := m.login(t, "alice", "push"); got != "Access-Accept" {
		t.Errorf("after the upgrade: %s", got)
	}
	if box.read("/etc/duoradiusd/duoradiusd.toml") != edited || !box.exists("/etc/duoradiusd/duoradiusd.toml.rpmnew") {
		t.Error("the upgrade has changed the configuration, or not told of the new one")
	}
	if got := modes(box); got != wantModes {
		t.Errorf("after the upgrade:\n%swant\n%s", got, wantModes)
	}
	box.run("rpm", "--erase", "duoradiusd")
	wantAsked(t, m, "disable --now --quiet duoradiusd.socket duoradiusd.service", "daemon-reload")
	if m.pid != 0 || box.exists("/usr/bin/duoradiusd") || !box.exists("/etc/duoradiusd/vpn.secret") || !box.exists("/var/lib/duoradiusd/state.key") {
		t.Error("it is still there, or what was to stay is gone")
	}
}
