package main

import (
	"fmt"
	"strings"
	"time"
)

// verdict says whether one target was reached.
type verdict struct {
	Row      string `json:"row"`
	Target   string `json:"target"`
	Measured string `json:"measured"`
	Reached  bool   `json:"reached"`
}

// compare adds a verdict that compares the daemon's figures in a row with those of another server, for each number of
// logins in progress.
func (b *bench) compare(row, with, target, format string, judge func(ours, theirs figure) (float64, bool)) {
	v := verdict{Row: row, Target: target, Reached: true}
	var parts []string
	for _, ours := range b.report.Figures {
		if ours.Row != row || ours.Server != titleOurs {
			continue
		}
		for _, theirs := range b.report.Figures {
			if theirs.Row == row && theirs.Server == with && theirs.InFlight == ours.InFlight {
				r, ok := judge(ours, theirs)
				v.Reached = v.Reached && ok
				parts = append(parts, fmt.Sprintf(format+" at %d in flight", r, ours.InFlight))
			}
		}
	}
	if parts == nil {
		parts, v.Reached = []string{"nothing to compare with"}, false
	}
	v.Measured = strings.Join(parts, ", ")
	b.judge(v)
}

func (b *bench) judge(v verdict) { b.report.Verdicts = append(b.report.Verdicts, v) }

func (b *bench) note(text string) {
	b.say("%s", text)
	b.report.Notes = append(b.report.Notes, text)
}

// milliseconds returns a duration in the form that the table shows.
func milliseconds(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1000) }
