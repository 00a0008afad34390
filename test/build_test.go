package test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"
)

// binaries is the folder in which the commands are built, each once, when a test needs it.
var binaries string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "duoradiusd-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binaries = dir
	waitSideBySide()
	// A program with the race detector waits a second at its end, unless atexit_sleep_ms says otherwise.
	os.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=0")
	status := m.Run()
	os.RemoveAll(dir)
	os.Exit(status)
}

// waitSideBySide lets more tests run at a time with -short, unless the command line sets the number, because they mostly
// wait. Without -short some tests measure times, so as many run as the machine has processors.
func waitSideBySide() {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if testing.Short() && !given {
		flag.Set("test.parallel", strconv.Itoa(3*runtime.GOMAXPROCS(0)))
	}
}

var (
	buildDaemon = sync.OnceValues(func() (string, error) { return build("duoradiusd") })
	buildDemo   = sync.OnceValues(func() (string, error) { return build("duodemo") })
)

// build builds a command as the tests themselves were built: with the race detector or without.
func build(command string) (program string, err error) {
	seen()
	program = filepath.Join(binaries, command)
	args := []string{"build", "-o", program}
	if raceEnabled {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "../cmd/"+command)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", command, err, out)
	}
	return program, nil
}

func daemonProgram(t testing.TB) string {
	t.Helper()
	program, err := buildDaemon()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// run runs a program to its end with stdin as its input, and returns what it printed and its exit status.
func run(t testing.TB, stdin, program string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	var out, errs bytes.Buffer
	c := exec.CommandContext(t.Context(), program, args...)
	c.Stdin, c.Stdout, c.Stderr = bytes.NewBufferString(stdin), &out, &errs
	c.WaitDelay = time.Second
	if err := c.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatalf("%s: %v", program, err)
	}
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}
