package main

import (
	"math"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		list []float64
		want float64
	}{
		{nil, 0},
		{[]float64{3}, 3},
		{[]float64{5, 1}, 3},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 3, 2}, 2.5},
	} {
		if got := median(tt.list); got != tt.want {
			t.Errorf("median(%v) = %v, want %v", tt.list, got, tt.want)
		}
	}
	list := []float64{3, 1, 2}
	if median(list); list[0] != 3 {
		t.Error("median sorts what it was given")
	}
}

func TestQuantile(t *testing.T) {
	hundred := make([]int, 100)
	for i := range hundred {
		hundred[i] = 100 - i // 100 down to 1
	}
	for _, tt := range []struct {
		list []int
		q    float64
		want int
	}{
		{nil, 0.5, 0},
		{[]int{7}, 0.99, 7},
		{[]int{7}, 0, 7},
		{[]int{3, 1, 2}, 0.5, 2},
		{[]int{4, 3, 2, 1}, 0.5, 2},
		{hundred, 0.5, 50},
		{hundred, 0.99, 99},
		{hundred, 1, 100},
		{hundred, 0.991, 100},
	} {
		if got := quantile(tt.list, tt.q); got != tt.want {
			t.Errorf("quantile(%d values, %v) = %d, want %d", len(tt.list), tt.q, got, tt.want)
		}
	}
}

// TestRounds checks that logins that were not accepted do not make a server look fast, and that a round without logins
// is left out.
func TestRounds(t *testing.T) {
	r := &rounds{}
	r.add(outcome{tally: &tally{accepted: 2000, refused: 1, lost: 2, copies: 3, elapsed: time.Second}, cpu: 40 * time.Millisecond})
	r.add(outcome{tally: &tally{accepted: 0, refused: 500, elapsed: time.Second}, cpu: time.Millisecond})
	if len(r.rate) != 1 || r.rate[0] != 2000 || math.Abs(r.cpu[0]-0.02) > 1e-9 || r.lost != 503 || r.copies != 3 {
		t.Errorf("got %+v", r)
	}
}

// TestSlices checks that the turns of a round are added up to one result.
func TestSlices(t *testing.T) {
	sum := outcome{tally: &tally{}}
	sum.add(outcome{tally: &tally{accepted: 300, lost: 1, elapsed: time.Second, cpu: 4 * time.Second}, cpu: 3 * time.Second})
	sum.add(outcome{tally: &tally{accepted: 100, copies: 2, elapsed: 3 * time.Second, cpu: 4 * time.Second}, cpu: time.Second})
	r := &rounds{}
	r.add(sum)
	if r.rate[0] != 100 || r.cpu[0] != 10 || r.load[0] != 20 || r.lost != 1 || r.copies != 2 {
		t.Errorf("got %+v", r)
	}
}

// TestVersus checks that rounds are compared pair by pair, so that a time in which the machine was slow does not favour
// one of the servers.
func TestVersus(t *testing.T) {
	for _, tt := range []struct {
		a, b []float64
		want float64
	}{
		{nil, nil, 0},
		{[]float64{6, 3, 60}, []float64{2, 1, 30}, 3},
		{[]float64{4, 9}, []float64{2}, 2},
		{[]float64{4}, []float64{0}, 0},
	} {
		if got := versus(tt.a, tt.b); got != tt.want {
			t.Errorf("versus(%v, %v) = %v, want %v", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestRatio(t *testing.T) {
	if got := ratio(3, 2); got != 1.5 {
		t.Errorf("ratio(3, 2) = %v", got)
	}
	if got := ratio(3, 0); got != 0 {
		t.Errorf("ratio(3, 0) = %v, want 0", got)
	}
}
