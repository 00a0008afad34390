package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// BenchmarkLoad measures the processor time of the load itself, against a server that takes as little time as possible.
func BenchmarkLoad(b *testing.B) {
	for _, inFlight := range []int{64, 256} {
		b.Run(fmt.Sprint(inFlight), func(b *testing.B) {
			run := &bench{scale: tiny, dir: b.TempDir(), self: os.Args[0], people: crowd(1000), progress: &strings.Builder{}}
			defer run.end()
			floor, err := run.rival(b.Context(), titleFloor, "batched")
			if err != nil {
				b.Fatal(err)
			}
			l := towards(floor, run.people)
			l.inFlight, l.count = inFlight, b.N
			b.ReportAllocs()
			b.ResetTimer()
			got, err := l.run(b.Context())
			if err != nil || got.accepted != b.N {
				b.Fatalf("%+v, %v", got, err)
			}
			b.ReportMetric(float64(got.cpu.Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}
