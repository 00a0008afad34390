package duo

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// answer is what every response comes in.
type answer struct {
	stat    string
	given   bool   // there is a response
	code    string // as it is written: a number; a string in odd cases
	message string
	detail  string
}

// into is where a response goes: one of these.
type into struct {
	clock   *clock
	preauth *preauth
	status  *status
}

func (a *answer) read(c *cursor, to into) {
	o := c.object()
	for o.next() {
		o.text("stat", &a.stat)
		if o.is("response") {
			a.given = c.peek() != 'n'
			to.read(c)
		}
		if o.is("code") {
			a.code = c.value()
		}
		o.text("message", &a.message)
		o.text("message_detail", &a.detail)
	}
}

func (to into) read(c *cursor) {
	switch {
	case to.clock != nil:
		to.clock.read(c)
	case to.preauth != nil:
		to.preauth.read(c)
	case to.status != nil:
		to.status.read(c)
	}
}

// parse reads a whole body. Of one that is not JSON it keeps nothing.
func (a *answer) parse(body []byte, to into) error {
	c := cursor{text: string(body)}
	a.read(&c, to)
	if c.peek(); c.at < len(c.text) {
		c.invalid("after top-level value")
	}
	switch {
	case c.err != nil:
		*a = answer{}
		return c.err
	case c.odd != nil:
		return c.odd
	}
	return nil
}

// decode reads a response and judges it: HTTP status first, then stat, then what is in it. Where that is an error, what it
// was read into means nothing.
func decode(path string, r *response, to into) error {
	var got answer
	err := got.parse(r.body, to)
	if r.status == http.StatusOK && err == nil && got.stat == "OK" && got.given {
		return nil
	}
	return got.refusal(path, r, err)
}

// refusal is the error in a response.
func (a *answer) refusal(path string, r *response, err error) error {
	e := &Error{Path: path, Status: r.status, Message: a.message, Detail: a.detail}
	e.Code, _ = strconv.Atoi(strings.Trim(a.code, `"`))
	if e.Code == badTimestamp {
		e.Err = clockError(r.date)
	}
	switch {
	case r.status >= 500:
		e.kind = unreachable
	case r.status == http.StatusUnauthorized || r.status == http.StatusForbidden:
		e.kind = misconfigured
	case r.status >= 400:
		e.kind = refused
	case r.status != http.StatusOK:
		e.kind, e.Err = unknown, errors.New("not an answer of the Auth API")
	case err != nil:
		e.kind, e.Err = unknown, err
	case a.stat != "OK":
		e.kind, e.Err = unknown, fmt.Errorf("stat %.20q", a.stat)
	default:
		e.kind, e.Err = unknown, errors.New("no response in the answer")
	}
	return e
}

// clockError says how far this machine's clock is from the one that wrote date; nil when date is none.
func clockError(date string) error {
	at, err := http.ParseTime(date)
	if err != nil {
		return nil
	}
	off := time.Since(at.Add(time.Second / 2)).Round(time.Second) // at is cut down to the second
	if off < 0 {
		return fmt.Errorf("it is %v behind Duo's", -off)
	}
	return fmt.Errorf("it is %v ahead of Duo's", off)
}
