package radiusd_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"duoradiusd/policy"
	"duoradiusd/policy/factor"
	"duoradiusd/radiusd"
	"duoradiusd/test/nas"
)

// TestLoginLine: each login has one line, with the same keys in the same order.
func TestLoginLine(t *testing.T) {
	v := policy.Verdict{Outcome: policy.OutcomeAccept, Reason: policy.ReasonApproved, User: "jo", Factor: factor.Push, Txid: "tx",
		FirstFactor: 12 * time.Millisecond, Duo: 3456 * time.Millisecond}
	broken := policy.Verdict{Reason: policy.ReasonDuoUnavailable, User: "jo", Err: errors.New("duo: dial: refused")}
	for _, tt := range []struct {
		v    policy.Verdict
		want string
	}{
		{v, `level=INFO msg=login client=vpn user=jo service=vpn user_ip=192.0.2.7 code=Access-Accept reason=approved factor=push txid=tx first_factor_ms=12 duo_ms=3456`},
		{ask, `level=INFO msg=login client=vpn user=jo service=vpn user_ip=192.0.2.7 code=Access-Challenge reason=challenged first_factor_ms=0 duo_ms=0`},
		{broken, `level=WARN msg=login client=vpn user=jo service=vpn user_ip=192.0.2.7 code=Access-Reject reason=duo-unavailable first_factor_ms=0 duo_ms=0 hint="Look at the connection to Duo: DNS, the firewall for TCP port 443, the proxy. duoradiusd check tries it." error="duo: dial: refused"`},
		{policy.Verdict{Outcome: policy.OutcomeAccept, Reason: policy.ReasonFailedOpen}, `level=WARN msg=login client=vpn user=jo service=vpn user_ip=192.0.2.7 code=Access-Accept reason=failed-open first_factor_ms=0 duo_ms=0 hint="Restore the connection to Duo, or set failmode = \"secure\" where a second factor matters more."`},
	} {
		d := open(t, house{decide: always(tt.v), clients: []*radiusd.Client{client(func(c *radiusd.Client) {
			c.UserIP = []string{"Calling-Station-Id"}
		})}})
		d.ask(d.nas(""), login().AddString(nas.CallingStationID, "192.0.2.7"))
		eventually(t, "one line", func() bool { return strings.Count(d.log.String(), "\n") == 1 })
		if _, got, _ := strings.Cut(strings.TrimSpace(d.log.String()), " "); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

// TestUserIPReachesTheDecider: the user's address is that of the first named attribute that holds one.
func TestUserIPReachesTheDecider(t *testing.T) {
	d := open(t, house{decide: always(accept), clients: []*radiusd.Client{client(func(c *radiusd.Client) {
		c.UserIP = []string{"PaloAlto-Client-Source-IP", "Tunnel-Client-Endpoint", "Calling-Station-Id"}
	})}})
	n := d.nas("")
	for _, tt := range []struct {
		r    *nas.Request
		want string
	}{
		{login(), "invalid IP"},
		{login().AddString(nas.CallingStationID, "00-11-22-33-44-55"), "invalid IP"},
		{login().AddString(nas.CallingStationID, "192.0.2.1").AddString(nas.TunnelClientEndpoint, "\x01192.0.2.2"), "192.0.2.2"},
		{login().AddString(nas.TunnelClientEndpoint, "x").AddString(nas.CallingStationID, "192.0.2.1"), "192.0.2.1"},
		{login().AddString(nas.CallingStationID, "192.0.2.1").AddVSA(25461, 7, []byte("2001:db8::7")), "2001:db8::7"},
	} {
		d.ask(n, tt.r)
		calls := d.decider.calls()
		if got := calls[len(calls)-1].UserIP.String(); got != tt.want {
			t.Errorf("the Decider got %s, want %s", got, tt.want)
		}
	}
}

// TestLogHygiene: whatever comes in, no secret, password, State or control octet gets into the log. The Decider of this
// test names the user exactly as the client sent it.
func TestLogHygiene(t *testing.T) {
	const password, state = "correct-horse-password", "secret-state-of-a-challenge"
	careless := func(_ context.Context, a policy.Attempt) policy.Verdict {
		switch {
		case strings.HasPrefix(a.User, "panic"):
			panic("index out of range")
		case strings.HasPrefix(a.User, "challenge"):
			return policy.Verdict{Outcome: policy.OutcomeChallenge, User: a.User, State: state, Message: "Enter:\x1b[2J", Wait: time.Minute}
		}
		return policy.Verdict{User: a.User, Err: fmt.Errorf("duo: no such user %q", a.User)}
	}
	names := []string{"jo", "panic", "challenge", "a\x00b", "\x1b[31mred", "new\nline level=ERROR", "\u0085\u202e\u2028", "\xff\xfe", "\x7f",
		"user=root", `quo"te`, strings.Repeat("x", 253)}
	for _, form := range []string{"text", "json"} {
		t.Run(form, func(t *testing.T) {
			d := open(t, house{decide: careless, json: form == "json"})
			n := d.nas("")
			for _, name := range names {
				for _, r := range []*nas.Request{
					nas.AccessRequest(secret, name, password).Sign(nas.First),
					nas.AccessRequest(secret, name, password).State([]byte(state)).Sign(nas.Last),
					nas.AccessRequest(secret, name, password).CHAP(password),
					nas.AccessRequest(secret, name, password+"\x00"+password).AddString(nas.CallingStationID, "\x1b[0m\n").Sign(nas.First),
				} {
					d.ask(n, r)
				}
				d.send(n, nas.AccessRequest(secret, name, password).Sign(nas.Wrong))
				d.send(n, nas.AccessRequest("another secret", name, password).Sign(nas.First))
				d.sendOctets(n, append([]byte(name+secret+password), make([]byte, 20)...))
			}
			d.ask(n, login())
			eventually(t, "a line a login", func() bool {
				return strings.Count(d.log.String(), "service") == 4*len(names)+1
			})
			log := d.log.String()
			for _, what := range []string{secret, password, state, "another secret", "hunter2", hex.EncodeToString([]byte(password))} {
				if strings.Contains(log, what) {
					t.Errorf("%q is in the log", what)
				}
			}
			if i := strings.IndexFunc(log, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); i >= 0 {
				t.Errorf("a raw control octet: %q", log[max(0, i-80):i+4])
			}
			for line := range strings.Lines(log) {
				if !strings.HasPrefix(line, "time=") && !strings.HasPrefix(line, "{") {
					t.Errorf("a forged line: %q", line)
				}
			}
		})
	}
}

// TestOneLinePerReason: dropped packets make one line for each reason in ten seconds, however many they are.
// TestDropsAreQuiet has the times.
func TestOneLinePerReason(t *testing.T) {
	d := open(t, house{decide: always(accept)})
	n := d.nas("")
	for range 40 {
		for _, b := range [][]byte{{1, 2, 3}, withOctets(0, 0), login().Sign(nas.Wrong).Bytes(), bare().Sign(nas.None).Bytes(),
			login().Add(nas.CHAPPassword, nil).Bytes(), login().State(nil).State(nil).Bytes(), make([]byte, 5000)} {
			d.sendOctets(n, b)
		}
		d.ask(n, login())
	}
	for _, reason := range []string{`malformed`, wrong, mixed, "larger than", "no credentials", "twice"} {
		if got := d.log.lines("msg=dropped", reason); len(got) != 1 || !strings.Contains(got[0], "client=vpn") && reason != "larger than" {
			t.Errorf("%d lines about %q: %s", len(got), reason, got)
		}
	}
	if got := len(d.log.lines("msg=dropped")); got != 6 {
		t.Errorf("%d lines about drops, want 6", got)
	}
	if got := d.Drops()["malformed"]; got != 80 {
		t.Errorf("%d malformed, want 80", got)
	}
}

// TestPanicWhileReading: a panic while a packet is read loses this packet only, and the daemon goes on.
func TestPanicWhileReading(t *testing.T) {
	d := open(t, house{decide: always(accept), able: func() bool { panic("broken hook") }})
	n := d.nas("")
	for range 10 {
		d.send(n, nas.StatusServer(secret))
	}
	d.wants(nas.CodeAccessAccept, n, login())
	if got := d.Drops()["panic"]; got != 10 {
		t.Errorf("%d counted, want 10", got)
	}
	if got := d.log.lines("panic while reading a packet", "level=ERROR"); len(got) != 1 {
		t.Errorf("the log:\n%s", d.log)
	}
	if bytes.Contains([]byte(d.log.String()), []byte(secret)) {
		t.Error("the secret is in the log")
	}
}

// brokenError panics in its method Error, as a nil pointer in an interface does.
type brokenError struct{ text *string }

func (e brokenError) Error() string { return *e.text }

// TestPanicInTheLog: a panic while the line is written comes after the reply has left, and the daemon goes on.
func TestPanicInTheLog(t *testing.T) {
	d := open(t, house{decide: always(policy.Verdict{Err: brokenError{}})})
	n := d.nas("")
	d.wants(nas.CodeAccessReject, n, login())
	d.wants(nas.CodeAccessReject, n, login())
	eventually(t, "nothing in progress", func() bool { inFlight, _ := d.Pending(); return inFlight == 0 })
}
