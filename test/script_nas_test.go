package test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"duoradiusd/test/nas"
)

// sent is one Access-Request, with its own socket.
type sent struct {
	socket  *nas.NAS
	request *nas.Request
	typed   string // password
	at      time.Time
	least   time.Duration // how long the reply took
	early   chan arrival  // of the reply, which is read as soon as it comes; nil if least is 0
	reply   *nas.Response // nil while there is none
}

type arrival struct {
	b   []byte
	err error
	at  time.Time
}

// want is what the command expects after "->".
type want struct {
	given   bool
	code    string
	message string
}

func (w want) holds(r *nas.Response) bool {
	return !w.given || w.code == codeName(r) && w.message == oneLine(r.ReplyMessage())
}

func codeName(r *nas.Response) string {
	name, _, _ := strings.Cut(r.String(), ` "`)
	return name
}

// expectation splits "-> CODE TEXT" off.
func (s *stage) expectation(args []string) (rest []string, w want) {
	at := slices.Index(args, "->")
	if at < 0 {
		return args, want{}
	}
	rest, right := args[:at], args[at+1:]
	s.only(false, right, 1, 2)
	return rest, want{true, right[0], strings.Join(right[1:], "")}
}

// manner holds the options of a command of nas.
type manner struct {
	name    string        // which request reply, resend and silence are about; "" means the last
	least   time.Duration // the shortest time from sending to the reply, for login and send
	timeout time.Duration // the longest such time
	until   func() bool   // log in again and again until this holds; nil means once
	dialog  bool          // the login has a State
	options []option
}

// manner reads the options:
//
//	-secret S  -ip ADDRESS|none  -from 127.0.0.2  -ma first|last|none|wrong  -state S  -proxy-state S (also twice)
//	-nas-identifier NAME  -method chap|mschap|eap  -as NAME  -least 1s  -timeout 2s  -until-pushes N  -until-log REGEXP
func (s *stage) manner(args []string) (m manner, rest []string) {
	m = manner{timeout: patience}
	for len(args) > 0 && strings.HasPrefix(args[0], "-") && args[0] != "->" {
		s.only(false, args, 2, 99)
		flag, value := args[0], args[1]
		args = args[2:]
		switch flag {
		case "-secret":
			m.options = append(m.options, withSecret(value))
		case "-ip":
			m.options = append(m.options, withUserIP(strings.TrimPrefix(value, "none")))
		case "-from":
			m.options = append(m.options, fromAddr(value))
		case "-ma":
			m.options = append(m.options, withMA(placements[value]))
		case "-state":
			m.dialog = true
			m.options = append(m.options, with(func(r *nas.Request) { r.State([]byte(value)) }))
		case "-proxy-state":
			m.options = append(m.options, with(func(r *nas.Request) { r.ProxyState(value) }))
		case "-nas-identifier":
			m.options = append(m.options, with(func(r *nas.Request) { r.AddString(nas.NASIdentifier, value) }))
		case "-method":
			m.options = append(m.options, with(methods[value]))
		case "-as":
			m.name = value
		case "-least":
			m.least = s.duration(value)
		case "-timeout":
			m.timeout = s.duration(value)
		case "-until-pushes":
			m.until = func() bool { return s.duo.Pushes() >= s.number(value) }
		case "-until-log":
			fits := s.fits([]string{value})
			m.until = func() bool { return slices.ContainsFunc(s.running().Log(), fits) }
		default:
			s.Fatalf("nas: %s: no such option", flag)
		}
	}
	return m, args
}

var placements = map[string]nas.Placement{"first": nas.First, "last": nas.Last, "none": nas.None, "wrong": nas.Wrong}

var methods = map[string]func(*nas.Request){
	"chap":   func(r *nas.Request) { r.CHAP(typedIn(r)) },
	"mschap": proveByMSCHAPv2,
	"eap":    func(r *nas.Request) { r.EAP(nas.EAPIdentity(1, "alice")) },
}

// nasCommand is a RADIUS client:
//
//	login USER PASSWORD -> ...   sends and waits for the reply
//	send USER PASSWORD           sends only
//	reply -> ...                 waits for the reply to what was sent last, or -as NAME
//	resend                       sends the same octets from the same port; once there was a reply, it must come again
//	retry                        gives up what was sent and asks anew: same port, same Identifier, another Authenticator
//	silence                      nothing has come, beside what has been read
//	apart                        from here on each login without -ip has an address of its own, so that the daemon takes none
//	                             for a repetition of another; one with a State has that of the login before
//
// A reply is printed, an attribute a line, as script_show_test.go has it; the State of a challenge is put into $STATE.
func (s *stage) nasCommand(not bool, args []string) {
	s.only(not, args, 1, 99)
	args, w := s.expectation(args)
	what := args[0]
	m, args := s.manner(args[1:])
	switch what {
	case "apart":
		s.only(not, args, 0, 0)
		s.apart = 1
	case "login":
		s.only(not, args, 2, 2)
		if s.apart > 0 {
			m.options = append([]option{s.ownAddress(m.dialog)}, m.options...)
		}
		s.login(m, args[0], args[1], w)
	case "send":
		s.only(not, args, 2, 2)
		s.send(m, args[0], args[1])
	case "reply":
		s.only(not, args, 0, 0)
		s.reply(m, w)
	case "resend":
		s.only(not, args, 0, 0)
		s.resend(m)
	case "retry":
		s.only(not, args, 0, 0)
		s.retry(m)
	case "silence":
		s.only(not, args, 0, 0)
		// The reply to the Status-Server means that the daemon has read all earlier requests, and what it sent has arrived.
		if err := s.find(m).socket.Silence(50 * time.Millisecond); err != nil {
			s.Fatal(err)
		}
	default:
		s.Fatalf("nas %s: no such command", what)
	}
}

