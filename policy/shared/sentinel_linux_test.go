package shared_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"duoradiusd/policy"
	"duoradiusd/policy/shared"
)

// runSentinel runs a Sentinel that watches a primary named "store". It makes a replica the primary half a second after the
// primary has ended.
func runSentinel(t *testing.T, primary *realRedis, password string) (addr string) {
	t.Helper()
	program, err := exec.LookPath("redis-sentinel")
	if err != nil {
		if os.Getenv("REQUIRE_REAL_CLIENTS") == "1" {
			t.Fatal("redis-sentinel is not installed")
		}
		t.Skip("redis-sentinel is not installed")
	}
	_, port, _ := net.SplitHostPort(primary.addr)
	own := freePort(t)
	file := filepath.Join(t.TempDir(), "sentinel.conf") // the Sentinel writes into this file
	config := fmt.Sprintf(`port %d
bind 127.0.0.1
dir %s
requirepass %s
sentinel monitor store 127.0.0.1 %s 1
sentinel auth-pass store %s
sentinel down-after-milliseconds store 500
sentinel failover-timeout store 3000
`, own, filepath.Dir(file), password, port, password)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, file)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return fmt.Sprint("127.0.0.1:", own)
}

// says reports whether a server's answer to a command holds a text.
func says(r *realRedis, phrase string, command ...string) func() bool {
	return func() bool {
		out, err := r.tryCLI(command...)
		return err == nil && strings.Contains(out, phrase)
	}
}

// TestK83_Sentinel: the primary is killed while a push is open, and the Sentinel makes the replica the primary. All logins
// that wait are answered, and a daemon that starts then joins the push, so the phone rings once.
func TestK83_Sentinel(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for a failover")
	}
	t.Parallel()
	const password = "of-both"
	auth := []string{"--requirepass", password, "--masterauth", password}
	primary := runRedis(t, auth...)
	_, port, _ := net.SplitHostPort(primary.addr)
	replica := runRedis(t, append([]string{"--replicaof", "127.0.0.1 " + port, "--repl-diskless-sync-delay", "0"}, auth...)...)
	for _, r := range []*realRedis{primary, replica} {
		r.user = []string{"--no-auth-warning", "-a", password}
	}
	eventually(t, "the replica follows", says(replica, "master_link_status:up", "info", "replication"))
	sentinel := &realRedis{t: t, addr: runSentinel(t, primary, password), user: primary.user}
	eventually(t, "the Sentinel knows the replica", says(sentinel, replica.addr, "sentinel", "replicas", "store"))
	through := func(c *shared.Config) {
		c.Address, c.Sentinels, c.Master, c.Password = "", []string{"127.0.0.1:1", sentinel.addr}, "store", password
	}
	duo := newDuo()
	a, b := start(t, "a", "", duo, through), start(t, "b", "", duo, through)
	for _, d := range []*daemon{a, b} {
		eventually(t, "the store answers", func() bool { return d.cluster.Counters().Up })
	}
	first := a.login("alice")
	eventually(t, "the phone rings", func() bool { return duo.rings() == 1 })
	second := b.login("alice")
	eventually(t, "b follows", func() bool { return b.memory.Counts().Transactions == 1 })
	eventually(t, "the replica has it", says(replica, ":join:", "keys", "*"))

	primary.kill()
	eventually(t, "the replica is the primary", says(replica, "role:master", "info", "replication"))
	for _, d := range []*daemon{a, b} {
		eventually(t, "the store answers again", func() bool { return d.cluster.Counters().Up })
	}
	c := start(t, "c", "", duo, through)
	eventually(t, "c has the store", func() bool { return c.cluster.Counters().Up })
	third := c.login("alice")
	eventually(t, "c follows", func() bool { return c.memory.Counts().Transactions == 1 })
	duo.allows()
	wants(t, "a", first, policy.OutcomeAccept, policy.ReasonApproved)
	wants(t, "b", second, policy.OutcomeAccept, policy.ReasonApproved)
	wants(t, "c", third, policy.OutcomeAccept, policy.ReasonApproved)
	if n := duo.rings(); n != 1 {
		t.Errorf("the phone rang %d times", n)
	}
	if st := c.cluster.Status(t.Context()); st.Server.Role != "master" {
		t.Errorf("status: %+v", st)
	}
}
