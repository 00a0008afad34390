package test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"duoradiusd/test/fakeduo"
	"duoradiusd/test/nas"
)

// notified is what a service reports to its manager (sd_notify(3)), one variable per line.
type notified struct {
	*book
	path string // of the socket, for NOTIFY_SOCKET
}

var notifiedNumber atomic.Int32

func newNotified(t testing.TB) *notified {
	t.Helper()
	// The socket is an abstract one, which a different root folder does not hide.
	n := &notified{book: newBook(), path: fmt.Sprintf("@duoradiusd-test-%d-%d", os.Getpid(), notifiedNumber.Add(1))}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: n.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	go func() {
		defer w.Close()
		b := make([]byte, 1<<16)
		for {
			size, err := conn.Read(b)
			if err != nil {
				return
			}
			fmt.Fprintf(w, "%s\n", strings.TrimSuffix(string(b[:size]), "\n"))
		}
	}()
	done := make(chan struct{})
	go func() {
		n.fill(r)
		close(done)
	}()
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	return n
}

// waitNth waits for the nth line that begins with this text, counted from 1, and returns it.
func (n *notified) waitNth(t testing.TB, nth int, start string) string {
	t.Helper()
	count := 0
	line, ok := n.wait(func(line string) bool {
		if strings.HasPrefix(line, start) {
			count++
		}
		return count == nth
	})
	if !ok {
		t.Fatalf("not told %q %d times:\n%s", start, nth, strings.Join(n.all(), "\n"))
	}
	return line
}

// startService starts the daemon as systemd does: with a socket to notify, a watchdog, and sockets that are open.
func startService(t *testing.T, duo *fakeduo.Server, config string, sockets ...*os.File) (*daemon, *notified) {
	t.Helper()
	return startServiceOf(t, daemonProgram(t), duo, config, sockets...)
}

func startServiceOf(t *testing.T, program string, duo *fakeduo.Server, config string, sockets ...*os.File) (*daemon, *notified) {
	t.Helper()
	n := newNotified(t)
	d := &daemon{t: t, duo: duo, dir: t.TempDir(), log: newBook(), ended: make(chan struct{})}
	furnish(t, d.dir, duo, config)
	d.cmd = exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh", program, "serve", "--config", d.config())
	d.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+n.path, "WATCHDOG_USEC=300000", fmt.Sprintf("LISTEN_FDS=%d", len(sockets)))
	d.cmd.ExtraFiles = sockets
	tie(d.cmd)
	stdout, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := d.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.cleanup)
	out := bufio.NewReader(stdout)
	first := make(chan string, 1)
	go func() {
		line, _ := out.ReadString('\n')
		first <- line
		d.log.fill(stderr)
		d.cmd.Wait()
		close(d.ended)
	}()
	n.waitNth(t, 1, "READY=1")
	m := startLine.FindStringSubmatch(strings.TrimSuffix(<-first, "\n"))
	if m == nil {
		t.Fatal("no start line before READY=1")
	}
	d.addr = netip.MustParseAddrPort(m[1])
	return d, n
}

func TestServiceManager(t *testing.T) {
	t.Parallel()
	duo := startDuo(t, fakeduo.User{Username: "alice", Tap: fakeduo.Ignore})
	d, n := startService(t, duo, "")
	want := "STATUS=1 client, 0 users, 0 rules, 1 Duo application on udp " + d.addr.String() + "; Duo up"
	if got := n.waitNth(t, 1, "STATUS="); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	n.waitNth(t, 3, "WATCHDOG=1")

	// The daemon reports each reload, whatever its result, also to the one that asked for it.
	d.Reload("")
	n.waitNth(t, 1, "RELOADING=1")
	n.waitNth(t, 1, "MONOTONIC_USEC=")
	n.waitNth(t, 2, "READY=1")
	d.Reload("[nonsense]\n")
	n.waitNth(t, 2, "RELOADING=1")
	n.waitNth(t, 3, "READY=1")
	d.Rewrite("")
	if out, errs, status := d.Do("reload"); status != 0 {
		t.Errorf("reload: status %d\n%s%s", status, out, errs)
	}
	n.waitNth(t, 4, "READY=1")

	// The daemon reports at once that it ends, and goes on to show that it is alive until the last login has its answer.
	client, err := nas.Dial(d.addr, netip.AddrPort{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	r := pushRequest("alice")
	if err := client.Send(r.Bytes()); err != nil {
		t.Fatal(err)
	}
	push, err := duo.AwaitPending(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	d.Signal(syscall.SIGTERM)
	n.waitNth(t, 1, "STOPPING=1")
	n.waitNth(t, 1, "STATUS=ending: pending logins get their answer first")
	d.WaitLog("ending")
	beats := strings.Count(strings.Join(n.all(), "\n"), "WATCHDOG=1")
	n.waitNth(t, beats+3, "WATCHDOG=1")
	if err := duo.Answer(push.Txid, fakeduo.Approve); err != nil {
		t.Fatal(err)
	}
	b, err := client.Receive(patience)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := r.Verify(b); err != nil || p.Code != nas.CodeAccessAccept {
		t.Errorf("got %v, %v", p, err)
	}
	if status := d.Wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	_, after, _ := strings.Cut(strings.Join(n.all(), "\n"), "STOPPING=1")
	if strings.Count(after, "STATUS=") != 1 {
		t.Errorf("after STOPPING=1:%s", after)
	}
}

// TestServiceSockets: the daemon reads the socket that systemd opened, including what came before the start. It names the
// sockets that it does not read.
func TestServiceSockets(t *testing.T) {
	t.Parallel()
	duo := startDuo(t, fakeduo.User{Username: "alice"})
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4zero})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	other, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	var files []*os.File
	for _, c := range []*net.UDPConn{other, conn} {
		f, err := c.File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files = append(files, f)
	}
	port := conn.LocalAddr().(*net.UDPAddr).Port
	client, err := nas.Dial(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port)), netip.AddrPort{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	r := pushRequest("alice")
	if err := client.Send(r.Bytes()); err != nil {
		t.Fatal(err)
	}
	d, _ := startService(t, duo, fmt.Sprintf("[[listen]]\naddress = \"0.0.0.0:%d\"\n", port), files...)
	b, err := client.Receive(patience)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := r.Verify(b); err != nil || p.Code != nas.CodeAccessAccept {
		t.Errorf("got %v, %v", p, err)
	}
	d.WaitLog("a socket is not used", "socket="+other.LocalAddr().String(), "no [[listen]] has its address")
	if n := strings.Count(strings.Join(d.Log(), "\n"), "a socket is not used"); n != 1 {
		t.Errorf("%d sockets not used, want 1", n)
	}
	d.Stop()
}
