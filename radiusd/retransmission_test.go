package radiusd

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// story is what one client does with one user's login. Its numbers are seconds since the first packet.
type story struct {
	copies   []float64
	answered float64 // 0 means never
	newOnID  float64 // a new authenticator on the same port and Identifier; 0 means none
	newLogin float64 // of the same user, from another port; 0 means none
	other    float64 // of another user, from another port; 0 means none
}

func second(seconds float64) time.Time {
	return start.Add(time.Duration(seconds * float64(time.Second)))
}

// tell plays s on table and returns the requests that are still in progress.
func (s story) tell(t *testing.T, table *duplicates, c *Client, n int) {
	t.Helper()
	begin := func(slot int, user string, at float64) *request {
		x := requestNo(slot, c)
		x.authentic = true
		x.authenticator[0], x.authenticator[1] = byte(at)+1, byte(n)
		x.key += requestKey(at*1000) << 32
		if why := table.begin(x, false, second(at)); why != notDropped {
			t.Fatalf("at %v s: %v", at, why)
		}
		table.wait(x, user, func(error) {}, second(at))
		return x
	}
	x := begin(10*n, "jo", 0)
	for _, at := range s.copies {
		if _, why := table.copyOf(x, second(at)); why != dropInProgress {
			t.Fatalf("the copy at %v s is taken for another request", at)
		}
	}
	all := []*request{x}
	if s.newOnID > 0 {
		all = append(all, begin(10*n, "jo", s.newOnID))
	}
	if s.newLogin > 0 {
		all = append(all, begin(10*n+1, "jo", s.newLogin))
	}
	if s.other > 0 {
		all = append(all, begin(10*n+2, "al", s.other))
	}
	end := max(s.answered, s.newOnID, s.newLogin, s.other)
	for _, y := range all {
		if s.answered > 0 || y != x {
			table.answer(y, []byte("reply"), second(end))
		}
	}
	table.answer(x, nil, second(end))
}

// TestPatience: what the table concludes from measured behaviour of clients, and from users who start again themselves.
func TestPatience(t *testing.T) {
	strongSwan := []float64{2, 4.8, 8.7} // its next would come at 14.1 s
	everySecond := []float64{1, 2, 3, 4, 5}
	for _, tt := range []struct {
		name     string
		story    story
		interval float64
		gaveUp   float64 // after this many seconds; 0 means that it did not give up
	}{
		{"strongSwan, answered while it asks", story{copies: strongSwan, answered: 10}, 2.8, 0},
		{"strongSwan, answered too late", story{copies: strongSwan, answered: 30}, 2.8, 14.1},
		{"pam_radius, answered while it waits", story{copies: []float64{10}, answered: 19}, 10, 0},
		{"pam_radius, answered too late", story{copies: []float64{10}, answered: 45}, 10, 20},
		{"every second, answered while it asks", story{copies: everySecond, answered: 5.5}, 1, 0},
		{"every second, and then no more", story{copies: everySecond, answered: 20}, 1, 6},
		{"one copy only, answered after long", story{answered: 50}, 0, 0},
		{"one copy only, then a new request on the Identifier", story{newOnID: 3, answered: 40}, 0, 3},
		{"a new request on the Identifier long after the last copy", story{copies: everySecond, newOnID: 40, answered: 50}, 1, 6},
		{"a new request on the Identifier before the next copy", story{copies: everySecond, newOnID: 5.5, answered: 50}, 1, 5.5},
		{"openvpn: the second copy is a new request from a new port", story{newLogin: 15, answered: 40}, 0, 15},
		{"the user comes back when the client has stopped", story{copies: everySecond, newLogin: 40, answered: 50}, 1, 6},
		{"the user logs in by another device while the client asks", story{copies: everySecond, newLogin: 5.5, answered: 5.8}, 1, 0},
		{"the user presses twice", story{newLogin: .5, answered: 10}, 0, 0},
		{"another user", story{other: 20, answered: 30}, 0, 0},
		{"copies at once are the network's", story{copies: []float64{.001, .002}, answered: 30}, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &Client{Timeout: 55 * time.Second, traffic: &traffic{}}
			table := newDuplicates(100)
			tt.story.tell(t, table, c, 1)
			r := c.patience()
			if got := r.Interval.Seconds(); got != tt.interval {
				t.Errorf("it asks again every %v s, want %v", got, tt.interval)
			}
			gaveUp := uint64(0)
			if tt.gaveUp > 0 {
				gaveUp = 1
			}
			if got := r.After.Round(100 * time.Millisecond).Seconds(); got != tt.gaveUp || r.GaveUp != gaveUp {
				t.Errorf("it gave up %d times, after %v s; want %d and %v", r.GaveUp, got, gaveUp, tt.gaveUp)
			}
			if r.Silent != uint64(len(tt.story.copies)) || r.Served != 0 || (r.Advice != "") != (gaveUp > 0 && r.After < c.Timeout) {
				t.Errorf("%+v", r)
			}
			if len(c.traffic.byUser) != 0 || c.traffic.inFlight != 0 {
				t.Errorf("left behind: %v, %d in flight", c.traffic.byUser, c.traffic.inFlight)
			}
		})
	}
}

