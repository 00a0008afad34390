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
	maxBody     = 1 << 20          // octets of an answer at most; real answers have a few hundred
	firstDelay  = time.Second      // first wait after a 429
	longestWait = 32 * time.Second // longest wait after a 429, as in Duo's own clients
)

// answer is a complete HTTP response.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// call makes one API call, signed by Duo's SDK, and returns the decoded answer. It repeats a call only after a 429, signed
// anew, and only if ctx lasts longer than the wait that Duo asks for.
func call[T any](c *Client, x exchange, method, path string, params url.Values) (*T, error) {
	ctx := x.ctx
	x.pool, x.poll = c.pool, path == pollPath
	for try := 0; ; try++ {
		a, err := c.ask(&x, method, path, params)
		if err != nil {
			return nil, broken(ctx, path, explainTrust(err, c.config.Trusts), x.wire)
		}
		if a.status < 500 && path != pingPath {
			c.health.hear()
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

// ask makes one request with the SDK.
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
	if atURL, ok := errors.AsType[*url.Error](err); ok { // drop the URL from the text: that of a poll holds the transaction
		err = atURL.Err
	}
	return nil, err
}

// followNone returns a redirect as the answer, so that no signed request goes to another host.
func followNone(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// exchange is the RoundTripper of one call. It adds the call's context to the SDK's requests. One goroutine uses it.
type exchange struct {
	ctx  context.Context
	pool *pool
	poll bool
	own  bool          // whether it uses a connection of its own in place of the pool's
	wire time.Duration // how long the call had a connection, including the time to make it

	answer *answer // of the last request; nil = none
}

// errLimited stands for a 429. An error ends the SDK's own repetition, which would send an empty body.
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

// repeat reports whether to repeat the call, and after which delay: after a 429, if ctx and longestWait allow the delay.
func (a *answer) repeat(ctx context.Context, try int) (time.Duration, bool) {
	if a.status != http.StatusTooManyRequests {
		return 0, false
	}
	delay := a.wait(time.Now(), try)
	if delay > longestWait { // checked before jitter is added, because delay may be the largest Duration
		return 0, false
	}
	delay += jitter()
	deadline, bounded := ctx.Deadline()
	return delay, !bounded || time.Until(deadline) > delay
}

// wait returns how long to wait before the try-th repetition. If Duo says so in seconds or as a date, it is that, but at least a
// second. Otherwise it is 1 s, doubled each time.
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
	return firstDelay << min(try, 6) // 64 s, which is more than longestWait
}

// jitter spreads the repetitions of calls that were refused at the same time.
func jitter() time.Duration {
	var b [1]byte
	rand.Read(b[:])
	return time.Duration(b[0]) * time.Millisecond
}

// sleep waits for d. It reports false if ctx ends first.
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

// envelope is the outer JSON object of every answer.
type envelope[T any] struct {
	Stat     string          `json:"stat"`
	Response *T              `json:"response"`
	Code     json.RawMessage `json:"code"` // a number; a string in odd cases
	Message  string          `json:"message"`
	Detail   string          `json:"message_detail"`
}

// decode returns the response in an answer, or an error. It checks HTTP status, stat and response; it ignores unknown fields.
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
		e.Err = errors.New("the answer is not one of the Auth API; is api_host right?")
	case err != nil:
		e.Err = malformed(err)
	case got.Stat != "OK":
		e.Err = fmt.Errorf("stat is %.20q; want OK", got.Stat)
	default:
		e.Err = errors.New("the answer has no response")
	}
	return nil, e
}

// malformed returns an error of encoding/json without the names of Go types.
func malformed(err error) error {
	if other, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s has the wrong JSON type: %s", cmp.Or(other.Field, "the answer"), other.Value)
	}
	return err
}

// clockError says how far this machine's clock is from Duo's, which wrote date; nil if date is no HTTP date.
func clockError(date string) error {
	at, err := http.ParseTime(date)
	if err != nil {
		return nil
	}
	off := time.Since(at.Add(time.Second / 2)).Round(time.Second) // at lacks the fraction of its second
	if off < 0 {
		return fmt.Errorf("it is %v behind Duo's", -off)
	}
	return fmt.Errorf("it is %v ahead of Duo's", off)
}
