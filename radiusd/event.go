package radiusd

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"duoradiusd/policy"
)

// Event is the end of one login, for the log and for whoever watches. What came from the network holds nothing that a
// terminal might obey.
type Event struct {
	Time       time.Time // of the answer
	Client     string
	ClientAddr netip.Addr
	User       string // canonical; as typed where it has no canonical form
	Service    string
	UserIP     netip.Addr // invalid when the client did not tell
	Code       string     // of the reply: Access-Accept, Access-Reject, Access-Challenge, none
	Reason     policy.Reason
	Factor     policy.Factor
	Txid       string
	Took       time.Duration // from the request to the answer
	FirstTook  time.Duration // of it in the first factor
	DuoTook    time.Duration // of it in Duo
	Err        string        // why something could not be asked; "" for nothing
}

// end counts the login, tells it, and writes its one line.
func (l *login) end(v policy.Verdict, code string) {
	s, c := l.server, l.exchange.client
	now := time.Now()
	e := Event{
		Time: now, Client: c.Name, ClientAddr: l.datagram.host(), User: visible(v.User), Service: c.Login.Service,
		UserIP: l.userIP, Code: code, Reason: v.Reason, Factor: v.Factor, Txid: visible(v.Txid),
		Took: now.Sub(l.datagram.at), FirstTook: v.FirstFactor, DuoTook: v.Duo,
	}
	if v.Err != nil {
		e.Err = visible(fmt.Sprint(v.Err))
	}
	if v.Reason == policy.Relayed && l.datagram.packet.eap.present() { // one of many rounds of one login
		s.log().LogAttrs(context.Background(), slog.LevelDebug, "round", e.line()...)
		return
	}
	s.outcomes.add(v.Reason)
	if log, level := s.log(), e.level(); log.Enabled(context.Background(), level) {
		log.LogAttrs(context.Background(), level, "login", e.line()...)
	}
	if s.OnLogin != nil {
		s.OnLogin(e)
	}
}

func (e *Event) level() slog.Level {
	switch e.Reason {
	case policy.FailedOpen, policy.Fraud, policy.BadSecret:
		return slog.LevelWarn
	}
	if e.Err != "" && e.Reason != policy.Abandoned && e.Reason != policy.BadPassword && e.Reason != policy.AccountRefused {
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// line is the login in the log: the same keys in the same order.
func (e *Event) line() []slog.Attr {
	line := []slog.Attr{
		slog.String("client", e.Client),
		slog.String("user", e.User),
		slog.String("service", e.Service),
		slog.String("user_ip", addrOrNone(e.UserIP)),
		slog.String("code", e.Code),
		slog.String("reason", string(e.Reason)),
		slog.String("factor", string(e.Factor)),
		slog.String("txid", e.Txid),
		slog.Int64("first_factor_ms", e.FirstTook.Milliseconds()),
		slog.Int64("duo_ms", e.DuoTook.Milliseconds()),
	}
	if e.Reason == policy.BadSecret {
		line = append(line, slog.String("hint", "the password can't be decoded: is this client's secret right?"))
	}
	if e.Err != "" {
		line = append(line, slog.String("error", e.Err))
	}
	return line
}

// visible replaces what a terminal might obey. slog quotes most of it, but as text not DEL and as JSON not C1.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, s)
}
