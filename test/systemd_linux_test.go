package test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"duoradiusd/test/fakeduo"
)

// bootScript runs systemd itself in a root folder of its own, as in a container, with processes, mounts, control groups and
// network of its own. $1 is a folder to work in.
const bootScript = `
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
root=$1/root
mkdir "$1/upper" "$1/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
	touch "$root/dev/$device"
	mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
rm -rf "$root/etc/duoradiusd" "$root/var/lib/duoradiusd" "$root/var/log/duoradiusd" "$root"/etc/systemd/system/*.wants
echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
mkdir "$root/before" "$root/packages"
mount --bind "$2" "$root/packages"
cd "$root"
pivot_root . before
umount -l /before
exec env -i container=other /lib/systemd/systemd --system --unit=basic.target --log-target=journal --show-status=no </dev/null
`

// boot starts it in a network of its own, and returns when it answers.
func boot(t *testing.T, n *netns, packages string) *sandbox {
	t.Helper()
	for _, program := range []string{"unshare", "nsenter", "pivot_root", "systemctl"} {
		realClient(t, program)
	}
	s := &sandbox{t: t, dir: t.TempDir()}
	var said bytes.Buffer
	n.do(func() {
		s.cmd = exec.Command("unshare", "--mount", "--pid", "--ipc", "--uts", "--cgroup", "--fork", "--kill-child", "sh", "-c", bootScript, "sh", s.dir, packages)
		s.cmd.Stdout, s.cmd.Stderr = &said, &said
		tie(s.cmd)
		if err := s.cmd.Start(); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() {
		s.cmd.Process.Kill() // this ends all of its processes, too: --kill-child
		s.cmd.Wait()
	})
	for start := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		if pid, err := childOf(s.cmd.Process.Pid); err == nil {
			s.inside = fmt.Sprint(pid)
			if _, err := os.Stat(s.path("/run/systemd/private")); err == nil {
				if out, _ := s.try("systemctl", "is-system-running"); strings.TrimSpace(out) == "running" {
					return s
				}
			}
		}
		if time.Since(start) > patience {
			s.cmd.Process.Kill()
			s.cmd.Wait()
			noSandbox(t, "systemd does not come up: "+said.String())
		}
	}
}

// host is a machine with systemd. It has a Duo beside it, and the debs of both versions in /packages.
type host struct {
	*sandbox
	t   *testing.T
	duo *fakeduo.Server
}

// TestSystemd: systemd runs the service of the deb, with all that the unit forbids. The test reloads with a wrong file,
// starts the service by a socket, and upgrades while a login is pending.
func TestSystemd(t *testing.T) {
	needPackages(t)
	realClient(t, "radclient")
	one, two := packages12()(t)
	both := t.TempDir()
	for _, dir := range []string{one, two} {
		if err := os.CopyFS(both, onlyDebs{os.DirFS(dir)}); err != nil {
			t.Fatal(err)
		}
	}
	n := newNetns(t, "systemd")
	h := &host{sandbox: boot(t, n, both), t: t}
	n.do(func() {
		h.duo = startDuo(t, fakeduo.User{Username: "alice"}, fakeduo.User{Username: "carol", Tap: fakeduo.Ignore})
	})

	h.run("dpkg", "-i", "/packages/duoradiusd_1.0.0-1_amd64.deb")
	h.wantState("inactive")
	etc(t, h.sandbox, h.duo)
	config := strings.Replace(h.read("/etc/duoradiusd/duoradiusd.toml"), "[[listen]]\naddress = \"127.0.0.1:0\"\n", "", 1)
	h.write("/etc/duoradiusd/duoradiusd.toml", config, 0o640)
	h.starts()
	h.reloads(config)
	h.upgrades()

	// A packet to the socket starts the service, and is answered.
	h.run("systemctl", "stop", "duoradiusd.service")
	h.run("systemctl", "start", "duoradiusd.socket")
	h.wantLogin("alice")
	h.wantState("active")

	h.run("dpkg", "--purge", "duoradiusd")
	h.wantState("inactive")
}

func (h *host) show(property string) string {
	h.t.Helper()
	return strings.TrimSpace(h.run("systemctl", "show", "--value", "--property="+property, "duoradiusd.service"))
}

