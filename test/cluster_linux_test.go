package test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"duoradiusd/test/fakeduo"
	"duoradiusd/test/nas"
)

// redis is Debian's redis-server on the loopback address.
type redis struct {
	t    testing.TB
	port int
	cmd  *exec.Cmd
}

func startRedis(t testing.TB) *redis {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("REQUIRE_REAL_CLIENTS") == "1" {
			t.Fatal("redis-server is not installed")
		}
		t.Skip("redis-server is not installed")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &redis{t: t, port: l.Addr().(*net.TCPAddr).Port}
	l.Close()
	r.start()
	t.Cleanup(r.kill)
	return r
}

func (r *redis) start() {
	r.t.Helper()
	r.cmd = exec.Command("redis-server", "--port", fmt.Sprint(r.port), "--bind", "127.0.0.1", "--save", "", "--dir", r.t.TempDir())
	tie(r.cmd)
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	eventually(r.t, "redis-server listens", func() bool {
		c, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", r.port))
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

func (r *redis) kill() {
	if r.cmd != nil {
		r.cmd.Process.Kill()
		r.cmd.Wait()
		r.cmd = nil
	}
}

// startCluster starts daemons that share a Redis. config is TOML for each.
func startCluster(t testing.TB, duo *fakeduo.Server, r *redis, daemons int, config string) (list []*daemon) {
	t.Helper()
	key := filepath.Join(t.TempDir(), "cluster.key")
	if out, stderr, status := run(t, "", daemonProgram(t), "cluster", "key", key); status != 0 {
		t.Fatalf("cluster key: %s%s", out, stderr)
	}
	for range daemons {
		list = append(list, startDaemon(t, duo, config+fmt.Sprintf("\n[cluster]\nurl = \"redis://127.0.0.1:%d\"\nkey_file = %q\ntimeout = \"2s\"\n", r.port, key))) // a busy machine must not look like an outage
	}
	for _, d := range list {
		d.WaitLog("cluster: the store answers")
	}
	return list
}

// answer is the reply to a login that runs beside the test.
type answer struct {
	*nas.Response
	error
}

// begin sends a login in the way of a client that then waits.
func begin(t *testing.T, d *daemon, user string) <-chan answer {
	out := make(chan answer, 1)
	go func() {
		r, err := try(t, d, user, "push")
		out <- answer{r, err}
	}()
	return out
}

func (a answer) wants(t *testing.T, who string, code byte) {
	t.Helper()
	if a.error != nil || a.Code != code {
		t.Errorf("%s: %v, %v; want code %d", who, a.Response, a.error, code)
	}
}

const clusterClient = "[[client]]\ntimeout = \"60s\"\n"

// TestK81_DaemonKilled: the daemon that began a push is killed. The other daemon answers its own client when the user
// approves.
func TestK81_DaemonKilled(t *testing.T) {
	slow(t, "it waits until a lease ends")
	t.Parallel()
	duo := startDuo(t, fakeduo.User{Username: "alice", Tap: fakeduo.Ask})
	d := startCluster(t, duo, startRedis(t), 2, clusterClient)
	begin(t, d[0], "alice")
	push, err := duo.AwaitPending(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond) // the reply to auth has arrived, and its txid is published
	d[0].Signal(syscall.SIGKILL)
	second := begin(t, d[1], "alice") // the client fails over
	d[1].WaitLog("a push is taken over")
	if err := duo.Answer(push.Txid, fakeduo.Approve); err != nil {
		t.Fatal(err)
	}
	(<-second).wants(t, "the second daemon", nas.CodeAccessAccept)
	if n := duo.Pushes(); n != 1 {
		t.Errorf("the phone rang %d times", n)
	}
}

// TestK25_DaemonKilledBeforeItKnew: the daemon is killed before Duo's answer to auth arrives. The phone rings, and nobody
// knows the txid. The other daemon lets nobody in, also with failmode = "safe", and begins no second push.
func TestK25_DaemonKilledBeforeItKnew(t *testing.T) {
	slow(t, "it waits until a lease ends")
	t.Parallel()
	for failmode, silent := range map[string]bool{"safe": false, "silent": true} {
		t.Run(failmode, func(t *testing.T) {
			t.Parallel()
			duo := startDuo(t, fakeduo.User{Username: "alice", Tap: fakeduo.Ask})
			d := startCluster(t, duo, startRedis(t), 2, fmt.Sprintf("[duo]\nfailmode = %q\n", failmode)+clusterClient)
			duo.Inject("/auth/v2/auth", fakeduo.Fault{Trickle: time.Minute})
			begin(t, d[0], "alice")
			if _, err := duo.AwaitPending(t.Context(), "alice"); err != nil {
				t.Fatal(err)
			}
			d[0].Signal(syscall.SIGKILL)
			second := begin(t, d[1], "alice")
			d[1].WaitLog("a push is lost")
			if silent {
				d[1].WaitLog("duo-unavailable")
				select {
				case a := <-second:
					t.Errorf("a reply: %v, %v", a.Response, a.error)
				case <-time.After(time.Second):
				}
			} else {
				(<-second).wants(t, "the second daemon", nas.CodeAccessReject)
			}
			if n := duo.Pushes(); n != 1 {
				t.Errorf("the phone rang %d times", n)
			}
		})
	}
}

// TestK82_DaemonStopped: the daemon that began a push is stopped for longer than its lease, and then goes on. The other
// daemon has taken its push over. The stopped daemon does not end the push, and both clients get the answer.
func TestK82_DaemonStopped(t *testing.T) {
	slow(t, "it waits until a lease ends")
	t.Parallel()
	duo := startDuo(t, fakeduo.User{Username: "alice", Tap: fakeduo.Ask})
	d := startCluster(t, duo, startRedis(t), 2, clusterClient)
	first := begin(t, d[0], "alice")
	push, err := duo.AwaitPending(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	d[0].Signal(syscall.SIGSTOP)
	second := begin(t, d[1], "alice")
	d[1].WaitLog("a push is taken over")
	d[0].Signal(syscall.SIGCONT)
	d[0].WaitLog("another daemon has taken over a push")
	if err := duo.Answer(push.Txid, fakeduo.Approve); err != nil {
		t.Fatal(err)
	}
	(<-second).wants(t, "the second daemon", nas.CodeAccessAccept)
	(<-first).wants(t, "the first daemon", nas.CodeAccessAccept)
	if n := duo.Pushes(); n != 1 {
		t.Errorf("the phone rang %d times", n)
	}
}

// TestK83_StoreSeen: what an administrator sees of a store that is down: one line in the log for each change, cluster
// status, the metric and the status page.
func TestK83_StoreSeen(t *testing.T) {
	t.Parallel()
	duo := startDuo(t, fakeduo.User{Username: "alice"})
	r := startRedis(t)
	d := startCluster(t, duo, r, 2, "[admin]\naddress = \"127.0.0.1:0\"\n"+clusterClient)
	sees := func(path, phrase string) func() bool {
		return func() bool {
			_, body := d[0].fetch(path)
			return strings.Contains(body, phrase)
		}
	}
	status := func(phrases ...string) func() bool {
		return func() bool {
			out, _, code := run(t, "", daemonProgram(t), "cluster", "status", "--socket", d[0].Socket())
			for _, p := range phrases {
				if code != 0 || !strings.Contains(out, p) {
					return false
				}
			}
			return strings.Count(out, "\ndaemon ") >= 1 || !strings.Contains(phrases[0], "answers")
		}
	}
	eventually(t, "status: up", status("answers in", "redis ", "master", "noeviction", "asked here"))
	eventually(t, "the metric: up", sees("metrics", "\nduoradiusd_cluster_up 1\n"))
	r.kill()
	login(t, d[0], "alice", "push")
	eventually(t, "status: down", status("can't be asked"))
	eventually(t, "the metric: down", sees("metrics", "\nduoradiusd_cluster_up 0\n"))
	eventually(t, "the page: down", sees("", `<th scope="row">Cluster</th><td data-label="Where"></td><td data-label="State"><span class="pill bad">down</span>`))
	r.start()
	eventually(t, "the metric: up again", sees("metrics", "\nduoradiusd_cluster_up 1\n"))
	lines := func(phrase string) (n int) {
		for _, line := range d[0].Log() {
			if strings.Contains(line, phrase) {
				n++
			}
		}
		return n
	}
	eventually(t, "the log says so", func() bool { return lines("the store answers") == 2 })
	if n := lines("the store can't be asked"); n != 1 {
		t.Errorf("%d lines on one outage:\n%s", n, strings.Join(d[0].Log(), "\n"))
	}
}
