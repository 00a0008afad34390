package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

const (
	roomy    = 320 << 20 // octets of memory in all that garbage may fill up to
	leastPct = 20        // of what is in use, for garbage, where more than that is in use
	mostPct  = 300
)

// lendMemory gives the garbage collector room as long as little memory is in use: at twice what is in use, which is
// Go's measure, it takes a tenth of what a push takes. When many logins wait, and much is in use, it gets little. It does
// nothing where the environment has settled it (GOGC, GOMEMLIMIT). After stop all is as it was.
func lendMemory() (stop func()) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	var mu sync.Mutex // guards what follows
	stopped := false
	lent := terms{mostPct, ceiling(0)}
	before := lent.set()
	afterEachCollection(func() (again bool) {
		mu.Lock()
		defer mu.Unlock()
		used := inUse()
		if now := (terms{garbagePercent(used), ceiling(used)}); now != lent && !stopped {
			lent = now
			lent.set()
		}
		return !stopped
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		before.set()
	}
}

// terms are on which the collector gets memory.
type terms struct {
	percent int
	ceiling int64 // octets: near it the collector goes to work, whatever percent says
}

// set puts t into force, and returns what was.
func (t terms) set() (before terms) {
	return terms{debug.SetGCPercent(t.percent), debug.SetMemoryLimit(t.ceiling)}
}

// ceiling is for a machine that is too busy to see to percent in time: what was lent when little was in use must not be
// taken when much is. It goes by 64 MB, as each change stops the world.
func ceiling(inUse uint64) int64 {
	const step = 64 << 20
	return max(roomy+step, int64(min(inUse, 1<<40)/100*130)/step*step+step)
}

// garbagePercent is how much garbage may gather beside what is in use. It goes by quarters: each change stops the world
// for a moment.
func garbagePercent(inUse uint64) int {
	if inUse >= roomy {
		return leastPct
	}
	free := int((roomy - inUse) * 100 / max(inUse, 1<<20))
	return min(max(free/25*25, leastPct), mostPct)
}

// inUse is what the last collection left, and the stacks.
func inUse() uint64 {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64() + samples[1].Value.Uint64()
}

// afterEachCollection has f called after each, one call after the other, until it returns false.
func afterEachCollection(f func() bool) {
	garbage := new([64]byte) // larger than what shares its place with other small things
	runtime.AddCleanup(garbage, func(f func() bool) {
		if f() {
			afterEachCollection(f)
		}
	}, f)
}
