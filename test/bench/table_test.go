package main

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

var sample = report{
	Scale: quick, Cores: 2, Go: "go1.26", LoadFirst: "0.10 0.20 0.30", LoadLast: "1.00 0.50 0.40",
	Figures: []figure{
		{"remembered login", titleOurs, 64, 60000, 0.01, 0.005, 50, 0, 1, []float64{60000, 30000, 70000}, []float64{0.01}},
		{"remembered login", titleCache, 64, 20000, 0.04, 0.0062, 160, 3, 2, []float64{20000, 9000, 30000}, []float64{0.04}},
		{"remembered login", titleOurs, 256, 0, 0, 0, 50, 9, 0, nil, nil},
		{"added latency", titleOurs, 0, 500, 1.25, 0.0301, 30, 0, 0, []float64{500}, []float64{1.25}},
	},
	Verdicts: []verdict{
		{"remembered login", "at least 3 times", "3.00", true},
		{"added latency", "p99 under 2.00 ms", "p99 7.00 ms", false},
	},
	Notes: []string{"a rival is not installed"},
}

const wantTable = `2 cores, go1.26, quick; load of the machine before 0.10 0.20 0.30, after 1.00 0.50 0.40

row               in flight  server                  logins/s  ours : it  CPU s/1000  ours : it  load s/1000  peak MB  lost
remembered login  64         duoradiusd              60000     1.00       0.0100      1.00       0.0050       50       0
remembered login  64         FreeRADIUS + rlm_cache  20000     3.00       0.0400      0.25       0.0062       160      3
remembered login  256        duoradiusd              0         0.00       0.0000      0.00       0.0000       50       9
added latency     -          duoradiusd              500       1.00       1.25        1.00       0.0301       30       0

what              to reach           measured     reached
remembered login  at least 3 times   3.00         yes
added latency     p99 under 2.00 ms  p99 7.00 ms  NO

a rival is not installed
`

func TestTable(t *testing.T) {
	var b strings.Builder
	if err := sample.text(&b); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != wantTable {
		t.Errorf("got\n%s\nwant\n%s", got, wantTable)
	}
}

func TestJSON(t *testing.T) {
	var b strings.Builder
	if err := sample.json(&b); err != nil {
		t.Fatal(err)
	}
	var back report
	if err := json.Unmarshal([]byte(b.String()), &back); err != nil {
		t.Fatal(err)
	}
	if len(back.Figures) != 4 || !reflect.DeepEqual(back.Figures[1], sample.Figures[1]) || len(back.Verdicts) != 2 || back.Verdicts[1] != sample.Verdicts[1] {
		t.Errorf("got %+v", back)
	}
}

func TestPrecise(t *testing.T) {
	for v, want := range map[float64]string{0.00612: "0.0061", 0.1913: "0.191", 1.2345: "1.23", 0: "0.0000"} {
		if got := precise(v); got != want {
			t.Errorf("precise(%v) = %q, want %q", v, got, want)
		}
	}
}

// TestCompare checks that a target must be reached for every number of logins in progress, and that it is not reached
// if there is nothing to compare with.
func TestCompare(t *testing.T) {
	judge := func(ours, theirs figure) (float64, bool) { r := ratio(ours.Rate, theirs.Rate); return r, r >= 3 }
	for _, tt := range []struct {
		theirs   []float64 // the rates at 64 and 256 logins in progress; the daemon's are 300
		measured string
		reached  bool
	}{
		{[]float64{100, 50}, "3.00 at 64 in flight, 6.00 at 256 in flight", true},
		{[]float64{50, 200}, "6.00 at 64 in flight, 1.50 at 256 in flight", false},
		{nil, "nothing to compare with", false},
	} {
		b := &bench{}
		for i, n := range []int{64, 256} {
			b.report.Figures = append(b.report.Figures, figure{Row: "r", Server: titleOurs, InFlight: n, Rate: 300})
			if tt.theirs != nil {
				b.report.Figures = append(b.report.Figures, figure{Row: "r", Server: "it", InFlight: n, Rate: tt.theirs[i]})
			}
		}
		b.compare("r", "it", "at least 3 times", "%.2f", judge)
		if want := (verdict{"r", "at least 3 times", tt.measured, tt.reached}); b.report.Verdicts[0] != want {
			t.Errorf("got %+v, want %+v", b.report.Verdicts[0], want)
		}
	}
}
