package main

import (
	"cmp"
	"slices"
)

// median returns the value in the middle of the sorted list, or the mean of the two values in the middle. It returns 0
// for an empty list.
func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}

// quantile returns the smallest value of list such that the share q of the values is not larger (0 < q <= 1). It
// returns 0 for an empty list. It sorts list.
func quantile[T cmp.Ordered](list []T, q float64) (v T) {
	if len(list) == 0 {
		return v
	}
	slices.Sort(list)
	at := int(q * float64(len(list)))
	if float64(at) == q*float64(len(list)) {
		at--
	}
	return list[min(max(at, 0), len(list)-1)]
}

// ratio returns a/b; 0 if b is 0.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// versus returns the median of the ratios of two servers, round by round. In one round both servers have met the same
// load from the rest of the machine.
func versus(a, b []float64) float64 {
	n := min(len(a), len(b))
	list := make([]float64, n)
	for i := range n {
		list[i] = ratio(a[i], b[i])
	}
	return median(list)
}

// figure holds the result of one server in one row.
type figure struct {
	Row      string  `json:"row"`
	Server   string  `json:"server"`
	InFlight int     `json:"in_flight,omitempty"`
	Rate     float64 `json:"logins_per_second"`
	CPU      float64 `json:"cpu_seconds_per_1000"`
	Load     float64 `json:"load_cpu_seconds_per_1000"` // the processor time for making the logins, in seconds for 1000 logins
	Peak     float64 `json:"peak_mb"`
	Lost     int     `json:"lost"`   // logins of all rounds that were not accepted: without a reply, or rejected
	Copies   int     `json:"copies"` // requests that were sent again because no reply came

	Rates []float64 `json:"rates,omitempty"` // one for each round
	CPUs  []float64 `json:"cpus,omitempty"`
}

// rounds collects the results of one server in each round.
type rounds struct {
	rate, cpu, load []float64
	lost, copies    int
}

func (r *rounds) add(t outcome) {
	r.lost += t.lost + t.refused
	r.copies += t.copies
	if t.accepted == 0 {
		return
	}
	r.rate = append(r.rate, float64(t.accepted)/t.elapsed.Seconds())
	r.cpu = append(r.cpu, t.cpu.Seconds()*1000/float64(t.accepted))
	r.load = append(r.load, t.tally.cpu.Seconds()*1000/float64(t.accepted))
}

func (r *rounds) figure(row string, s *server, inFlight int) figure {
	return figure{Row: row, Server: s.title, InFlight: inFlight, Rate: median(r.rate), CPU: median(r.cpu), Load: median(r.load), Peak: s.peak(),
		Lost: r.lost, Copies: r.copies, Rates: r.rate, CPUs: r.cpu}
}
