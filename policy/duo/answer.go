package duo

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// answer is what every response comes in.
type answer[T any] struct {
	Stat     string          `json:"stat"`
	Response *T              `json:"response"`
	Code     json.RawMessage `json:"code"` // a number; a string in odd cases
	Message  string          `json:"message"`
	Detail   string          `json:"message_detail"`
}

// decode judges a response: HTTP status first, then stat, then what is in it.
func decode[T any](path string, r *response) (*T, error) {
	var got answer[T]
	err := json.Unmarshal(r.body, &got)
	e := &Error{Path: path, Status: r.status, Message: got.Message, Detail: got.Detail}
	if got.Code != nil {
		e.Code, _ = strconv.Atoi(strings.Trim(string(got.Code), `"`))
	}
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
		e.kind, e.Err = unknown, misfit(err)
	case got.Stat != "OK":
		e.kind, e.Err = unknown, fmt.Errorf("stat %.20q", got.Stat)
	case got.Response == nil:
		e.kind, e.Err = unknown, errors.New("no response in the answer")
	default:
		return got.Response, nil
	}
	return nil, e
}

// misfit says what is wrong with JSON in Duo's words, not in those of our types.
func misfit(err error) error {
	odd, ok := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case !ok:
		return err
	case odd.Field == "":
		return fmt.Errorf("%s in place of an object", odd.Value)
	}
	return fmt.Errorf("%s in place of %s", odd.Value, odd.Field)
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
