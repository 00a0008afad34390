package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// serveWord is the first argument of this program if it is started as a part of a run.
const serveWord = "serve"

// parts are the servers that this program can be. The load starts them as processes of their own.
var parts = map[string]func(args []string) error{
	"floor":   func([]string) error { return serveFloor() },
	"batched": func([]string) error { return serveBatched() },
	"layeh":   func([]string) error { return serveLayeh() },
	"duo":     serveDuo,
	"sdk":     serveSDK,
}

// serve runs one of the parts if the arguments ask for it. It reports whether they do.
func serve(args []string) (bool, error) {
	if len(args) < 2 || args[0] != serveWord || parts[args[1]] == nil {
		return false, nil
	}
	return true, parts[args[1]](args[2:])
}

// rows lists what is measured, in this order, and how many open files each row needs.
var rows = []struct {
	name  string
	files func(scale) int
	run   func(*bench, context.Context) error
}{
	{"remembered", nil, (*bench).remembered},
	{"redis", nil, (*bench).inRedis},
	{"push", nil, (*bench).push},
	{"pending", func(s scale) int { return max(maxConnections, s.Pending*2/100) + 500 }, (*bench).pending},
	{"latency", nil, (*bench).latency},
	{"unknown", nil, (*bench).unknown},
	{"configuration", nil, (*bench).listed},
}

func rowNames() (list []string) {
	for _, r := range rows {
		list = append(list, r.name)
	}
	return list
}

func main() {
	if yes, err := serve(os.Args[1:]); yes {
		fail(err)
	}
	short := flag.Bool("quick", false, "three minutes instead of eight")
	only := flag.String("only", "", "only these `ROWS`, with commas between: "+strings.Join(rowNames(), ", "))
	asJSON := flag.Bool("json", false, "print JSON, for programs")
	profiles := flag.String("profile", "", "also write CPU profiles of the daemon into this `FOLDER`, for go tool pprof; that costs some of the speed")
	flag.Parse()
	s := full
	if *short {
		s = quick
	}
	if *profiles != "" {
		s = s.profiled()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r, err := run(ctx, s, *only, *profiles, os.Stderr)
	if err != nil {
		fail(err)
	}
	if *asJSON {
		err = r.json(os.Stdout)
	} else {
		err = r.text(os.Stdout)
	}
	if err != nil {
		fail(err)
	}
	if slices.ContainsFunc(r.Verdicts, func(v verdict) bool { return !v.Reached }) {
		os.Exit(1)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(2)
}

// run measures the rows that only names, or all rows if only is empty. When it returns, also with an error, all
// programs that it has started have ended.
func run(ctx context.Context, s scale, only, profiles string, progress io.Writer) (*report, error) {
	wanted := rowNames()
	if only != "" {
		wanted = strings.Split(only, ",")
	}
	for _, name := range wanted {
		if !slices.Contains(rowNames(), name) {
			return nil, fmt.Errorf("no row %q; there are %s", name, strings.Join(rowNames(), ", "))
		}
	}
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	b := &bench{scale: s, dir: dir, self: self, profiles: profiles, people: crowd(s.Users), progress: progress,
		waited: make(map[string]time.Duration), accepted: make(map[string]int), report: newReport(s)}
	defer b.end()
	if err := b.build(ctx); err != nil {
		return nil, err
	}
	for _, row := range rows {
		if !slices.Contains(wanted, row.name) {
			continue
		}
		files := 500
		if row.files != nil {
			files = row.files(s)
		}
		if err := needFiles(uint64(files)); err != nil {
			b.note(row.name + ": " + err.Error())
			continue
		}
		err := row.run(b, ctx)
		b.end()
		if ctx.Err() != nil {
			return nil, errors.New("interrupted")
		}
		if err != nil {
			b.say("%s: %v", row.name, err)
			b.judge(verdict{Row: row.name, Target: "to be measured", Measured: err.Error()})
		}
	}
	b.report.LoadLast = loadAverage()
	return &b.report, nil
}
