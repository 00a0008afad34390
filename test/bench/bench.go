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

// bench is one run.
type bench struct {
	scale    scale
	dir      string
	program  string // the daemon
	self     string // this program, which is some of the rivals too
	profiles string // the folder of profiles; "": none are made
	people   []identity
	waited   map[string]time.Duration // by row, for the machine to be left alone

	fakeMachine func() machineTime // for tests; nil: the system tells
	progress    io.Writer

	mu        sync.Mutex // guards what follows
	processes []*process
	report    report
}

// start starts a program with an environment of its own, to be ended with the run at the latest.
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

// end ends all that was started.
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

// part starts this program as one of its parts, which says where it listens.
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

// rival starts a rival that is a part of this program.
func (b *bench) rival(ctx context.Context, title, part string) (*server, error) {
	p, at, err := b.part(ctx, part)
	if err != nil {
		return nil, err
	}
	addr, err := netip.ParseAddrPort(at)
	if err != nil {
		return nil, err
	}
	return &server{process: p, title: title, addr: addr, bare: part == "layeh"}, nil
}
