package radiusd

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"duoradiusd/internal/display"
	"duoradiusd/policy"
	"duoradiusd/policy/factor"
)

// bySlog returns the line as slog writes it.
func bySlog(e *Event, asJSON bool) string {
	var b bytes.Buffer
	var h slog.Handler = slog.NewTextHandler(&b, nil)
	if asJSON {
		h = slog.NewJSONHandler(&b, nil)
	}
	r := slog.NewRecord(e.Time, e.level(), "login", 0)
	r.AddAttrs(e.attrs()...)
	h.Handle(context.Background(), r)
	return b.String()
}

func byLines(e *Event, asJSON bool) string {
	var b bytes.Buffer
	(&LoginLog{To: &b, JSON: asJSON}).write(e, &datagram{})
	return b.String()
}

func someEvent() *Event {
	return &Event{Time: time.Date(2026, 11, 22, 9, 0, 0, 120_000_000, time.UTC), Client: "vpn-1", User: "jo", Service: "vpn",
		UserIP: netip.MustParseAddr("192.0.2.7"), Code: "Access-Accept", Reason: policy.ReasonRemembered, FirstTook: time.Second}
}

// TestLines: the lines are the same as those that slog writes.
func TestLines(t *testing.T) {
	east := time.FixedZone("east", 2*60*60)
	for _, change := range []func(*Event){
		func(*Event) {},
		func(e *Event) { e.Time = e.Time.In(east).Add(123456) },
		func(e *Event) { e.Client, e.Service = "the vpn", "" },
		func(e *Event) { e.Client = "tab\there" },
		func(e *Event) { e.User, e.UserIP = `a=b "c" \d`, netip.Addr{} },
		func(e *Event) { e.UserIP = netip.MustParseAddr("2001:db8::7") },
		func(e *Event) { e.User = display.Visible("jürgen\x1b[2J\u2028\xff\x7f\u00a0") },
		func(e *Event) { e.Reason = policy.ReasonBadSecret },
		func(e *Event) { e.Reason, e.Err = policy.ReasonDuoUnavailable, "duo: dial: refused" },
		func(e *Event) { e.Factor, e.Txid, e.DuoTook = factor.Push, "tx-1", 3456*time.Millisecond },
	} {
		e := someEvent()
		change(e)
		for _, asJSON := range []bool{false, true} {
			got, want := byLines(e, asJSON), bySlog(e, asJSON)
			if asJSON && e.Client == "tab\there" { // \u0009 and \t are the same in JSON
				got, want = compact(t, got), compact(t, want)
			}
			if got != want {
				t.Errorf("got  %swant %s", got, want)
			}
		}
	}
}

func compact(t *testing.T, line string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(line), &v); err != nil {
		t.Fatal(err)
	}
	b, _ := json.Marshal(v)
	return string(b)
}

// TestLinesOfOneSecondAndTheNext: one writer writes the lines of all these times, in any order.
func TestLinesOfOneSecondAndTheNext(t *testing.T) {
	var b bytes.Buffer
	l := &LoginLog{To: &b}
	east := time.FixedZone("east", -90*60)
	for _, after := range []time.Duration{0, time.Millisecond, 879 * time.Millisecond, time.Second, 999 * time.Millisecond, 59 * time.Minute} {
		for _, in := range []*time.Location{time.UTC, east} {
			e := someEvent()
			e.Time = e.Time.Add(after).In(in)
			b.Reset()
			if l.write(e, &datagram{}); b.String() != bySlog(e, false) {
				t.Errorf("got  %swant %s", b.String(), bySlog(e, false))
			}
		}
	}
}

func FuzzLines(f *testing.F) {
	f.Add("jo", "tx")
	f.Add("a=b\\", `"`)
	f.Add("\x00\x7f\u2028é", "\xff")
	f.Fuzz(func(t *testing.T, user, text string) {
		e := someEvent()
		e.User, e.Err = display.Visible(user), display.Visible(text)
		for _, asJSON := range []bool{false, true} {
			if got, want := byLines(e, asJSON), bySlog(e, asJSON); got != want {
				t.Errorf("got  %swant %s", got, want)
			}
		}
	})
}

// TestLinesLevel: a line below the level is not written.
func TestLinesLevel(t *testing.T) {
	var b bytes.Buffer
	l := &LoginLog{To: &b, Level: slog.LevelWarn}
	e := someEvent()
	if l.write(e, &datagram{}); b.Len() > 0 {
		t.Errorf("written: %s", b.String())
	}
	e.Reason = policy.ReasonFraud
	if l.write(e, &datagram{}); !bytes.Contains(b.Bytes(), []byte("level=WARN msg=login")) {
		t.Errorf("not written: %q", b.String())
	}
}

func BenchmarkLine(b *testing.B) {
	l := &LoginLog{To: io.Discard}
	e := someEvent()
	b.ReportAllocs()
	for b.Loop() {
		l.write(e, &datagram{})
	}
}
