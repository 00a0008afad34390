package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// table returns a writer that aligns cells which end in a tab.
func table(out io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(out, 0, 0, 2, ' ', 0) }

// ago returns how long ago t was; "never" for the zero time.
func ago(t, now time.Time) string {
	switch {
	case t.IsZero():
		return "never"
	case now.Sub(t) < time.Second:
		return "just now"
	}
	return span(now.Sub(t)) + " ago"
}

// until returns how long it is until t.
func until(t, now time.Time) string {
	if t.Sub(now) < time.Second {
		return "now"
	}
	return "in " + span(t.Sub(now))
}

// span returns a duration in its two largest units, rounded.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	d = d.Round(time.Second)
	if d >= time.Minute {
		d = d.Round(time.Minute)
	}
	switch {
	case d >= day:
		d = d.Round(time.Hour)
		return units(d, day, "d", time.Hour, "h")
	case d >= time.Hour:
		return units(d, time.Hour, "h", time.Minute, "min")
	case d >= time.Minute:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

func units(d, large time.Duration, l string, small time.Duration, s string) string {
	if rest := d % large / small; rest > 0 {
		return fmt.Sprintf("%d %s %d %s", d/large, l, rest, s)
	}
	return fmt.Sprintf("%d %s", d/large, l)
}