func (s *stage) ownAddress(same bool) option {
	if !same {
		s.apart++
	}
	return withUserIP(fmt.Sprintf("198.51.100.%d", s.apart))
}

func (s *stage) login(m manner, user, password string, w want) {
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		s.send(m, user, password)
		s.reply(m, w)
		if m.until == nil || m.until() {
			return
		}
		if time.Now().After(end) {
			s.Fatalf("what was waited for did not come")
		}
	}
}

func (s *stage) send(m manner, user, password string) {
	d := s.running()
	d.forbidTyped(password)
	a := newAttempt(m.options)
	d.forbid(a.secret)
	socket, err := a.dial(d)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { socket.Close() })
	s.last = cmp.Or(m.name, "request")
	s.sent[s.last] = &sent{socket: socket, request: a.request(user, password), typed: password, least: m.least}
	s.sendOff(s.sent[s.last])
	s.sent[s.last].watch(m.timeout)
}

// watch notes when the reply comes, if the time matters.
func (out *sent) watch(limit time.Duration) {
	if out.least == 0 {
		return
	}
	early := make(chan arrival, 1)
	out.early = early
	go func() {
		b, err := out.socket.Receive(limit) // ends when the socket is closed
		early <- arrival{b, err, time.Now()}
	}()
}

// receive waits for a datagram, which must not have come too early.
func (out *sent) receive(limit time.Duration) ([]byte, error) {
	if out.early == nil {
		return out.socket.Receive(time.Until(out.at.Add(limit)))
	}
	a := <-out.early
	out.early = nil
	if took := a.at.Sub(out.at); a.err == nil && took < out.least {
		return nil, fmt.Errorf("a reply after %v", took)
	}
	return a.b, a.err
}

func (s *stage) sendOff(out *sent) {
	out.at = time.Now()
	if err := out.socket.Send(out.request.Bytes()); err != nil {
		s.Fatal(err)
	}
}

func (s *stage) retry(m manner) {
	out := s.find(m)
	out.reply = nil
	out.request.Authenticator = [16]byte{}
	s.sendOff(out)
}

func (s *stage) find(m manner) *sent {
	out := s.sent[cmp.Or(m.name, s.last)]
	if out == nil {
		s.Fatalf("nothing was sent as %q", m.name)
	}
	return out
}

func (s *stage) reply(m manner, w want) {
	out := s.find(m)
	b, err := out.receive(m.timeout)
	if err == nil {
		out.reply, err = out.request.Verify(b)
	}
	if err != nil {
		s.Fatal(err)
	}
	s.daemon.forbidState(out.reply)
	s.show(out)
	if state := out.reply.State(); state != nil {
		s.ts.Setenv("STATE", string(state))
	}
	if !w.holds(out.reply) {
		s.Fatalf("got  -> %s '%s'", codeName(out.reply), oneLine(out.reply.ReplyMessage()))
	}
}

func (s *stage) resend(m manner) {
	out := s.find(m)
	s.sendOff(out)
	if out.reply == nil {
		return
	}
	b, err := out.socket.Receive(m.timeout)
	switch {
	case err != nil:
		s.Fatal(err)
	case !bytes.Equal(b, out.reply.Raw):
		s.Fatalf("got  % x\nwant % x", b, out.reply.Raw)
	}
}

// statusCommand sends a Status-Server (RFC 5997). When its answer comes, every request before it has been read.
//
//	status -> Access-Accept
//	status -> silence         no answer, though the daemon has read it
//	status until-gone         repeats it until nothing reads any more
func (s *stage) statusCommand(not bool, args []string) {
	args, w := s.expectation(args)
	untilGone := slices.Equal(args, []string{"until-gone"})
	if untilGone {
		args = nil
	}
	m, rest := s.manner(args)
	s.only(not, rest, 0, 0)
	a := newAttempt(m.options)
	switch {
	case untilGone:
		s.untilGone(a)
	case w.code == "silence":
		s.statusUnanswered(a)
	default:
		r, err := s.status(a, patience)
		if err != nil {
			s.Fatal(err)
		}
		s.show(&sent{reply: r})
		if !w.holds(r) {
			s.Fatalf("got  -> %s '%s'", codeName(r), oneLine(r.ReplyMessage()))
		}
	}
}

func (s *stage) untilGone(a *attempt) {
	for {
		_, err := s.status(a, time.Second)
		if errors.Is(err, context.DeadlineExceeded) {
			return
		}
		if err != nil {
			s.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond) // at a shorter interval, silence would only mean that the test asks too often
	}
}

// statusUnanswered sends a Status-Server and then a login that is rejected at once. The daemon answers in the order in
// which it reads, so the reject shows that it has read the Status-Server.
func (s *stage) statusUnanswered(a *attempt) {
	n, err := a.dial(s.running())
	if err != nil {
		s.Fatal(err)
	}
	defer n.Close()
	if err := n.Send(a.status().Bytes()); err != nil {
		s.Fatal(err)
	}
	login(s, s.daemon, "alice", "", with(methods["chap"]))
	if err := n.Silence(20 * time.Millisecond); err != nil {
		s.Fatal(err)
	}
}

func (s *stage) status(a *attempt, limit time.Duration) (*nas.Response, error) {
	ctx, cancel := context.WithTimeout(s.Context(), limit)
	defer cancel()
	n, err := a.dial(s.running())
	if err != nil {
		return nil, err
	}
	defer n.Close()
	return n.Exchange(ctx, a.status(), nas.Retransmit{})
}
