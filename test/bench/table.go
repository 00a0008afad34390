package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
)

// report holds all results of a run.
type report struct {
	Scale     scale          `json:"scale"`
	Cores     int            `json:"cores"`
	Go        string         `json:"go"`
	LoadFirst string         `json:"load_before"` // the load averages of the machine before the run (proc_loadavg(5))
	LoadLast  string         `json:"load_after"`
	Repeated  int            `json:"repeated"`  // turns that were repeated because the machine was disturbed
	Disturbed map[string]int `json:"disturbed"` // by row: turns that count although the machine was disturbed
	Figures   []figure       `json:"figures"`
	Verdicts  []verdict      `json:"verdicts"`
	Notes     []string       `json:"notes,omitempty"`
}

func loadAverage() string {
	b, _ := os.ReadFile("/proc/loadavg")
	f := strings.Fields(string(b))
	return strings.Join(f[:min(len(f), 3)], " ")
}

func newReport(s scale) report {
	return report{Scale: s, Cores: runtime.NumCPU(), Go: runtime.Version(), LoadFirst: loadAverage(), Disturbed: make(map[string]int)}
}

func (r *report) json(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// text prints the figures row by row, the daemon's first, and then the targets. Beside each figure it prints the
// processor time of the load, which shares the machine and takes the same time for all servers.
func (r *report) text(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%d cores, %s, %s; load of the machine before %s, after %s\n\n", r.Cores, r.Go, r.Scale.Name, r.LoadFirst, r.LoadLast)
	fmt.Fprintln(t, "row\tin flight\tserver\tlogins/s\tours : it\tCPU s/1000\tours : it\tload s/1000\tpeak MB\tlost")
	row, inFlight := "", -1
	var ours figure
	for _, f := range r.Figures {
		if f.Row != row || f.InFlight != inFlight {
			row, inFlight, ours = f.Row, f.InFlight, f
		}
		flight := "-"
		if f.InFlight > 0 {
			flight = fmt.Sprint(f.InFlight)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%.0f\t%.2f\t%s\t%.2f\t%s\t%.0f\t%d\n", f.Row, flight, f.Server, f.Rate, versus(ours.Rates, f.Rates),
			precise(f.CPU), versus(ours.CPUs, f.CPUs), precise(f.Load), f.Peak, f.Lost)
	}
	fmt.Fprintln(t, "\nwhat\tto reach\tmeasured\treached")
	for _, v := range r.Verdicts {
		reached := "yes"
		if !v.Reached {
			reached = "NO"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", v.Row, v.Target, v.Measured, reached)
	}
	if r.Repeated > 0 {
		fmt.Fprintf(t, "\n%d turns were taken again, in which the hypervisor gave more than %.1f %% of the machine to others\n", r.Repeated, 100*disturbing)
	}
	for _, row := range slices.Sorted(maps.Keys(r.Disturbed)) {
		fmt.Fprintf(t, "\n%s is to be measured again: in %d turns that count the hypervisor gave more than %.1f %% of the machine to others\n",
			row, r.Disturbed[row], 100*disturbing)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(t, "\n%s\n", n)
	}
	return t.Flush()
}

// precise prints three significant figures of a value such as 0.006 or 1.2.
func precise(v float64) string {
	switch {
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	case v >= 0.1:
		return fmt.Sprintf("%.3f", v)
	}
	return fmt.Sprintf("%.4f", v)
}
