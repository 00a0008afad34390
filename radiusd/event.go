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

// Event describes the end of one login, for the log and for Server.OnLogin. Its texts hold no characters that a terminal
// could take as a command.
type Event struct {
	Time       time.Time // of the answer
	Client     string
	ClientAddr netip.Addr
	User       string // the canonical name; if there is none, the name as sent
	Service    string
	UserIP     netip.Addr // invalid if the request does not hold it
	Code       string     // of the reply: Access-Accept, Access-Reject, Access-Challenge, none
	Reason     policy.Reason
	Factor     factor.Factor
	Txid       string
	Took       time.Duration // from the request to the answer
	FirstTook  time.Duration // the part of Took that the first factor needed
	DuoTook    time.Duration // the part of Took that Duo needed
	Err        string        // the error of a factor or of Duo; "" if there was none
	Hint       string        // what the administrator should check; "" if there is nothing to check
	Count      uint64        // if these log lines are limited: how many such events came since the last line; otherwise 0

	policy.Trace
}

// log counts the login, writes its log line, and calls OnLogin.
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
		e.Err = display.Visible(strings.ReplaceAll(fmt.Sprint(v.Err), "\n", "; ")) // joined errors are one line each
	}
	e.Trace = visibleTrace(v.Trace)
	if e.Hint = l.hint; e.Hint == "" {
		e.Hint = l.hintOf(v.Reason)
	}
	if e.Hint == "" && (e.level() > slog.LevelInfo || e.Reason == policy.ReasonNotEnrolled) {
		e.Hint = reasons.Cure(v.Reason)
	}
	if v.Reason == policy.ReasonRelayed && l.datagram.packet.eap.present() { // this is one of many rounds of one EAP login
		s.log().LogAttrs(context.Background(), slog.LevelDebug, "round", e.attrs()...)
		return
	}
	s.outcomes.add(v.Reason)
	due := true
	if v.Reason == policy.ReasonBadSecret && !l.datagram.authentic { // anybody can send many such requests
		e.Count = c.traffic.wrongSecret.add(l.datagram.received)
		due = e.Count > 0
	}
	if !due {
		// No line is due, but the login is counted and OnLogin is called.
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

// writeTo writes the fields of a login's log line. Their order is always the same.
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
		if refused { // for an accept the message says nothing new
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

// visibleTrace returns t with the texts from users and from Duo made safe to print.
func visibleTrace(t policy.Trace) policy.Trace {
	t.DuoUser, t.DuoMessage = display.Visible(t.DuoUser), display.Visible(t.DuoMessage)
	for i := range t.Steps {
		s := &t.Steps[i]
		s.Asked, s.Answer = display.Visible(s.Asked), display.Visible(s.Answer)
	}
	return t
}

// attrs returns the fields of a login's log line for slog.
func (e *Event) attrs() []slog.Attr {
	l := line{form: asAttrs}
	e.writeTo(&l)
	return l.attrs
}

// outcomes counts the ended logins by reason. It also counts logins that failed open and logins that got no answer.
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
