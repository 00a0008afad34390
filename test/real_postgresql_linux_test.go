package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// portOf returns the port at which a daemon listens.
func portOf(d *daemon) string { return strconv.Itoa(int(d.Addr().Port())) }

// postgres is a test's own PostgreSQL server, which runs as the user postgres.
type postgres struct {
	bin, dir string
	port     int
}

// ownNull gives a program a /dev/null that its user may write to, because some containers have none.
const ownNull = `null=$(mktemp -u) && mknod -m 666 "$null" c 1 3 && mount --bind "$null" /dev/null && rm -f "$null" && exec runuser -u postgres -- "$@"`

// as runs one of PostgreSQL's programs as the server's user.
func (p postgres) as(program string, args ...string) *exec.Cmd {
	cmd := exec.Command("unshare", append([]string{"--mount", "sh", "-c", ownNull, "sh", filepath.Join(p.bin, program)}, args...)...)
	cmd.Dir = p.dir
	return cmd
}

// startPostgres starts a server that asks d about everybody who connects over the network.
func startPostgres(t *testing.T, d *daemon) postgres {
	t.Helper()
	realClient(t, "runuser")
	realClient(t, "unshare")
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(found) == 0 {
		realClient(t, "postgres")
	}
	if os.Geteuid() != 0 {
		noNetns(t, "not root")
	}
	dir, err := os.MkdirTemp("", "postgres") // the server's user may not read the test's own folder
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := postgres{bin: found[len(found)-1], dir: dir, port: freeTCPPort(t)}
	if printed, err := exec.Command("chown", "postgres", p.dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, printed)
	}
	data := filepath.Join(p.dir, "data")
	if printed, err := p.as("initdb", "-D", data, "-A", "trust").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, printed)
	}
	write(t, filepath.Join(data, "pg_hba.conf"), fmt.Sprintf("local all all trust\nhost all all 127.0.0.1/32 radius radiusservers=%q radiussecrets=%q radiusports=%q\n",
		d.Addr().Addr(), vpnSecret, portOf(d)))
	if err := os.Chmod(filepath.Join(data, "pg_hba.conf"), 0o644); err != nil {
		t.Fatal(err)
	}
	options := fmt.Sprintf("-c listen_addresses=127.0.0.1 -c port=%d -c unix_socket_directories=%s", p.port, p.dir)
	if printed, err := p.as("pg_ctl", "-D", data, "-w", "-l", filepath.Join(p.dir, "log"), "-o", options, "start").CombinedOutput(); err != nil {
		said, _ := os.ReadFile(filepath.Join(p.dir, "log"))
		t.Fatalf("%v: %s%s", err, printed, said)
	}
	t.Cleanup(func() { p.as("pg_ctl", "-D", data, "-m", "immediate", "stop").Run() })
	for _, u := range realUsers() {
		if printed, err := p.as("createuser", "-h", p.dir, "-p", strconv.Itoa(p.port), u.Username).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, printed)
		}
	}
	return p
}

// TestPostgreSQL: the server asks the daemon for the passwords of its users.
func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	realClient(t, "psql")
	slow(t, "it runs PostgreSQL")
	d := startDaemon(t, startDuo(t, realUsers()...), realConfig(t, `timeout = "2900ms"`))
	p := startPostgres(t, d)
	d.let(t, `""`, realLogins, func(t *testing.T, user, password string) bool {
		psql := exec.Command("psql", "-h", "127.0.0.1", "-p", strconv.Itoa(p.port), "-U", user, "-d", "postgres", "-tAc", "select current_user")
		psql.Env = append(os.Environ(), "PGPASSWORD="+password)
		printed, err := psql.CombinedOutput()
		if err != nil && !strings.Contains(string(printed), "RADIUS authentication failed") {
			t.Fatalf("%v: %s", err, printed)
		}
		return err == nil && strings.TrimSpace(string(printed)) == user
	})
}
