package hours

import (
	"testing"
	"time"
)

func TestHours(t *testing.T) {
	for _, tt := range []struct {
		hours string
		at    string // RFC 3339; 2026-01-05 is a Monday
		want  bool
	}{
		{"mon-fri 08:00-18:00 UTC", "2026-01-05T07:59:59Z", false},
		{"mon-fri 08:00-18:00 UTC", "2026-01-05T08:00:00Z", true},
		{"mon-fri 08:00-18:00 UTC", "2026-01-09T17:59:59Z", true},
		{"mon-fri 08:00-18:00 UTC", "2026-01-09T18:00:00Z", false},
		{"mon-fri 08:00-18:00 UTC", "2026-01-10T12:00:00Z", false},
		{"Mon,WED-fri 00:00-24:00 UTC", "2026-01-05T23:59:59Z", true},
		{"mon,wed-fri 00:00-24:00 UTC", "2026-01-06T00:00:00Z", false},
		{"mon,wed-fri 00:00-24:00 UTC", "2026-01-07T00:00:00Z", true},
		{"sat-mon 09:00-10:00 UTC", "2026-01-04T09:30:00Z", true},
		{"sat-mon 09:00-10:00 UTC", "2026-01-05T09:30:00Z", true},
		{"sat-mon 09:00-10:00 UTC", "2026-01-06T09:30:00Z", false},
		{"sun 09:00-10:00 UTC", "2026-01-04T09:30:00Z", true},
		{"  09:00-10:00   UTC ", "2026-01-06T09:30:00Z", true},

		// Over midnight the day is the one that they begin on.
		{"fri 22:00-06:00 UTC", "2026-01-09T05:00:00Z", false},
		{"fri 22:00-06:00 UTC", "2026-01-09T21:59:00Z", false},
		{"fri 22:00-06:00 UTC", "2026-01-09T22:00:00Z", true},
		{"fri 22:00-06:00 UTC", "2026-01-10T05:59:59Z", true},
		{"fri 22:00-06:00 UTC", "2026-01-10T06:00:00Z", false},
		{"fri 22:00-06:00 UTC", "2026-01-10T22:00:00Z", false},
		{"sat 22:00-06:00 UTC", "2026-01-11T05:00:00Z", true},
		{"sun 22:00-06:00 UTC", "2026-01-12T05:00:00Z", true},
		{"22:00-06:00 UTC", "2026-01-07T03:00:00Z", true},
		{"22:00-00:00 UTC", "2026-01-07T23:59:00Z", true},
		{"22:00-00:00 UTC", "2026-01-07T00:00:00Z", false},
		{"fri 18:00-24:00 UTC", "2026-01-10T00:00:00Z", false},

		// The clock on the wall decides, in its place: +01:00 in winter, +02:00 in summer.
		{"mon 08:00-18:00 Europe/Vienna", "2026-01-05T07:00:00Z", true},
		{"mon 08:00-18:00 Europe/Vienna", "2026-01-05T06:59:59Z", false},
		{"mon 08:00-18:00 Europe/Vienna", "2026-07-06T06:00:00Z", true},
		{"mon 08:00-18:00 Europe/Vienna", "2026-07-06T16:00:00Z", false},
		{"mon 00:00-01:00 Europe/Vienna", "2026-01-04T23:30:00Z", true}, // Sunday in UTC
		{"mon 00:00-01:00 America/New_York", "2026-01-05T05:30:00Z", true},

		// Sunday 2026-03-29, 02:00 +01:00 becomes 03:00 +02:00.
		{"sun 01:00-03:00 Europe/Vienna", "2026-03-29T00:59:59Z", true},
		{"sun 01:00-03:00 Europe/Vienna", "2026-03-29T01:00:00Z", false},
		{"sun 02:00-03:00 Europe/Vienna", "2026-03-29T00:59:59Z", false},
		{"sun 02:00-03:00 Europe/Vienna", "2026-03-29T01:00:00Z", false},
		{"sun 02:30-04:00 Europe/Vienna", "2026-03-29T01:00:00Z", true},
		{"sat 22:00-06:00 Europe/Vienna", "2026-03-29T03:59:59Z", true},
		{"sat 22:00-06:00 Europe/Vienna", "2026-03-29T04:00:00Z", false},
		{"mon 00:00-00:30 Europe/Vienna", "2026-03-29T22:15:00Z", true},

		// Sunday 2026-10-25, 03:00 +02:00 becomes 02:00 +01:00: the hour from 02:00 comes twice.
		{"sun 02:00-03:00 Europe/Vienna", "2026-10-25T00:00:00Z", true},
		{"sun 02:00-03:00 Europe/Vienna", "2026-10-25T01:59:59Z", true},
		{"sun 02:00-03:00 Europe/Vienna", "2026-10-25T02:00:00Z", false},
		{"sat 22:00-02:30 Europe/Vienna", "2026-10-25T00:30:00Z", false},
		{"sat 22:00-02:30 Europe/Vienna", "2026-10-25T01:15:00Z", true},
		{"sun 23:00-01:00 Europe/Vienna", "2026-10-25T23:30:00Z", true},
		{"sun 23:00-01:00 Europe/Vienna", "2026-10-26T00:00:00Z", false},
	} {
		h, err := Parse(tt.hours)
		if err != nil {
			t.Errorf("%s: %v", tt.hours, err)
			continue
		}
		at, err := time.Parse(time.RFC3339, tt.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := h.Contain(at); got != tt.want {
			t.Errorf("%s contain %s: %v", tt.hours, tt.at, got)
		}
		if got := h.Contain(at.In(time.FixedZone("", 5*3600))); got != tt.want {
			t.Errorf("%s contain %s told in another zone: %v", tt.hours, tt.at, got)
		}
	}
}

// TestHoursLocal: without a zone it is the machine's.
func TestHoursLocal(t *testing.T) {
	h, err := Parse("mon 08:00-18:00")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 5, 8, 0, 0, 0, time.Local)
	if !h.Contain(at) || h.Contain(at.Add(-time.Second)) {
		t.Error("another zone than the machine's")
	}
}

