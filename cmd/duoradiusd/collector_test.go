package main

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// TestGarbagePercent: much where little is in use, little where much is, and never more than 320 MB in all before.
func TestGarbagePercent(t *testing.T) {
	for _, tt := range []struct {
		inUse uint64
		want  int
	}{{0, 300}, {10 << 20, 300}, {80 << 20, 300}, {100 << 20, 200}, {160 << 20, 100}, {250 << 20, 25}, {320 << 20, 20}, {1 << 40, 20}} {
		if got := garbagePercent(tt.inUse); got != tt.want {
			t.Errorf("%d MB: %d, want %d", tt.inUse>>20, got, tt.want)
		}
	}
	for inUse := uint64(1 << 20); inUse < roomy*100/(100+leastPct); inUse += 1 << 20 {
		if all := inUse + inUse*uint64(garbagePercent(inUse))/100; all > roomy {
			t.Fatalf("%d MB in use, %d in all", inUse>>20, all>>20)
		}
	}
}

// TestLendMemory: the collector's measure follows what is in use.
func TestLendMemory(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	stop := lendMemory()
	defer stop()
	held := make([]byte, 400<<20)
	held[0] = 1
	settles(t, leastPct)
	runtime.KeepAlive(held)
	held = nil
	settles(t, mostPct)
	stop()
	if got := debug.SetGCPercent(100); got != 100 {
		t.Errorf("after stop: %d", got)
	}
}

func settles(t *testing.T, want int) {
	t.Helper()
	got := 0
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); runtime.GC() {
		if got = debug.SetGCPercent(want); got == want { // which it returns as it was
			return
		}
		debug.SetGCPercent(got)
	}
	t.Fatalf("%d, want %d", got, want)
}

// TestLendMemorySettled: who has set GOGC or GOMEMLIMIT has the say.
func TestLendMemorySettled(t *testing.T) {
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("GOGC", "")
			t.Setenv("GOMEMLIMIT", "")
			t.Setenv(name, "150")
			before := debug.SetGCPercent(150)
			defer debug.SetGCPercent(before)
			defer lendMemory()()
			runtime.GC()
			if got := debug.SetGCPercent(150); got != 150 {
				t.Errorf("%d", got)
			}
		})
	}
}
