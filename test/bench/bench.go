package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// errMissing says that a rival is not installed.
var errMissing = errors.New("not installed")

// bench is one run of the measurements.
type bench struct {
	scale    scale
	dir      string
	program  string // the path of the daemon
	self     string // the path of this program, which also serves as some of the rivals
	profiles string // the folder for profiles; "": no profiles are written
	people   []identity
	named    int                      // how many users fresh has returned
	accepted map[string]int           // by row: how many logins were accepted in all turns
	waited   map[string]time.Duration // by row: how long the row has waited until nobody else disturbed the machine

	fakeMachine func() machineTime // for tests; nil: the times are read from the system
	progress    io.Writer

	mu        sync.Mutex // guards the fields below
	processes []*process
	report    report
}

// start starts a program with env added to the environment. end stops it, if it still runs.
func (b *bench) start(dir string, env []string, argv ...string) (*process, error) {
	p, err := launch(filepath.Join(dir, "log"), env, argv...)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.processes = append(b.processes, p)
	return p, nil
}

// end stops all programs that start has started.
func (b *bench) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	var wg sync.WaitGroup
	for _, p := range b.processes {
		wg.Go(p.stop)
	}
	wg.Wait()
	b.processes = nil
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.progress, "bench: "+format+"\n", args...)
}

// part starts this program again as one of its parts (see parts), and returns the process and the address at which it
// listens.
func (b *bench) part(ctx context.Context, args ...string) (*process, string, error) {
	dir, err := os.MkdirTemp(b.dir, args[0]+"-")
	if err != nil {
		return nil, "", err
	}
	p, err := b.start(dir, nil, append([]string{b.self, serveWord}, args...)...)
	if err != nil {
		return nil, "", err
	}
	line, err := p.says(ctx, "ready ")
	if err != nil {
		return nil, "", err
	}
	return p, strings.TrimPrefix(line, "ready "), nil
}

// rival starts a rival that is built into this program.
func (b *bench) rival(ctx context.Context, title, part string, args ...string) (*server, error) {
	p, at, err := b.part(ctx, append([]string{part}, args...)...)
	if err != nil {
		return nil, err
	}
	addr, err := netip.ParseAddrPort(at)
	if err != nil {
		return nil, err
	}
	return &server{process: p, title: title, addr: addr, bare: part == "layeh"}, nil
}
