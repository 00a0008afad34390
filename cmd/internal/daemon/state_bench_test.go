package daemon

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// BenchmarkManyApprovals is what a hundred thousand approvals cost: to save them, disk and all, to forget one, which
// is the same, how large the file is, and how much later the next run starts. With -short there are ten thousand.
func BenchmarkManyApprovals(b *testing.B) {
	n := 100_000
	if testing.Short() {
		n = 10_000
	}
	c := stateConfig(b, b.TempDir())
	k := run(b, c)
	for i := range n {
		k.approve(fmt.Sprintf("firstname.lastname%d", i))
	}
	i := 0
	for b.Loop() {
		if k.forget(fmt.Sprintf("firstname.lastname%d", i)) != 1 {
			b.Fatal("not remembered")
		}
		i++
	}
	k.end()
	info, err := os.Stat(k.vault.path(memoryFile))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(n), "approvals")
	b.ReportMetric(float64(info.Size())/1e6, "MB")
	start := time.Now()
	k = run(b, c)
	b.ReportMetric(float64(time.Since(start).Milliseconds()), "ms-start")
	k.wantApprovals(n - i)
}
