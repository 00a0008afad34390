package main

import (
	"math"
	"os"
	"testing"
)

// TestProcessorTime checks that the processor time of a busy process grows, and that a process that has ended has none.
func TestProcessorTime(t *testing.T) {
	before := ownCPU()
	for i := 0; ownCPU() <= before; i++ {
		if i == 1e6 {
			t.Fatalf("a million calls have taken no time: %v", before)
		}
	}
	p, err := launch(t.TempDir()+"/log", nil, "/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	<-p.ended
	if got := p.cpu(); got != 0 {
		t.Errorf("a process that has ended has taken %v", got)
	}
}

func TestStatusMB(t *testing.T) {
	status := []byte("Name:\tx\nVmPeak:\t  9999 kB\nVmHWM:\t    2000 kB\nVmRSS:\t    1000 kB\n")
	if got := statusMB(status, "VmHWM:"); math.Abs(got-2.048) > 1e-9 {
		t.Errorf("VmHWM is %v MB, want 2.048", got)
	}
	if got := statusMB(status, "VmSwap:"); got != 0 {
		t.Errorf("VmSwap is %v MB, want 0", got)
	}
}

// TestProcess measures processor time, memory and lines of a real process, and checks its end and the last line that it
// printed.
func TestProcess(t *testing.T) {
	log := t.TempDir() + "/log"
	p, err := launch(log, []string{"WORD=ready"}, "/bin/sh", "-c", `i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo $WORD; exec sleep 60`)
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	if line, err := p.says(t.Context(), "read"); err != nil || line != "ready" {
		t.Fatalf("it said %q, %v", line, err)
	}
	if p.peak() <= 0 || p.resident() <= 0 || p.cpu() <= 0 {
		t.Errorf("peak %v MB, resident %v MB, %v", p.peak(), p.resident(), p.cpu())
	}
	if n := p.lines(); n != 1 {
		t.Errorf("%d lines", n)
	}
	p.forget()
	if b, err := os.ReadFile(log); err != nil || len(b) != 0 {
		t.Errorf("%q, %v are left", b, err)
	}
	if err := p.running(); err != nil {
		t.Error(err)
	}
	p.stop()
	if p.running() == nil {
		t.Error("it is said to run on")
	}
	if _, err := p.says(t.Context(), "nothing like it"); err == nil {
		t.Error("a program that has ended is waited for")
	}
}
