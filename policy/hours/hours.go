// Package hours reads the hours of a rule, such as "mon-fri 08:00-18:00 Europe/Vienna", and says whether a moment is within
// them.
package hours

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Hours are hours on some days of each week, by the local time of a time zone. The zero Hours contain no moment.
type Hours struct {
	days     uint8 // the days on which the hours begin; bit 0 is Sunday
	from, to int   // minutes since midnight; if to <= from, to is on the next day
	zone     *time.Location
	text     string
}

const wholeDay = 24 * 60

var weekdays = [...]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// Parse reads hours such as "mon-fri 08:00-18:00 Europe/Vienna". If there are no days, the hours apply to every day. If
// there is no zone, it uses the machine's zone. Hours that cross midnight belong to the day on which they begin. The error
// says what was found and what is wanted, with a semicolon between the two.
func Parse(s string) (Hours, error) {
	words := strings.Fields(s)
	h := Hours{days: 1<<len(weekdays) - 1, zone: time.Local, text: strings.Join(words, " ")}
	span := 0
	for span < len(words) && !strings.Contains(words[span], ":") {
		span++
	}
	switch {
	case span == len(words) && span == 1: // a day alone means the whole day
		words = append(words, "00:00-24:00")
	case span == len(words):
		return Hours{}, errors.New("no hours; want HH:MM-HH:MM")
	case span > 1:
		return Hours{}, errors.New("a blank in the list of days; want none, as in mon,wed-fri")
	}
	var err error
	if h.from, h.to, err = parseSpan(words[span]); err != nil {
		return Hours{}, err
	}
	if len(words) > span+2 {
		return Hours{}, errors.New("more than three parts; want days, hours and a time zone, with no other blanks")
	}
	if span > 0 {
		if h.days, err = parseDays(words[0]); err != nil {
			return Hours{}, err
		}
	}
	if len(words) > span+1 {
		if h.zone, err = zone(words[span+1]); err != nil {
			return Hours{}, err
		}
	}
	return h, nil
}

// Contain reports whether t is within h. The local time decides: if clocks go back, both passes of the repeated hour are
// within h.
func (h Hours) Contain(t time.Time) bool {
	if h.zone == nil {
		return false
	}
	t = t.In(h.zone)
	now, today := t.Hour()*60+t.Minute(), t.Weekday()
	if h.from < h.to {
		return h.on(today) && h.from <= now && now < h.to
	}
	return h.on(today) && h.from <= now || h.on((today+6)%7) && now < h.to
}

func (h Hours) on(d time.Weekday) bool { return h.days>>d&1 == 1 }

// String returns the text that h was read from.
func (h Hours) String() string { return h.text }

// parseSpan reads HH:MM-HH:MM.
func parseSpan(s string) (from, to int, err error) {
	first, last, ok := strings.Cut(s, "-")
	from, okFrom := parseClock(first)
	to, okTo := parseClock(last)
	switch {
	case !ok || !okFrom || !okTo:
		return 0, 0, fmt.Errorf("%q is not a range of hours; want HH:MM-HH:MM, from 00:00 to 24:00", s)
	case from == wholeDay:
		return 0, 0, fmt.Errorf("%q begins at 24:00; want 00:00", s)
	case from == to:
		return 0, 0, fmt.Errorf("%q ends when it begins; want 00:00-24:00 for the whole day", s)
	}
	return from, to, nil
}

// parseClock reads HH:MM as minutes since midnight. 24:00 means the end of the day.
func parseClock(s string) (minutes int, ok bool) {
	if len(s) != len("HH:MM") || s[2] != ':' {
		return 0, false
	}
	for _, i := range []int{0, 1, 3, 4} {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	hour, minute := int(s[0]-'0')*10+int(s[1]-'0'), int(s[3]-'0')*10+int(s[4]-'0')
	minutes = hour*60 + minute
	return minutes, minute < 60 && minutes <= wholeDay
}

// parseDays reads a list of days and of ranges of days. A range may cross the end of the week.
func parseDays(s string) (days uint8, err error) {
	for part := range strings.SplitSeq(s, ",") {
		first, last, isRange := strings.Cut(part, "-")
		from, err := parseDay(first)
		if err != nil {
			return 0, err
		}
		to := from
		if isRange {
			if to, err = parseDay(last); err != nil {
				return 0, err
			}
		}
		for d := from; ; d = (d + 1) % len(weekdays) {
			days |= 1 << d
			if d == to {
				break
			}
		}
	}
	return days, nil
}

func parseDay(s string) (int, error) {
	for i, day := range weekdays {
		if strings.EqualFold(s, day) {
			return i, nil
		}
	}
	return 0, fmt.Errorf("%q is not a day; want mon, tue, wed, thu, fri, sat or sun", s)
}

// zones holds the time zones that were loaded, so that ten thousand rules share one.
var zones sync.Map // by name: *time.Location

func zone(name string) (*time.Location, error) {
	if z, ok := zones.Load(name); ok {
		return z.(*time.Location), nil
	}
	z, err := time.LoadLocation(name)
	if err != nil || z == time.Local { // "Local" is no name of a time zone
		return nil, fmt.Errorf("%q is not a time zone that this machine knows; want a name such as Europe/Vienna", name)
	}
	zones.Store(name, z)
	return z, nil
}
