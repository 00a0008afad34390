package test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"duoradiusd/test/fakeduo"
)

// image describes what the last stage of the Dockerfile makes.
type image struct {
	root   string
	copied map[string]string // by the path in the build stage: where the file comes from in this test; "" means an empty folder
	user   string
	health []string
	args   []string // ENTRYPOINT and CMD
}

// readImage reads the last stage. A line that it does not know fails the test.
func readImage(t *testing.T, dockerfile string, copied map[string]string) *image {
	t.Helper()
	b, err := os.ReadFile(dockerfile)
	if err != nil {
		t.Fatal(err)
	}
	_, last, ok := strings.Cut(string(b), "\nFROM scratch\n")
	if !ok {
		t.Fatal("no stage from scratch")
	}
	img := &image{root: t.TempDir(), copied: copied}
	for line := range strings.Lines(last) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "", "EXPOSE", "VOLUME":
		case "COPY":
			img.copy(t, strings.Fields(rest))
		case "USER":
			img.user = rest
		case "HEALTHCHECK":
			_, command, _ := strings.Cut(rest, "CMD ")
			img.health = words(t, command)
		case "ENTRYPOINT":
			img.args = words(t, rest)
		case "CMD":
			img.args = append(img.args, words(t, rest)...)
		default:
			t.Fatalf("%s: nobody here knows what %s is", dockerfile, word)
		}
	}
	return img
}

// words reads the exec form of a command.
func words(t *testing.T, text string) (list []string) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return list
}

func (img *image) copy(t *testing.T, args []string) {
	t.Helper()
	owner := 0
	for strings.HasPrefix(args[0], "--") {
		if _, err := fmt.Sscanf(args[0], "--chown=%d:", &owner); err != nil && args[0] != "--from=build" {
			t.Fatalf("COPY %q", args)
		}
		args = args[1:]
	}
	from, ok := img.copied[args[0]]
	if !ok {
		t.Fatalf("COPY of %s, which the build does not make", args[0])
	}
	to := filepath.Join(img.root, args[1])
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if from == "" {
		if err := os.Mkdir(to, 0o755); err != nil {
			t.Fatal(err)
		}
	} else {
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, b, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(to, owner, owner); err != nil {
		t.Fatal(err)
	}
}

// containerScript makes $1 a root folder as a container has it. It is read-only, except for the mounts: the configuration
// $2 and the state $3 from outside, and a file system in memory for sockets. The other arguments are the user $4 and the
// command.
const containerScript = `
set -e
mount --make-rprivate /
root=$1; config=$2; state=$3; user=$4; shift 4
mount --bind "$root" "$root"
mount --bind "$config" "$root/etc/duoradiusd"
mount --bind "$state" "$root/var/lib/duoradiusd"
mount -t tmpfs -o uid=65532,gid=65532,mode=0755,size=64k tmpfs "$root/run/duoradiusd"
mount -o remount,bind,ro "$root"
mount -o remount,bind,ro "$root/etc/duoradiusd"
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot --userspec="$user" "$root" "$@"
`

// start runs the container in the way of compose.yaml, with the configuration and the state from these folders.
func (img *image) start(t *testing.T, duo *fakeduo.Server, config, state string) (d *daemon, pid int) {
	t.Helper()
	d = &daemon{t: t, duo: duo, dir: config, log: newBook(), ended: make(chan struct{})}
	args := append([]string{"--mount", "--pid", "--fork", "--kill-child", "sh", "-c", containerScript, "sh", img.root, config, state, img.user}, img.args...)
	d.cmd = exec.Command("unshare", args...)
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
	first := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(stdout).ReadString('\n')
		first <- strings.TrimSpace(line)
		d.log.fill(stderr)
		d.cmd.Wait()
		close(d.ended)
	}()
	m := startLine.FindStringSubmatch(<-first)
	if m == nil {
		<-d.ended
		t.Fatalf("it does not start:\n%s", strings.Join(d.Log(), "\n"))
	}
	d.addr = netip.MustParseAddrPort(m[1])
	pid, err = childOf(d.cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return d, pid
}

// TestContainer runs what the Dockerfile makes, in the way of compose.yaml: as a user without a name, with a read-only root
// folder that holds nothing else, and with a health check.
func TestContainer(t *testing.T) {
	slow(t, "it builds an image")
	t.Parallel()
	if os.Geteuid() != 0 {
		noSandbox(t, "not root")
	}
	for _, program := range []string{"unshare", "nsenter", "chroot", "mount"} {
		realClient(t, program)
	}
	certificates := filepath.Join(t.TempDir(), "ca-certificates.crt")
	duo := startDuo(t, fakeduo.User{Username: "alice"})
	write(t, certificates, string(duo.CAPEM()))
	img := readImage(t, "../conf/container/Dockerfile", map[string]string{
		"/out/duoradiusd":                    release(t),
		"/etc/ssl/certs/ca-certificates.crt": certificates,
		"/out/etc":                           "", "/out/run": "", "/out/state": "",
	})
	if !regexp.MustCompile(`^[1-9]\d+:[1-9]\d+$`).MatchString(img.user) {
		t.Fatalf("USER %s, which Kubernetes and others can't tell from root", img.user)
	}

	// ca = "system" and a time zone need the certificates and the time zones, which are in the image.
	config, state := t.TempDir(), t.TempDir()
	furnish(t, config, duo, "[duo]\nca = \"system\"\n[[rule]]\nhours = [\"00:00-24:00 Pacific/Auckland\"]\nsecond_factor = \"required\"\n"+
		"[admin]\nsocket = \"/run/duoradiusd/control.sock\"\n[state]\ndirectory = \"/var/lib/duoradiusd\"\n")
	for _, dir := range []string{config, state} {
		if err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			return os.Chown(path, 65532, 65532)
		}); err != nil {
			t.Fatal(err)
		}
	}
	d, pid := img.start(t, duo, config, state)
	printed, _ := feedRadclient(t, d, "auth", "User-Name = alice, User-Password = push, Message-Authenticator = 0x00\n")
	if got := received(printed); got != "Access-Accept" {
		t.Errorf("got %s\n%s", got, printed)
	}
	uid, gid, _ := strings.Cut(img.user, ":")
	var health bytes.Buffer
	check := exec.Command("nsenter", append([]string{"--target", fmt.Sprint(pid), "--mount", "--pid", "--root", "--wd=/", "--setuid", uid, "--setgid", gid, "--"}, img.health...)...)
	check.Stdout, check.Stderr = &health, &health
	if err := check.Run(); err != nil || !strings.Contains(health.String(), "login: approved") {
		t.Errorf("health check: %v\n%s", err, health.String())
	}
	// Nothing was written except to the mounts: the image has no folder for temporary files.
	var names []string
	if err := filepath.WalkDir(img.root, func(path string, e fs.DirEntry, err error) error {
		if !e.IsDir() {
			names = append(names, strings.TrimPrefix(path, img.root))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"/etc/ssl/certs/ca-certificates.crt", "/usr/bin/duoradiusd"}; !slices.Equal(names, want) {
		t.Errorf("files of the image: %q, want %q", names, want)
	}
	if _, err := os.Stat(filepath.Join(state, "state.key")); err != nil {
		t.Error(err)
	}
	// This is what `docker stop` does. The first process of a container dies only of a signal that it handles, or of
	// SIGKILL.
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if status := d.Wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}
