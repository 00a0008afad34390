package main

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a running program that is measured. Its output goes to a file, as it would go to the system's journal.
type process struct {
	cmd   *exec.Cmd
	log   string
	ended chan struct{} // closed when the process has ended
}

// server is a process that answers RADIUS.
type server struct {
	*process
	title string
	addr  netip.AddrPort
	bare  bool   // its replies have no Message-Authenticator
	page  string // the URL of its status page, which offers profiles; "": it has none
}

// launch starts a program. Its output goes to the file log, and its environment is that of this process and env.
func launch(log string, env []string, argv ...string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p := &process{cmd: exec.Command(argv[0], argv[1:]...), log: log, ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it ends when this process ends, even if this process is killed
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", argv[0], err)
	}
	go func() {
		p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

const startTime = 30 * time.Second // how long a program may take until it is ready

// says waits for the first line of output that contains phrase, and returns the line.
func (p *process) says(ctx context.Context, phrase string) (string, error) {
	limit := time.After(startTime)
	for {
		b, err := os.ReadFile(p.log)
		if err != nil {
			return "", err
		}
		for line := range strings.Lines(string(b)) {
			if strings.Contains(line, phrase) && strings.HasSuffix(line, "\n") {
				return strings.TrimSpace(line), nil
			}
		}
		select {
		case <-p.ended:
			return "", fmt.Errorf("%s ended: %s", p.cmd.Path, tail(b))
		case <-limit:
			return "", fmt.Errorf("%s did not say %q: %s", p.cmd.Path, phrase, tail(b))
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func tail(b []byte) string { return string(b[max(0, len(b)-600):]) }

// stop ends the program. If it does not end soon, stop kills it.
func (p *process) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(3 * time.Second):
		p.cmd.Process.Kill()
		<-p.ended
	}
}

// running returns an error if the process has ended.
func (p *process) running() error {
	select {
	case <-p.ended:
		b, _ := os.ReadFile(p.log)
		return fmt.Errorf("%s ended: %s", p.cmd.Path, tail(b))
	default:
		return nil
	}
}

// cpu returns the processor time of all threads of the process so far. It returns 0 when the process has ended.
func (p *process) cpu() time.Duration { return processorTime(p.cmd.Process.Pid) }

// ownCPU returns the processor time so far of this process, which makes the load.
func ownCPU() time.Duration { return processorTime(os.Getpid()) }

// processorTime reads the processor-time clock of a process (clock_getcpuclockid(3)). /proc/PID/stat counts hundredths
// of a second, which is too coarse, because a turn lasts only twenty of them.
func processorTime(pid int) time.Duration {
	const schedulers = 2 // CPUCLOCK_SCHED: user and system
	var t unix.Timespec
	if unix.ClockGettime(int32(^pid<<3|schedulers), &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// peak returns the most memory that the process has used, in MB.
func (p *process) peak() float64 { return p.memory("VmHWM:") }

// resident returns the memory that the process uses now, in MB.
func (p *process) resident() float64 { return p.memory("VmRSS:") }

func (p *process) memory(key string) float64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	return statusMB(b, key)
}

// statusMB returns the value of key in the content of /proc/PID/status, in MB. That file writes kB, but means KiB.
func statusMB(status []byte, key string) float64 {
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == key {
			n, _ := strconv.ParseFloat(f[1], 64)
			return n * 1024 / 1e6
		}
	}
	return 0
}

// lines returns the number of lines that the process has logged.
func (p *process) lines() int {
	b, _ := os.ReadFile(p.log)
	return bytes.Count(b, []byte("\n"))
}

// forget empties the log, because a fast server writes a hundred MB in a few seconds.
func (p *process) forget() { os.Truncate(p.log, 0) }
