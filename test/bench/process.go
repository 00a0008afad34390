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
)

// process is a program under measurement. What it prints goes to a file, as it would with a system's journal.
type process struct {
	cmd   *exec.Cmd
	log   string
	ended chan struct{} // closed when it is gone
}

// server is a process that answers RADIUS.
type server struct {
	*process
	title string
	addr  netip.AddrPort
	bare  bool   // its replies carry no Message-Authenticator
	page  string // the URL of its status page, where its profiles are; "" for none
}

// launch starts a program whose output goes to the file log, with env beside our own environment.
func launch(log string, env []string, argv ...string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p := &process{cmd: exec.Command(argv[0], argv[1:]...), log: log, ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it does not outlive us, however we end
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", argv[0], err)
	}
	go func() {
		p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

const startTime = 30 * time.Second // that a program has to get ready

// says waits for the first line of output that holds phrase.
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

// stop ends the program, with force when it takes its time.
func (p *process) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(3 * time.Second):
		p.cmd.Process.Kill()
		<-p.ended
	}
}

// running reports whether it is.
func (p *process) running() error {
	select {
	case <-p.ended:
		b, _ := os.ReadFile(p.log)
		return fmt.Errorf("%s ended: %s", p.cmd.Path, tail(b))
	default:
		return nil
	}
}

// ticks is USER_HZ, the unit of /proc/PID/stat: 100 on every system that Go knows.
const ticks = 100

// cpu returns the processor time of all its threads so far.
func (p *process) cpu() time.Duration {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	return processorTime(b)
}

// ownCPU is the processor time of this process so far, which makes the load.
func ownCPU() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// processorTime adds up utime and stime (proc(5)), which count behind the name: it may hold spaces and parentheses.
func processorTime(stat []byte) time.Duration {
	_, rest, _ := strings.Cut(string(stat[bytes.LastIndexByte(stat, ')')+1:]), " ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * time.Second / ticks
}

// peak is the most memory that it has held, in MB.
func (p *process) peak() float64 { return p.memory("VmHWM:") }

// resident is what it holds now, in MB.
func (p *process) resident() float64 { return p.memory("VmRSS:") }

func (p *process) memory(key string) float64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	return statusMB(b, key)
}

// statusMB reads a size out of /proc/PID/status, which says kB and means KiB.
func statusMB(status []byte, key string) float64 {
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == key {
			n, _ := strconv.ParseFloat(f[1], 64)
			return n * 1024 / 1e6
		}
	}
	return 0
}

// lines counts what it has logged.
func (p *process) lines() int {
	b, _ := os.ReadFile(p.log)
	return bytes.Count(b, []byte("\n"))
}

// forget empties the log: a fast server writes a hundred MB in a few seconds.
func (p *process) forget() { os.Truncate(p.log, 0) }
