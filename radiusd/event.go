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
func (l *login) end(v policy.Verdict, code string, now time.Time) {
	s, c := l.server, l.exchange.client
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
	if s.Lines != nil {
		s.Lines.write(&e)
	} else if log, level := s.log(), e.level(); log.Enabled(context.Background(), level) {
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

// field is one key of a login's line, and its value.
type field struct {
	key    string
	text   string
	addr   netip.Addr // counts where it is valid
	n      int64
	number bool // n counts
}

// fields are the login in the log: the same keys in the same order.
func (e *Event) fields(yield func(field) bool) {
	_ = yield(field{key: "client", text: e.Client}) &&
		yield(field{key: "user", text: e.User}) &&
		yield(field{key: "service", text: e.Service}) &&
		yield(field{key: "user_ip", addr: e.UserIP}) &&
		yield(field{key: "code", text: e.Code}) &&
		yield(field{key: "reason", text: string(e.Reason)}) &&
		yield(field{key: "factor", text: string(e.Factor)}) &&
		yield(field{key: "txid", text: e.Txid}) &&
		yield(field{key: "first_factor_ms", n: e.FirstTook.Milliseconds(), number: true}) &&
		yield(field{key: "duo_ms", n: e.DuoTook.Milliseconds(), number: true}) &&
		(e.Reason != policy.BadSecret || yield(field{key: "hint", text: "the password can't be decoded: is this client's secret right?"})) &&
		(e.Err == "" || yield(field{key: "error", text: e.Err}))
}

// line is the same for slog.
func (e *Event) line() (line []slog.Attr) {
	for f := range e.fields {
		switch {
		case f.number:
			line = append(line, slog.Int64(f.key, f.n))
		case f.addr.IsValid():
			line = append(line, slog.String(f.key, f.addr.String()))
		default:
			line = append(line, slog.String(f.key, f.text))
		}
	}
	return line
}

// visible replaces what a terminal might obey. slog quotes most of it, but as text not DEL and as JSON not C1.
func visible(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, s)
}
