package policy_test

import (
	"testing"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/hours"
)

// hours reads hours for a rule.
func hoursOf(t *testing.T, texts ...string) (list []hours.Hours) {
	t.Helper()
	for _, text := range texts {
		h, err := hours.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		list = append(list, h)
	}
	return list
}

// TestRuleByHours: a rule fits from the minute in which its hours begin until the minute in which they end, by the clock of
// its time zone. The time of a bubble begins on Saturday, 1 January 2000, 00:00 UTC.
func TestRuleByHours(t *testing.T) {
	const day, summer = 24 * time.Hour, 85 * 24 * time.Hour // Sunday, 26 March: Vienna goes from 02:00 to 03:00
	at := func(d time.Duration, hour, minute int) time.Duration {
		return d + time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute
	}
	type span [2]time.Duration
	for _, tt := range []struct {
		hours []string
		fits  []span // counted from the beginning
	}{
		{[]string{"00:00-24:00 UTC"}, []span{{0, 3 * day}}},
		{[]string{"08:00-18:00 UTC"}, []span{{at(0, 8, 0), at(0, 18, 0)}, {at(day, 8, 0), at(day, 18, 0)}}},
		{[]string{"sat 08:00-18:00 UTC"}, []span{{at(0, 8, 0), at(0, 18, 0)}, {at(7*day, 8, 0), at(7*day, 18, 0)}}},
		{[]string{"mon-fri 08:00-18:00 UTC"}, []span{{at(2*day, 8, 0), at(2*day, 18, 0)}, {at(6*day, 8, 0), at(6*day, 18, 0)},
			{at(9*day, 8, 0), at(9*day, 18, 0)}}},
		{[]string{"sat 08:00-12:00 UTC", "sat 11:00-11:30 UTC", "sun 09:00-10:00 UTC"},
			[]span{{at(0, 8, 0), at(0, 12, 0)}, {at(day, 9, 0), at(day, 10, 0)}}},

		// Hours that pass midnight belong to the day on which they begin.
		{[]string{"fri 22:00-06:00 UTC"}, []span{{0, at(0, 6, 0)}, {at(6*day, 22, 0), at(7*day, 6, 0)}}},
		{[]string{"sat 22:00-06:00 UTC"}, []span{{at(0, 22, 0), at(day, 6, 0)}, {at(7*day, 22, 0), at(8*day, 6, 0)}}},
		{[]string{"sat,sun 22:00-06:00 UTC"}, []span{{at(0, 22, 0), at(day, 6, 0)}, {at(day, 22, 0), at(2*day, 6, 0)}}},
		{[]string{"22:00-06:00 UTC"}, []span{{0, at(0, 6, 0)}, {at(0, 22, 0), at(day, 6, 0)}}},

		// These hours have another time zone.
		{[]string{"sat 08:00-18:00 Europe/Vienna"}, []span{{at(0, 7, 0), at(0, 17, 0)}}},
		{[]string{"sat 08:00-18:00 America/New_York"}, []span{{at(0, 13, 0), at(0, 23, 0)}}},
		{[]string{"fri 18:00-20:00 America/New_York"}, []span{{at(6*day, 23, 0), at(7*day, 1, 0)}}},
		{[]string{"sun 01:00-02:00 Pacific/Auckland"}, []span{{at(0, 12, 0), at(0, 13, 0)}}},
		{[]string{"sat 22:00-06:00 Asia/Kolkata"}, []span{{at(0, 16, 30), at(day, 0, 30)}}},
		{[]string{"sun 01:30-03:30 Europe/Vienna"}, []span{{at(summer, 0, 30), at(summer, 1, 30)}}},
		{[]string{"sun 08:00-18:00 Europe/Vienna"}, []span{{at(summer, 6, 0), at(summer, 16, 0)}}},
	} {
		t.Run(tt.hours[0], func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.rules(Rule{Hours: hoursOf(t, tt.hours...), Need: NeedDeny}, Rule{Need: NeedExempt})
				begun := time.Now()
				wants := func(since time.Duration, want string) {
					t.Helper()
					time.Sleep(time.Until(begun.Add(since)))
					if got := line(w.login("pw")); got != want {
						t.Errorf("on %s: %s, want %s", time.Now().UTC().Format(time.RFC1123), got, want)
					}
				}
				for _, s := range tt.fits {
					if s[0] > 0 {
						wants(s[0]-1, "accept exempt")
					}
					wants(s[0], deniedNow)
					wants((s[0]+s[1])/2, deniedNow)
					wants(s[1]-1, deniedNow)
					if s[1] != 3*day {
						wants(s[1], "accept exempt")
					}
				}
			})
		})
	}
}

// TestHoursOfTheBeginning: the moment at which a login came counts, however long its factors take.
func TestHoursOfTheBeginning(t *testing.T) {
	for _, tt := range []struct{ begins, want string }{
		{"in time", "accept exempt"},
		{"late", deniedNow},
	} {
		inGroups(t, []string{"staff"}, func(w *world) {
			w.rules(Rule{Groups: []string{"staff"}, Hours: hoursOf(t, "08:00-18:00 UTC"), Need: NeedExempt}, Rule{Need: NeedDeny})
			w.ldap.delay = 5 * time.Second
			time.Sleep(18*time.Hour - time.Second)
			if tt.begins == "late" {
				time.Sleep(time.Second)
			}
			w.wants(w.login("pw"), tt.want)
		})
	}
}

// TestHoursDecide: a rule with hours can decide more than yes and no, like any rule.
func TestHoursDecide(t *testing.T) {
	inGroups(t, []string{"contractors"}, func(w *world) {
		w.rules(Rule{Groups: []string{"contractors"}, Hours: hoursOf(t, "sat 08:00-18:00 UTC"), Mode: ModePasscode},
			Rule{Groups: []string{"contractors"}, Need: NeedDeny})
		w.answers(allows(time3), allows(time3))
		w.wants(w.login("pw,123456"), deniedNow)
		w.wants(w.login("pw", as("bob")), "accept approved push T1")
		time.Sleep(8 * time.Hour)
		w.wants(w.login("pw"), "reject passcode-needed: "+typeIt)
		w.wants(w.login("pw,123456"), "accept approved passcode")
	})
}

// TestHoursInChallenge: the answer to a challenge is judged by the time when it comes, and by the configuration of that
// time.
func TestHoursInChallenge(t *testing.T) {
	inChallenge(t, func(w *world) {
		w.rules(Rule{Hours: hoursOf(t, "08:00-18:00 UTC")}, Rule{Need: NeedDeny})
		time.Sleep(18*time.Hour - time.Minute)
		s := w.offered()
		time.Sleep(time.Minute)
		w.wants(w.login("123456", state(s)), deniedNow)
	})
}

// TestNoHours: a zero Hours never fits, so that a rule with hours that could not be read never applies.
func TestNoHours(t *testing.T) {
	inWorld(t, func(w *world) {
		w.rules(Rule{Hours: []hours.Hours{{}}, Need: NeedExempt}, Rule{Need: NeedDeny})
		w.wants(w.login("pw"), deniedNow)
	})
}
