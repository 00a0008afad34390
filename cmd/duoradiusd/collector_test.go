package main

import (
	"math"
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
	if got := debug.SetMemoryLimit(-1); got != ceiling(inUse()) || got < 400<<20 {
		t.Errorf("a limit of %d MB", got>>20)
	}
	runtime.KeepAlive(held)
	held = nil
	settles(t, mostPct)
	stop()
	if got := debug.SetGCPercent(100); got != 100 {
		t.Errorf("after stop: %d", got)
	}
	if got := debug.SetMemoryLimit(-1); got != math.MaxInt64 {
		t.Errorf("after stop: a limit of %d", got)
	}
}

// TestCeiling: it is above what is in use and its garbage, and not far above.
func TestCeiling(t *testing.T) {
	for _, inUse := range []uint64{0, 1 << 20, 200 << 20, 280 << 20, 320 << 20, 500 << 20, 4 << 30} {
		all := inUse + inUse*uint64(garbagePercent(inUse))/100
		got := uint64(ceiling(inUse))
		if got < all+all/20 || got > max(384<<20, inUse/100*140+64<<20) {
			t.Errorf("%d MB for %d in use, %d with garbage", got>>20, inUse>>20, all>>20)
		}
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