// TestPatience_Advice: the advice comes only after three cases, because one may be the user's doing. A client that waits
// long enough gets none.
func TestPatience_Advice(t *testing.T) {
	for _, tt := range []struct {
		stories []story
		timeout time.Duration
		want    string
	}{
		{slices.Repeat([]story{{copies: []float64{2, 4.8, 8.7}, answered: 30}}, 2), 55 * time.Second,
			"gave up 2 times, after 14 s: raise its timeout to 60 s, unless its users ended these logins themselves"},
		{[]story{{newOnID: 3, answered: 30}}, 30 * time.Second, "gave up once, after 3 s: raise its timeout to 30 s, unless its users ended these logins themselves"},
		{slices.Repeat([]story{{copies: []float64{2, 4.8, 8.7}, answered: 30}}, 3), 55 * time.Second,
			"gives up after 14 s: raise its timeout to 60 s"},
		{slices.Repeat([]story{{newOnID: 3, answered: 30}}, 3), 30 * time.Second, "gives up after 3 s: raise its timeout to 30 s"},
		{slices.Repeat([]story{{copies: []float64{2.5}, answered: 31}}, 3), 31 * time.Second, "gives up after 5 s: raise its timeout to 40 s"},
		{slices.Repeat([]story{{newOnID: 58, answered: 59}}, 3), 55 * time.Second, ""},
		// A user who comes back an hour later says nothing about the client's timeout.
		{append(slices.Repeat([]story{{newLogin: 10, answered: 54}}, 3), story{newLogin: 53, answered: 54}), 55 * time.Second,
			"gives up after 10 s: raise its timeout to 60 s"},
	} {
		c := &Client{Timeout: tt.timeout, traffic: &traffic{}}
		table := newDuplicates(100)
		for i, s := range tt.stories {
			s.tell(t, table, c, i)
		}
		if got := c.patience().Advice; got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.stories[0], got, tt.want)
		}
	}
}

// TestPatience_Nameless: requests without a User-Name do not count as those of one user.
func TestPatience_Nameless(t *testing.T) {
	c := &Client{traffic: &traffic{}}
	table := newDuplicates(100)
	for n := range 3 {
		table.begin(requestNo(n, c), false, second(float64(10*n)))
	}
	if r := c.patience(); r.GaveUp != 0 {
		t.Errorf("%+v", r)
	}
}

// TestPatience_Served: a copy of an answered request means that the reply was lost, and says nothing about the client's
// timeout.
func TestPatience_Served(t *testing.T) {
	c := &Client{traffic: &traffic{}}
	table := newDuplicates(100)
	x := requestNo(1, c)
	table.begin(x, false, start)
	table.finish(x, []byte("reply"), false, second(1))
	table.copyOf(x, second(3))
	if r := c.patience(); r.Served != 1 || r.Silent != 0 || r.Interval != 0 || r.GaveUp != 0 {
		t.Errorf("%+v", r)
	}
}

