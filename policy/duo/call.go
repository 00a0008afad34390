package duo

import (
	"bytes"
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
)

const (
	maxBody     = 1 << 20 // octets of an answer; real ones have a few hundred
	firstDelay  = time.Second
	longestWait = 32 * time.Second // what Duo's own clients wait at most
)

// params are a call's parameters, built anew for each try: the SDK sorts them in place.
type params map[string]string

func (p params) values() url.Values {
	v := make(url.Values, len(p))
	for key, value := range p {
		if value != "" {
			v.Set(key, value)
		}
	}
	return v
}

// call makes one API call and decodes the answer into out. It repeats only what Duo refused with 429, each time signed
// anew, as long as ctx allows the wait that Duo asks for.
func (c *Client) call(ctx context.Context, method, path string, p params, out any) error {
	for try := 0; ; try++ {
		err := c.once(ctx, method, path, p, out)
		var limited *rateLimited
		if !errors.As(err, &limited) {
			return err
		}
		delay := limited.wait(time.Now(), try)
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= delay || delay > longestWait {
			return decode(path, limited.resp, limited.body, out)
		}
		if !sleep(ctx, delay+jitter()) {
			return unanswered(ctx, path, context.Cause(ctx))
		}
	}
}

// insist is call for what does no harm when Duo hears it twice: it asks again when the connection broke before anything
// came back. One broken connection is no outage.
func (c *Client) insist(ctx context.Context, method, path string, p params, out any) error {
	err := c.call(ctx, method, path, p, out)
	if noReply(err) && ctx.Err() == nil {
		err = c.call(ctx, method, path, p, out)
	}
	return err
}

func (c *Client) once(ctx context.Context, method, path string, p params, out any) error {
	sdk := *c.base
	sdk.SetCustomHTTPClient(&http.Client{
		Transport:     callTransport{ctx, c.address, c.lanes},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	})
	send := sdk.SignedCall
	if path == "/auth/v2/ping" {
		send = sdk.Call // the only unsigned one
	}
	resp, body, err := send(method, path, p.values())
	var limited *rateLimited
	switch {
	case errors.As(err, &limited):
		return limited
	case err != nil:
		return unanswered(ctx, path, withoutURL(err))
	}
	return decode(path, resp, body, out)
}

// unanswered is the error of a call that broke: Duo can't be asked, unless the caller has given up or Duo has said
// more than it ever does.
func unanswered(ctx context.Context, path string, err error) error {
	var tooLong *http.MaxBytesError
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return &Error{Path: path, Err: context.Cause(ctx), kind: unknown}
	case errors.As(err, &tooLong):
		return &Error{Path: path, Err: fmt.Errorf("the answer is longer than %d octets", tooLong.Limit), kind: unknown}
	}
	return &Error{Path: path, Err: err, kind: unreachable}
}

// envelope is what every answer comes in.
type envelope struct {
	Stat     string          `json:"stat"`
	Response json.RawMessage `json:"response"`
	Code     json.RawMessage `json:"code"` // a number; a string in odd cases
	Message  string          `json:"message"`
	Detail   string          `json:"message_detail"`
}

// decode judges an answer: HTTP status first, then stat, then the response.
func decode(path string, resp *http.Response, body []byte, out any) error {
	status := resp.StatusCode
	e := &Error{Path: path, Status: status}
	var env envelope
	jsonErr := json.Unmarshal(body, &env)
	if jsonErr == nil {
		e.Code, _ = strconv.Atoi(strings.Trim(string(env.Code), `"`))
		e.Message, e.Detail = env.Message, env.Detail
	}
	if e.Code == badTimestamp {
		e.Err = clockError(resp.Header.Get("Date"))
	}
	switch {
	case status >= 500:
		e.kind = unreachable
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		e.kind = misconfigured
	case status >= 400:
		e.kind = refused
	case status != http.StatusOK:
		e.kind, e.Err = unknown, errors.New("not an answer of the Auth API")
	case jsonErr != nil:
		e.kind, e.Err = unknown, jsonErr
	case env.Stat != "OK":
		e.kind, e.Err = unknown, fmt.Errorf("stat %.20q", env.Stat)
	default:
		if err := json.Unmarshal(env.Response, out); err != nil {
			e.kind, e.Err = unknown, err
			return e
		}
		return nil
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

// callTransport lives for one call. It binds the call's context, gives the body a length (the SDK sends it chunked and
// once only), and makes a 429 an error so that the SDK's own retry, which would send an empty body, never runs.
type callTransport struct {
	ctx     context.Context
	address string
	base    http.RoundTripper
}

func (t callTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	out := req.Clone(t.ctx)
	out.URL.Host = t.address // out.Host stays the name alone
	if req.Body != nil {
		b, err := io.ReadAll(req.Body)
		req.Body.Close()
		if err != nil {
			return nil, err
		}
		out.ContentLength = int64(len(b))
		// With GetBody the transport repeats a request by itself, but only one of which nothing was written or which
		// the server says it has not looked at (HTTP/2: REFUSED_STREAM, GOAWAY).
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
		out.Body, _ = out.GetBody()
	}
	resp, err := t.base.RoundTrip(out)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusTooManyRequests {
		defer resp.Body.Close()
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 4096)) // to the end, so that the connection can be used again
		return nil, &rateLimited{resp, body}
	}
	resp.Body = http.MaxBytesReader(nil, resp.Body, maxBody)
	return resp, nil
}

// rateLimited is Duo's 429.
type rateLimited struct {
	resp *http.Response
	body []byte
}

func (*rateLimited) Error() string { return "429 Too Many Requests" }

// wait is how long to wait before the try-th repetition: what Duo says, in seconds or as a date, but never less than a
// second; else 1 s doubled each time.
func (r *rateLimited) wait(now time.Time, try int) time.Duration {
	for _, name := range []string{"Retry-After", "X-Retry-After"} {
		value := r.resp.Header.Get(name)
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

// withoutURL drops the URL that net/http writes into its errors: of auth_status it holds the transaction.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// sleep waits for d and reports false when ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	if ctx.Err() != nil || d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
