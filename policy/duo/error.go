package duo

import (
	"errors"
	"fmt"
	"strings"

	"duoradiusd/policy"
)

type kind int

const (
	unknown       kind = iota // an answer that can't be understood
	unreachable               // no connection, no answer in time, or a 5xx: Duo can't be asked
	misconfigured             // 401, 403: wrong keys, wrong clock, wrong type of application
	refused                   // any other 4xx, and a 429 that lasts
)

// Error is a call that brought no answer to its question. It matches policy.ErrUnavailable, policy.ErrMisconfigured or
// policy.ErrRefused, or none of them.
type Error struct {
	Path    string
	Status  int    // HTTP; 0 when there was none
	Code    int    // Duo's, such as 40103; 0 when there was none
	Message string // Duo's words
	Detail  string
	Err     error

	kind kind
}

// Error never holds the parameters of the call: a passcode may be among them.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "duo: %s", e.Path)
	if e.Status != 0 {
		fmt.Fprintf(&b, ": %d", e.Status)
	}
	if e.Code != 0 {
		fmt.Fprintf(&b, " (%d)", e.Code)
	}
	for _, text := range []string{e.Message, e.Detail, e.hint()} {
		if text != "" {
			fmt.Fprintf(&b, ": %.200s", printable(text))
		}
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %s", printable(e.Err.Error()))
	}
	return b.String()
}

// Is matches policy's three kinds of "no answer".
func (e *Error) Is(target error) bool {
	switch e.kind {
	case unreachable:
		return target == policy.ErrUnavailable
	case misconfigured:
		return target == policy.ErrMisconfigured
	case refused:
		return target == policy.ErrRefused
	}
	return false
}

func (e *Error) Unwrap() error { return e.Err }

// noReply reports whether a call broke before anything came back.
func noReply(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.kind == unreachable && e.Status == 0
}

const badTimestamp = 40105

// hint says what an administrator can do about it (https://duo.com/docs/authapi, "Response format").
func (e *Error) hint() string {
	switch e.Code {
	case 40101, 40106:
		return "does a proxy change the headers of requests?"
	case 40102:
		return "is integration_key right?"
	case 40103:
		return "is secret_key right?"
	case 40104, badTimestamp:
		return "is this machine's clock right?"
	case 40301:
		return `these keys are of another type of application; create one of type "Auth API" or "Partner Auth API"`
	}
	if e.kind == misconfigured {
		return "are api_host, integration_key, secret_key and this machine's clock right?"
	}
	return ""
}

// printable keeps control characters, terminal escapes among them, out of logs and replies.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}