func TestSamples(t *testing.T) {
	var s samples
	if s.median() != 0 {
		t.Error("of none")
	}
	for i := range 1000 {
		s.add(time.Duration(i))
	}
	if got := s.median(); got != 992 { // of 985 to 999
		t.Errorf("median of the last fifteen of 0 to 999: %d", got)
	}
}

// TestPendingLogins: the oldest come first. Answered logins are left out, and the names have no control characters.
func TestPendingLogins(t *testing.T) {
	s := &Server{}
	s.init()
	c := &Client{Name: "vpn", traffic: &traffic{}}
	for n, user := range []string{"jo", "al\x1b[2J", "answered", "eve"} {
		x := requestNo(n, c)
		s.duplicates.begin(x, false, second(float64(10-n)))
		s.duplicates.wait(x, user, func(error) {}, second(float64(10-n)))
		if user == "answered" {
			s.duplicates.answer(x, []byte("reply"), second(10))
		}
		if user == "eve" {
			s.duplicates.copyOf(x, second(10))
		}
	}
	var got []string
	for _, p := range s.PendingLogins(2) {
		got = append(got, p.Client+" "+p.User+strings.Repeat("+", p.Copies))
	}
	if want := []string{"vpn eve+", "vpn al�[2J"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := len(s.PendingLogins(10)); got != 3 {
		t.Errorf("%d pending, want 3", got)
	}
}

// TestDropReasons: each reason has a name, which Drops uses.
func TestDropReasons(t *testing.T) {
	names := DropReasons()
	slices.Sort(names)
	if len(names) != int(dropReasonCount)-1 || len(slices.Compact(names)) != len(names) || names[0] == "" {
		t.Errorf("%q", names)
	}
	s := &Server{}
	s.drops.add(dropUnknownClient, start)
	for name := range s.Drops() {
		if !slices.Contains(names, name) {
			t.Errorf("%q is not among them", name)
		}
	}
}

// TestGivenUp: when the client of a login no longer counts as waiting, by what was seen of this login and of others.
func TestGivenUp(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before []story // what the client did with three other logins
		copies []float64
		asks   float64 // when the user logs in again from another port; 0 means never
		at     float64
		want   bool
	}{
		{"nothing is known", nil, nil, 0, 50, false},
		{"it asks at intervals", nil, []float64{5, 10}, 0, 19, false},
		{"it has stopped asking", nil, []float64{5, 10}, 0, 21, true},
		{"it waits as long as ever", slices.Repeat([]story{{newOnID: 15, answered: 30}}, 3), nil, 0, 14, false},
		{"it waits longer than ever", slices.Repeat([]story{{newOnID: 15, answered: 30}}, 3), nil, 0, 16, true},
		{"twice is no rule", slices.Repeat([]story{{newOnID: 15, answered: 30}}, 2), nil, 0, 16, false},
		{"the user logs in anew", nil, nil, 4, 5, true},
		{"the user presses twice", nil, nil, .5, 5, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &Client{Timeout: 55 * time.Second, traffic: &traffic{}}
			table := newDuplicates(100)
			for i, s := range tt.before {
				s.tell(t, table, c, i+10)
			}
			x := requestNo(1, c)
			table.begin(x, false, start)
			table.wait(x, "jo", func(error) {}, start)
			for _, at := range tt.copies {
				table.copyOf(x, second(at))
			}
			if tt.asks > 0 {
				y := requestNo(2, c)
				table.begin(y, false, second(tt.asks))
				table.wait(y, "jo", func(error) {}, second(tt.asks))
			}
			if got := table.givenUp(x, second(tt.at)); got != tt.want {
				t.Errorf("given up: %v", got)
			}
		})
	}
}