func TestHoursText(t *testing.T) {
	h, err := Parse(" mon-fri\t08:00-18:00  Europe/Vienna")
	if got, want := h.String(), "mon-fri 08:00-18:00 Europe/Vienna"; err != nil || got != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	if (Hours{}).Contain(time.Now()) {
		t.Error("the zero Hours contain now")
	}
	again, _ := Parse("mon-fri 08:00-18:00 Europe/Vienna")
	if again != h {
		t.Error("the same hours differ: their zone was loaded twice")
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "no hours; want HH:MM-HH:MM",
		"mon-fri 8-18":                     "no hours; want HH:MM-HH:MM",
		"mon, tue 08:00-18:00":             "a blank in the list of days; want none, as in mon,wed-fri",
		"08:00-18:00 Europe/Vienna mon":    "more than three parts; want days, hours and a time zone, with no other blanks",
		"08:00 - 18:00":                    `"08:00" is not a range of hours; want HH:MM-HH:MM, from 00:00 to 24:00`,
		"8:00-18:00":                       `"8:00-18:00" is not a range of hours; want HH:MM-HH:MM, from 00:00 to 24:00`,
		"08:00-18:60":                      `"08:00-18:60" is not a range of hours; want HH:MM-HH:MM, from 00:00 to 24:00`,
		"08:00-24:01":                      `"08:00-24:01" is not a range of hours; want HH:MM-HH:MM, from 00:00 to 24:00`,
		"08:00-+1:00":                      `"08:00-+1:00" is not a range of hours; want HH:MM-HH:MM, from 00:00 to 24:00`,
		"08:00-18:00-20:00":                `"08:00-18:00-20:00" is not a range of hours; want HH:MM-HH:MM, from 00:00 to 24:00`,
		"24:00-06:00":                      `"24:00-06:00" begins at 24:00; want 00:00`,
		"08:00-08:00":                      `"08:00-08:00" ends when it begins; want 00:00-24:00 for the whole day`,
		"monday 08:00-18:00":               `"monday" is not a day; want mon, tue, wed, thu, fri, sat or sun`,
		"mon-fri, 08:00-18:00":             `"" is not a day; want mon, tue, wed, thu, fri, sat or sun`,
		"mon-wed-fri 08:00-18:00":          `"wed-fri" is not a day; want mon, tue, wed, thu, fri, sat or sun`,
		"-fri 08:00-18:00":                 `"" is not a day; want mon, tue, wed, thu, fri, sat or sun`,
		"mon 08:00-18:00 Europe/Wien":      `"Europe/Wien" is not a time zone that this machine knows; want a name such as Europe/Vienna`,
		"mon 08:00-18:00 Local":            `"Local" is not a time zone that this machine knows; want a name such as Europe/Vienna`,
		"mon 08:00-18:00 ../../etc/passwd": `"../../etc/passwd" is not a time zone that this machine knows; want a name such as Europe/Vienna`,
	} {
		h, err := Parse(text)
		if err == nil || err.Error() != want {
			t.Errorf("%q: %v; want %s", text, err, want)
		}
		if h != (Hours{}) {
			t.Errorf("%q: %+v beside an error", text, h)
		}
	}
}

func TestHoursAllocate(t *testing.T) {
	h, err := Parse("sat-mon 22:00-06:00 Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	if n := testing.AllocsPerRun(100, func() { h.Contain(at) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
