package test

import (
	"context"
	"fmt"
	"strings"

	"duoradiusd/test/fakeduo"
)

// duoCommand is Duo, its users and their phones.
func (s *stage) duoCommand(not bool, args []string) {
	s.only(not, args, 1, 20)
	what, args := args[0], args[1:]
	if what == "start" {
		s.only(not, args, 0, 0)
		s.duo = startDuo(s)
		return
	}
	if s.duo == nil {
		s.Fatalf("no duo: duo start comes first")
	}
	switch what {
	case "user":
		s.only(not, args, 1, 20)
		s.duo.SetUser(s.user(args[0], args[1:]))
	case "inject":
		s.only(not, args, 2, 20)
		s.duo.Inject(apiPath(args[0]), s.fault(args[1:]))
	case "approve", "deny", "fraud":
		s.only(not, args, 1, 1)
		s.tap(args[0], taps[what])
	case "count", "await", "pushes", "passcode", "requests", "shown":
		s.lookAtDuo(not, what, args)
	default:
		s.weather(not, what, args)
	}
}

// weather sets how all of Duo behaves.
func (s *stage) weather(not bool, what string, args []string) {
	if what == "skew" {
		s.only(not, args, 1, 1)
		s.duo.Skew(s.duration(args[0]))
		return
	}
	s.only(not, args, 0, 0)
	switch what {
	case "down":
		s.duo.Down()
	case "up":
		if err := s.duo.Up(); err != nil {
			s.Fatal(err)
		}
	case "heal":
		s.duo.Heal()
	case "forget":
		s.duo.Forget()
	default:
		s.Fatalf("duo %s: no such command", what)
	}
}

// lookAtDuo asks what Duo remembers:
//
//	count PATH N       so many requests came for /auth/v2/PATH; "all" is every path
//	await PATH N       waits until so many came
//	pushes N           so often a phone rang
//	passcode USER VAR  puts the code that the user's app shows into a variable
//	requests PATH      prints those requests and their parameters
//	shown USER         prints the newest transaction of a user, as the phone shows it
func (s *stage) lookAtDuo(not bool, what string, args []string) {
	switch what {
	case "count":
		s.only(not, args, 2, 2)
		s.same(args[0]+" requests", s.duo.Count(apiPath(args[0])), s.number(args[1]))
	case "await":
		s.only(not, args, 2, 2)
		path, n := apiPath(args[0]), s.number(args[1])
		eventually(s, fmt.Sprint(n, " requests"), func() bool { return s.duo.Count(path) >= n })
	case "pushes":
		s.only(not, args, 1, 1)
		s.same("pushes", s.duo.Pushes(), s.number(args[0]))
	case "passcode":
		s.only(not, args, 2, 2)
		s.ts.Setenv(args[1], s.duo.Passcode(args[0]))
	case "requests":
		s.only(not, args, 1, 1)
		for _, r := range s.duo.Requests() {
			if path := apiPath(args[0]); path == "" || path == r.Path {
				s.print("%s %s\n", strings.TrimPrefix(r.Path, apiFolder), r.Params.Encode())
			}
		}
	case "shown":
		s.only(not, args, 1, 1)
		s.shown(args[0])
	}
}

func (s *stage) same(what string, got, want int) {
	if got != want {
		s.Fatalf("%s: got %d, want %d", what, got, want)
	}
}

func (s *stage) shown(user string) {
	var newest *fakeduo.Transaction
	for _, t := range s.duo.Transactions() {
		if t.Username == user {
			newest = &t
		}
	}
	if newest == nil {
		s.Fatalf("nothing was shown to %s", user)
	}
	s.print("%s to %s for %s\n", newest.Factor, newest.DeviceName, newest.DisplayUsername)
	for _, p := range newest.PushInfo {
		s.print("%s: %s\n", p.Key, p.Value)
	}
}

const apiFolder = "/auth/v2/"

func apiPath(name string) string {
	if name == "all" {
		return ""
	}
	return apiFolder + name
}

var taps = map[string]fakeduo.Tap{
	"approve": fakeduo.Approve, "deny": fakeduo.Deny, "fraud": fakeduo.Fraud, "ignore": fakeduo.Ignore, "ask": fakeduo.Ask,
}

// tap answers on the user's phone as soon as it rings.
func (s *stage) tap(user string, tap fakeduo.Tap) {
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	t, err := s.duo.AwaitPending(ctx, user)
	if err == nil {
		err = s.duo.Answer(t.Txid, tap)
	}
	if err != nil {
		s.Fatal(err)
	}
}

// pairs gives each KEY=VALUE to take, which reports whether it knows the key.
func (s *stage) pairs(args []string, take func(key, value string) bool) {
	for _, arg := range args {
		if key, value, _ := strings.Cut(arg, "="); !take(key, value) {
			s.Fatalf("%s: unknown", arg)
		}
	}
}

// user reads tap=, delay=, id=, aliases=, preauth=, message=, result=, status=, codes=, bypass=, phones= (how many),
// can= (of each), locked, verified.
func (s *stage) user(name string, args []string) fakeduo.User {
	u := fakeduo.User{Username: name}
	phones, can := 1, []string(nil)
	s.pairs(args, func(key, value string) bool {
		switch key {
		case "tap":
			u.Tap = taps[value]
		case "delay":
			u.Delay = s.duration(value)
		case "id":
			u.UserID = value
		case "aliases":
			u.Aliases = strings.Split(value, ",")
		case "preauth":
			u.Preauth = value
		case "message":
			u.PreauthMessage = value
		case "result":
			u.AuthResult = value
		case "status":
			u.AuthStatus = value
		case "codes":
			u.Passcodes = strings.Split(value, ",")
		case "bypass":
			u.BypassCodes = strings.Split(value, ",")
		case "phones":
			phones = s.number(value)
		case "can":
			can = strings.Split(value, ",")
		case "locked":
			u.LockedOut = true
		case "verified":
			u.VerifiedPush = true
		default:
			return false
		}
		return true
	})
	u.Devices = []fakeduo.Device{}
	for i := range phones {
		u.Devices = append(u.Devices, fakeduo.Device{
			Name: fmt.Sprintf("phone %d", i+1), Number: fmt.Sprintf("XXX-XXX-010%d", i), Capabilities: can,
		})
	}
	return u
}

// fault reads status=, code=, times= (-1: all), delay=, body=, retry-after=, trickle=, cut-before, cut-after, effect, hang.
func (s *stage) fault(args []string) (f fakeduo.Fault) {
	s.pairs(args, func(key, value string) bool {
		switch key {
		case "status":
			f.Status = s.number(value)
		case "code":
			f.Code = s.number(value)
		case "times":
			f.Times = s.number(value)
		case "delay":
			f.Delay = s.duration(value)
		case "body":
			f.Body = value
		case "retry-after":
			f.RetryAfter = value
		case "trickle":
			f.Trickle = s.duration(value)
		case "cut-before":
			f.CutBefore = true
		case "cut-after":
			f.CutAfter = true
		case "effect":
			f.Effect = true
		case "hang":
			f.Hang = true
		default:
			return false
		}
		return true
	})
	return f
}
