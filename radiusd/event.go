package radiusd

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"strings"
	"sync"
	"time"

	"duoradiusd/internal/display"
	"duoradiusd/policy"
	"duoradiusd/policy/factor"
	"duoradiusd/policy/reasons"
)

// Event is the end of one login, for the log and for whoever watches. What came from the network holds nothing that a
// terminal might obey.
type Event struct {
	Time       time.Time // of the answer
	Client     string
	ClientAddr netip.Addr
	User       string // canonical; as sent where it has no canonical form
	Service    string
	UserIP     netip.Addr // invalid when the client did not tell
	Code       string     // of the reply: Access-Accept, Access-Reject, Access-Challenge, none
	Reason     policy.Reason
	Factor     factor.Factor
	Txid       string
	Took       time.Duration // from the request to the answer
	FirstTook  time.Duration // of it in the first factor
	DuoTook    time.Duration // of it in Duo
	Err        string        // why something could not be asked; "" for nothing
	Hint       string        // what the administrator should look at; "" for nothing
	Count      uint64        // how many such events since the last line, where lines are limited; 0 otherwise

	policy.Trace
}

// log counts the login, writes its one line, and tells who watches.
func (l *login) log(v *policy.Verdict, code string, now time.Time) {
	s, c := l.server, l.request.client
	e := Event{
		Time: now, Client: c.Name, ClientAddr: l.datagram.host(), User: display.Visible(v.User), Service: c.Login.Service,
		UserIP: l.userIP, Code: code, Reason: v.Reason, Factor: v.Factor, Txid: display.Visible(v.Txid),
		Took: now.Sub(l.datagram.received), FirstTook: v.FirstFactor, DuoTook: v.Duo,
	}
	if v.User == "" {
		e.User = display.Visible(string(l.user))
	}
	if v.Err != nil {
		e.Err = display.Visible(strings.ReplaceAll(fmt.Sprint(v.Err), "\n", "; ")) // several errors are a line each
	}
	e.Trace = visibleTrace(v.Trace)
	if e.Hint = l.hint; e.Hint == "" {
		e.Hint = l.hintOf(v.Reason)
	}
	if e.Hint == "" && (e.level() > slog.LevelInfo || e.Reason == policy.ReasonNotEnrolled) {
		e.Hint = reasons.Cure(v.Reason)
	}
	if v.Reason == policy.ReasonRelayed && l.datagram.packet.eap.present() { // one of many rounds of one login
		s.log().LogAttrs(context.Background(), slog.LevelDebug, "round", e.attrs()...)
		return
	}
	s.outcomes.add(v.Reason)
	due := true
	if v.Reason == policy.ReasonBadSecret && !l.datagram.authentic { // anybody can send many
		e.Count = c.traffic.wrongSecret.add(l.datagram.received)
		due = e.Count > 0
	}
	if !due {
		// It is counted, and whoever watches is told.
	} else if s.LoginLog != nil {
		s.LoginLog.write(&e, l.datagram)
	} else if log, level := s.log(), e.level(); log.Enabled(context.Background(), level) {
		log.LogAttrs(context.Background(), level, "login", e.attrs()...)
	}
	if s.OnLogin != nil {
		s.OnLogin(e)
	}
}

func (e *Event) level() slog.Level {
	switch e.Reason {
	case policy.ReasonFailedOpen, policy.ReasonFraud, policy.ReasonBadSecret:
		return slog.LevelWarn
	}
	if e.Err != "" && e.Reason != policy.ReasonAbandoned && e.Reason != policy.ReasonBadPassword && e.Reason != policy.ReasonAccountRefused {
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// writeTo writes what the line of a login says, always in this order.
func (e *Event) writeTo(l *line) {
	l.text("client", e.Client)
	l.text("user", e.User)
	l.text("service", e.Service)
	l.addr("user_ip", e.UserIP)
	l.text("code", e.Code)
	l.text("reason", string(e.Reason))
	l.optional("rule", e.Rule)
	l.optional("tail", string(e.Tail))
	l.optional("factor", string(e.Factor))
	if refused := e.Code != "Access-Accept"; refused || e.DuoUser != e.User {
		l.optional("duo_user", e.DuoUser)
		if refused { // of an accept they say nothing new
			l.optional("duo_message", e.DuoMessage)
		}
	}
	l.optional("txid", e.Txid)
	l.number("first_factor_ms", e.FirstTook.Milliseconds())
	l.number("duo_ms", e.DuoTook.Milliseconds())
	if e.Count > 0 {
		l.number("count", int64(e.Count))
	}
	l.optional("hint", e.Hint)
	l.optional("error", e.Err)
	l.optional("login_id", e.LoginID)
}

// visibleTrace is t with all that came from others as visible text.
func visibleTrace(t policy.Trace) policy.Trace {
	t.DuoUser, t.DuoMessage = display.Visible(t.DuoUser), display.Visible(t.DuoMessage)
	for i := range t.Steps {
		s := &t.Steps[i]
		s.Asked, s.Answer = display.Visible(s.Asked), display.Visible(s.Answer)
	}
	return t
}

// attrs are the line of a login for slog.
func (e *Event) attrs() []slog.Attr {
	l := line{form: asAttrs}
	e.writeTo(&l)
	return l.attrs
}

// outcomes counts how logins ended. A login that failed open, or was not sent an answer, is in it like any other.
type outcomes struct {
	mu       sync.Mutex // guards byReason
	byReason map[policy.Reason]uint64
}

func (o *outcomes) add(why policy.Reason) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.byReason == nil {
		o.byReason = make(map[policy.Reason]uint64)
	}
	o.byReason[why]++
}

// Outcomes returns how many logins ended for each reason since the start.
func (s *Server) Outcomes() map[policy.Reason]uint64 {
	s.outcomes.mu.Lock()
	defer s.outcomes.mu.Unlock()
	return maps.Clone(s.outcomes.byReason)
}
