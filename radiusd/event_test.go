package radiusd_test

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode"

	"duoradiusd/policy"
	"duoradiusd/policy/factor"
	"duoradiusd/radiusd"
	"duoradiusd/test/nas"
)

// TestEvent: each watcher gets one event for each login, without characters that control a terminal.
func TestEvent(t *testing.T) {
	events := make(chan radiusd.Event, 1)
	decide := func(_ context.Context, a policy.Attempt) policy.Verdict {
		return policy.Verdict{Outcome: policy.OutcomeAccept, Reason: policy.ReasonApproved, User: a.User, Factor: factor.Push, Txid: "tx\x1b]0;owned\a",
			FirstFactor: 12 * time.Millisecond, Duo: 3 * time.Millisecond, Err: errors.New("duo: " + a.User)}
	}
	s := &radiusd.Server{Logger: slog.New(slog.DiscardHandler), OnLogin: func(e radiusd.Event) { events <- e }}
	clients, err := radiusd.NewClients([]*radiusd.Client{client(func(c *radiusd.Client) { c.UserIP = []string{"Calling-Station-Id"} })})
	if err != nil {
		t.Fatal(err)
	}
	s.Use(radiusd.Settings{Clients: clients, Decider: &decider{decide: decide, held: make(chan *call, 100)}})
	if err := s.Listen([]netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}); err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(t.Context())
	n, err := nas.Dial(s.Addresses()[0], netip.AddrPort{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	for _, name := range []string{"jo", "\x1b[31mred", "new\nline", "\u0085\u009b2J\u202e\u2028", "\x7f", `"}{"user":"root`} {
		before := time.Now()
		r := nas.AccessRequest(secret, name, "pw").AddString(nas.CallingStationID, "fe80::7%\x1b[31m\x7f").Sign(nas.First)
		if err := n.Send(r.Bytes()); err != nil {
			t.Fatal(err)
		}
		e := <-events
		if e.Client != "vpn" || e.Service != "vpn" || e.Code != "Access-Accept" || e.Reason != policy.ReasonApproved || e.Factor != factor.Push ||
			e.ClientAddr != netip.MustParseAddr("127.0.0.1") || e.FirstTook != 12*time.Millisecond || e.DuoTook != 3*time.Millisecond ||
			e.Took <= 0 || e.Took > time.Since(before) || e.Time.Before(before) {
			t.Errorf("%+v", e)
		}
		ip := ""
		if e.UserIP.IsValid() {
			ip = e.UserIP.String()
		}
		for _, s := range []string{e.User, e.Txid, e.Err, ip} {
			if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%q of %q", s, name)
			}
		}
	}
}