func (h *host) wantState(want string) {
	h.t.Helper()
	if got := h.show("ActiveState"); got != want {
		h.t.Errorf("it is %s, want %s", got, want)
	}
}

// login has radclient log in and returns what it got.
func (h *host) login(user string) string {
	h.t.Helper()
	packet := "/run/packet-of-" + user
	h.write(packet, "User-Name = "+user+", User-Password = push, Message-Authenticator = 0x00\n", 0o600)
	printed, _ := h.try("radclient", "-x", "-t", "20", "-r", "1", "-f", packet, "127.0.0.1:1812", "auth", vpnSecret)
	if got := received(printed); got != "nothing" {
		return got
	}
	return printed + h.run("journalctl", "--no-pager", "-u", "duoradiusd", "-n", "20")
}

func (h *host) wantLogin(user string) {
	h.t.Helper()
	if got := h.login(user); got != "Access-Accept" {
		h.t.Fatalf("a login of %s: %s", user, got)
	}
}

// starts: the service runs with the unit's restrictions, reports its status, and answers.
func (h *host) starts() {
	h.t.Helper()
	if printed, status := h.try("systemctl", "start", "duoradiusd.service"); status != 0 {
		h.t.Fatalf("%s%s", printed, h.run("journalctl", "--no-pager", "-u", "duoradiusd"))
	}
	if got, want := h.show("StatusText"), regexp.MustCompile(`^1 client, .* on udp \[::\]:1812; Duo up$`); !want.MatchString(got) {
		h.t.Errorf("status %q", got)
	}
	process := h.run("cat", "/proc/"+h.show("MainPID")+"/status")
	for _, want := range []string{"Seccomp:\t2", "NoNewPrivs:\t1", "CapBnd:\t0000000000000000"} {
		if !strings.Contains(process, want) {
			h.t.Errorf("the process has no %q:\n%s", want, process)
		}
	}
	h.wantLogin("alice")
}

// reloads: a reload ends when the new configuration is in force, or fails.
func (h *host) reloads(config string) {
	h.t.Helper()
	h.run("systemctl", "reload", "duoradiusd.service")
	h.write("/etc/duoradiusd/duoradiusd.toml", config+"[nonsense]\n", 0o640)
	if _, status := h.try("systemctl", "reload", "duoradiusd.service"); status == 0 {
		h.t.Error("a reload of nonsense succeeds")
	}
	h.wantState("active")
	h.write("/etc/duoradiusd/duoradiusd.toml", config, 0o640)
	h.run("systemctl", "reload", "duoradiusd.service")
}

// upgrades: the upgrade waits for the pending login, and starts the service again.
func (h *host) upgrades() {
	h.t.Helper()
	answer := make(chan string, 1)
	go func() { answer <- h.login("carol") }()
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	push, err := h.duo.AwaitPending(ctx, "carol")
	if err != nil {
		h.t.Fatal(err)
	}
	upgrade := make(chan string, 1)
	go func() {
		printed, status := h.try("dpkg", "--force-confold", "-i", "/packages/duoradiusd_1.1.0-1_amd64.deb")
		upgrade <- fmt.Sprintf("%s\nstatus %d", printed, status)
	}()
	for start := time.Now(); h.show("ActiveState") != "deactivating"; time.Sleep(20 * time.Millisecond) {
		if time.Since(start) > patience {
			h.t.Fatal("it is not stopped")
		}
	}
	if err := h.duo.Answer(push.Txid, fakeduo.Approve); err != nil {
		h.t.Fatal(err)
	}
	if got := <-answer; got != "Access-Accept" {
		h.t.Errorf("the login that was pending: %s", got)
	}
	if printed := <-upgrade; !strings.HasSuffix(printed, "\nstatus 0") {
		h.t.Fatal(printed)
	}
	h.wantState("active")
	if got := h.run("duoradiusd", "status"); !strings.Contains(strings.Join(strings.Fields(got), " "), "version 1.1.0 ") {
		h.t.Errorf("status says\n%s", got)
	}
}

// onlyDebs returns a folder that holds only the debs.
type onlyDebs struct{ fs.FS }

func (o onlyDebs) ReadDir(name string) (debs []fs.DirEntry, err error) {
	all, err := fs.ReadDir(o.FS, name)
	for _, e := range all {
		if filepath.Ext(e.Name()) == ".deb" {
			debs = append(debs, e)
		}
	}
	return debs, err
}
