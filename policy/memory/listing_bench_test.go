package memory

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/factor"
)

// BenchmarkUseWhileListing measures how long a remembered login waits for its approval while all 100 000 are listed again
// and again. The aim is less than a millisecond. On a busy machine the scheduler takes more of it than the list, which
// BenchmarkListHolds measures alone.
func BenchmarkUseWhileListing(b *testing.B) {
	const entries = 100_000
	a := crowded(entries).approvals
	keys := make([]policy.ApprovalKey, 0, entries)
	for key := range a.byKey {
		keys = append(keys, key)
	}
	limits := policy.ApprovalLimits{Lifetime: 8 * time.Hour, Factors: []factor.Factor{factor.Push}}
	var end atomic.Bool
	lists := make(chan int)
	go func() {
		n := 0
		for ; !end.Load(); n++ {
			if list, err := a.List(b.Context(), "", 0); err != nil || len(list) != entries {
				b.Errorf("%d listed: %v", len(list), err)
			}
		}
		lists <- n
	}()
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		k := keys[i*7919%entries]
		start := time.Now()
		if !a.UseAtOnce(k, start, limits) {
			b.Fatal("not remembered")
		}
		took = append(took, time.Since(start))
		time.Sleep(100 * time.Microsecond)
	}
	end.Store(true)
	n := <-lists
	slices.Sort(took)
	b.ReportMetric(float64(n), "lists")
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "ns-median")
	b.ReportMetric(float64(took[len(took)*999/1000].Microseconds()), "µs-p99.9")
	b.ReportMetric(float64(took[len(took)-1].Microseconds()), "µs-max")
}

// BenchmarkListHolds measures how long a list keeps logins from their approvals at a time: the duration of each batch.
func BenchmarkListHolds(b *testing.B) {
	const entries = 100_000
	a := crowded(entries).approvals
	for b.Loop() {
		if n := len(a.copies(func(*approval) bool { return true })); n != entries {
			b.Fatalf("%d copied", n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)*atOnce/entries, "µs-held")
}
