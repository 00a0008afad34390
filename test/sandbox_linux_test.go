package test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// sandbox is this machine with a root folder that is thrown away: all that is written goes into memory (overlayfs), and all
// that runs in it ends with the test, even if the test is killed. The network is the machine's own.
type sandbox struct {
	t      testing.TB
	dir    string // the folder in which its parts are put together
	cmd    *exec.Cmd
	inside string // the pid of the process that has its root folder
}

// sandboxScript makes the root folder. $1 is a folder to work in.
const sandboxScript = `
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
rm -rf "$1/root/etc/duoradiusd" "$1/root/var/lib/duoradiusd" "$1/root/var/log/duoradiusd" # of somebody who has it installed
mount -t proc proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
mount -t tmpfs -o mode=755 tmpfs "$1/root/run"
echo ready
exec chroot "$1/root" cat
`

func newSandbox(t testing.TB) *sandbox {
	t.Helper()
	slow(t, "it starts a system of its own")
	for _, program := range []string{"unshare", "nsenter", "chroot", "mount"} {
		realClient(t, program)
	}
	s := &sandbox{t: t, dir: t.TempDir()}
	s.cmd = exec.Command("unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "sh", "-c", sandboxScript, "sh", s.dir)
	tie(s.cmd)
	var complaints bytes.Buffer
	s.cmd.Stderr = &complaints
	stdin, err := s.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close() // ends cat, and with it everything in its process namespace
		s.cmd.Wait()
	})
	out := bufio.NewReader(stdout)
	if line, _ := out.ReadString('\n'); line != "ready\n" {
		s.cmd.Wait()
		noSandbox(t, complaints.String())
	}
	io.WriteString(stdin, "inside\n") // is answered when cat runs, in its root folder
	if line, _ := out.ReadString('\n'); line != "inside\n" {
		noSandbox(t, complaints.String())
	}
	inside, err := childOf(s.cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	s.inside = strconv.Itoa(inside)
	return s
}

// noSandbox skips a test, or fails it if no test may be skipped.
func noSandbox(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("REQUIRE_REAL_CLIENTS") == "1" {
		t.Fatalf("no root folder of one's own, and REQUIRE_REAL_CLIENTS=1: %s", why)
	}
	t.Skip("no root folder of one's own: " + why)
}

// childOf returns the only child of a process.
func childOf(pid int) (int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0, err
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0, fmt.Errorf("children of process %d: %w", pid, err)
	}
	return child, nil
}

// path returns where the test finds a file of the sandbox.
func (s *sandbox) path(name string) string { return filepath.Join("/proc", s.inside, "root", name) }

// command returns a command that runs in the sandbox.
func (s *sandbox) command(args ...string) *exec.Cmd {
	c := exec.Command("nsenter", append([]string{"--target", s.inside, "--mount", "--pid", "--ipc", "--uts", "--net", "--root", "--wd=/", "--"}, args...)...)
	c.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"}
	tie(c)
	return c
}

// try runs a command and returns what it printed and its exit status.
func (s *sandbox) try(args ...string) (printed string, status int) {
	s.t.Helper()
	c := s.command(args...)
	out, err := c.CombinedOutput()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		s.t.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
	return string(out), c.ProcessState.ExitCode()
}

// run runs a command that must succeed.
func (s *sandbox) run(args ...string) string {
	s.t.Helper()
	printed, status := s.try(args...)
	if status != 0 {
		s.t.Fatalf("%s: exit status %d\n%s", strings.Join(args, " "), status, printed)
	}
	return printed
}

func (s *sandbox) read(name string) string {
	s.t.Helper()
	b, err := os.ReadFile(s.path(name))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

func (s *sandbox) write(name, text string, mode fs.FileMode) {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), mode); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Chmod(s.path(name), mode); err != nil {
		s.t.Fatal(err)
	}
}

func (s *sandbox) exists(name string) bool {
	_, err := os.Lstat(s.path(name))
	return err == nil
}

// written lists the files that were written in the sandbox and still exist, if their names or folders hold a word. It
// leaves out what a restart of the machine removes.
func (s *sandbox) written(word string) (names []string) {
	s.t.Helper()
	upper := filepath.Join("/proc", strconv.Itoa(s.cmd.Process.Pid), "root", s.dir, "upper")
	err := filepath.WalkDir(upper, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, upper)
		if d.Type()&fs.ModeCharDevice != 0 { // this marks a file of the machine that was removed
			return nil
		}
		if strings.Contains(name, word) {
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return names
}
