package duo

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"duoradiusd/policy"
)

const (
	maxBody     = 1 << 20 // octets of an answer; real ones have a few hundred
	firstDelay  = time.Second
	longestWait = 32 * time.Second // what Duo's own clients wait at most
)

// answer is what came back, whole.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// call makes one API call, signed by Duo's SDK, and returns what is in the answer. It repeats only what Duo refused with 429,
// each time signed anew, as long as ctx allows the wait that Duo asks for.
func call[T any](c *Client, x exchange, method, path string, params url.Values) (*T, error) {
	ctx := x.ctx
	x.pool, x.poll = c.pool, path == pollPath
	for try := 0; ; try++ {
		a, err := c.ask(&x, method, path, params)
		if err != nil {
			return nil, broken(ctx, path, explainTrust(err, c.config.Trusts), x.wire)
		}
		delay, again := a.repeat(ctx, try)
		if !again {
			return decode[T](path, a)
		}
		if !sleep(ctx, delay) {
			return nil, broken(ctx, path, context.Cause(ctx), x.wire)
		}
	}
}

// ask makes one request by the SDK.
func (c *Client) ask(x *exchange, method, path string, params url.Values) (*answer, error) {
	api := *c.api // SetCustomHTTPClient changes its receiver
	api.SetCustomHTTPClient(&http.Client{Transport: x, CheckRedirect: followNone})
	signed := api.SignedCall
	if path == pingPath { // the only unsigned one
		signed = api.Call
	}
	x.answer = nil
	_, _, err := signed(method, path, params)
	if x.answer != nil {
		return x.answer, nil
	}
	if atURL, ok := errors.AsType[*url.Error](err); ok { // its text has the URL, and a poll's has the transaction
		err = atURL.Err
	}
	return nil, err
}

// followNone: a redirect is an answer like any other. What is signed for Duo goes nowhere else.
func followNone(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// exchange carries one call's requests from the SDK, which knows no context, to the pool. It is used by one goroutine.
type exchange struct {
	ctx  context.Context
	pool *pool
	poll bool
	own  bool          // over a connection of its own
	wire time.Duration // how long the call had a connection, or one that was being made

	answer *answer // to the last request; nil = none
}

// errLimited is a 429: as an error it ends the SDK's own repetition, which would send an empty body.
var errLimited = errors.New("429")

// RoundTrip implements http.RoundTripper.
func (x *exchange) RoundTrip(r *http.Request) (*http.Response, error) {
	var params []byte
	if r.Body != nil {
		defer r.Body.Close()
		var err error
		if params, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	do := x.pool.do
	if x.own {
		do = x.pool.alone
	}
	a, err := do(x, r, params)
	if err != nil {
		return nil, err
	}
	x.answer = a
	if a.status == http.StatusTooManyRequests {
		return nil, errLimited
	}
	return &http.Response{StatusCode: a.status, Header: a.header, Body: io.NopCloser(bytes.NewReader(a.body)), Request: r}, nil
}

// repeat says whether to make the call again, and when: after a 429, where ctx and reason allow the wait.
func (a *answer) repeat(ctx context.Context, try int) (time.Duration, bool) {
	if a.status != http.StatusTooManyRequests {
		return 0, false
	}
	delay := a.wait(time.Now(), try)
	if delay > longestWait { // nothing can be added to a date at the end of time
		return 0, false
	}
	delay += jitter()
	deadline, bounded := ctx.Deadline()
	return delay, !bounded || time.Until(deadline) > delay
}

// wait is how long to wait before the try-th repetition: what Duo says, in seconds or as a date, but never less than a
// second; else 1 s doubled each time.
func (a *answer) wait(now time.Time, try int) time.Duration {
	for _, name := range []string{"Retry-After", "X-Retry-After"} {
		value := a.header.Get(name)
		if seconds, err := strconv.Atoi(value); err == nil {
			return max(time.Duration(min(seconds, 3600))*time.Second, firstDelay)
		}
		if at, err := http.ParseTime(value); err == nil {
			return max(at.Sub(now), firstDelay)
		}
	}
	return firstDelay << min(try, 6) // the last of them is more than longestWait
}

// jitter keeps those who were refused together from coming again together.
func jitter() time.Duration {
	var b [1]byte
	rand.Read(b[:])
	return time.Duration(b[0]) * time.Millisecond
}

// sleep waits for d and reports false when ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	if ctx.Err() != nil || d <= 0 {
		return ctx.Err() == nil
	}
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// envelope is what every answer comes in.
type envelope[T any] struct {
	Stat     string          `json:"stat"`
	Response *T              `json:"response"`
	Code     json.RawMessage `json:"code"` // a number; a string in odd cases
	Message  string          `json:"message"`
	Detail   string          `json:"message_detail"`
}

// decode reads an answer and judges it: HTTP status first, then stat, then what is in it. Fields that nobody asks for are
// passed over.
func decode[T any](path string, a *answer) (*T, error) {
	var got envelope[T]
	err := json.Unmarshal(a.body, &got)
	if a.status == http.StatusOK && err == nil && got.Stat == "OK" && got.Response != nil {
		return got.Response, nil
	}
	e := &Error{Path: path, Status: a.status, Message: got.Message, Detail: got.Detail}
	e.Code, _ = strconv.Atoi(strings.Trim(string(got.Code), `"`))
	if e.Code == badTimestamp {
		e.Err = clockError(a.header.Get("Date"))
	}
	switch {
	case a.status >= 500:
		e.kind = policy.ErrUnavailable
	case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
		e.kind = policy.ErrMisconfigured
	case a.status >= 400:
		e.kind = policy.ErrRefused
	case a.status != http.StatusOK:
		e.Err = errors.New("not an answer of the Auth API")
	case err != nil:
		e.Err = malformed(err)
	case got.Stat != "OK":
		e.Err = fmt.Errorf("stat %.20q", got.Stat)
	default:
		e.Err = errors.New("no response in the answer")
	}
	return nil, e
}

// malformed words an error of encoding/json without the names of our types.
func malformed(err error) error {
	if other, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s in place of %s", other.Value, cmp.Or(other.Field, "an object"))
	}
	return err
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
