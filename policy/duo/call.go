package duo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

const (
	maxBody     = 1 << 20 // octets of an answer; real ones have a few hundred
	firstDelay  = time.Second
	longestWait = 32 * time.Second // what Duo's own clients wait at most
)

// The frames of call, and of all that is beneath it where a poll waits, are kept small, and what needs stack (to sign, to
// encode, to decode) has returned by then: each waiting push holds a stack that doubles with what it needs.

// call makes one API call. It repeats only what Duo refused with 429, each time signed anew, as long as ctx and its
// time allow the wait that Duo asks for.
func (c *Client) call(ctx context.Context, r *request) (*response, error) {
	for try := 0; ; try++ {
		c.sign(r)
		resp, err := c.lanes.do(ctx, r)
		if err != nil {
			return nil, unanswered(ctx, r.path, err)
		}
		delay, again := resp.repeat(ctx, r.until, try)
		if !again {
			return resp, nil
		}
		if !sleep(ctx, delay) {
			return nil, unanswered(ctx, r.path, context.Cause(ctx))
		}
	}
}

// request returns one that is given up after APITimeout.
func (c *Client) request(method, path string, p params) *request {
	return &request{method: method, path: path, params: p.encode(), host: c.host, agent: c.agent, until: time.Now().Add(c.config.APITimeout)}
}

func (c *Client) sign(r *request) {
	if r.path != pingPath { // the only unsigned one
		r.date, r.authorization = c.signer.sign(time.Now(), r.method, r.path, r.params)
	}
}

// insist is call for what does no harm when Duo hears it twice: it asks again when the connection broke before anything
// came back. One broken connection is no outage.
func (c *Client) insist(ctx context.Context, r *request) (*response, error) {
	resp, err := c.call(ctx, r)
	if noReply(err) && ctx.Err() == nil && time.Now().Before(r.until) {
		return c.call(ctx, r)
	}
	return resp, err
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

// repeat says whether to make the call again, and when: after a 429, where ctx, until and reason allow the wait.
func (r *response) repeat(ctx context.Context, until time.Time, try int) (time.Duration, bool) {
	if r.status != http.StatusTooManyRequests {
		return 0, false
	}
	delay := r.wait(time.Now(), try)
	if delay > longestWait { // as long as may be: nothing can be added to it
		return 0, false
	}
	delay += jitter()
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(until) {
		until = deadline
	}
	return delay, time.Until(until) > delay
}

// wait is how long to wait before the try-th repetition: what Duo says, in seconds or as a date, but never less than a
// second; else 1 s doubled each time.
func (r *response) wait(now time.Time, try int) time.Duration {
	for _, value := range r.retryAfter {
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
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
