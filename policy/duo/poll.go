package duo

import (
	"context"
	"errors"
	"net/http"
	"time"

	"duoradiusd/policy"
)

// longPoll bounds one auth_status call. Duo answers a poll without news after about half a minute.
const longPoll = 45 * time.Second

// polling is a wait for a transaction's answer.
type polling struct {
	*request
	end   time.Time // of the push timeout
	asked time.Time // last
	quick int       // polls in a row that came back at once
	last  error     // of the last poll

	over   bool
	result policy.AuthResult
	err    error
}

func (c *Client) newPolling(txid string) *polling {
	return &polling{
		request: c.request(http.MethodGet, pollPath, params{{"txid", txid}}),
		end:     time.Now().Add(c.config.PushTimeout),
		result:  policy.AuthResult{Txid: txid},
	}
}

// poll asks for the transaction's answer until there is one, or the push timeout has passed. Whatever happens to a
// connection, the same transaction is asked for again: it is the phone's, not the connection's.
//
// A waiting push holds the stack that leads here, and a stack is 4 KB only where the frames on it, policy's among them,
// come to less than 1.2 KB: so they are small from here down, and what needs room has returned before the wait.
func (c *Client) poll(ctx context.Context, p *polling) {
	for !p.over {
		p.next()
		resp, err := c.call(ctx, p.request)
		p.judge(ctx, resp, err)
		if !p.over && (!sleep(ctx, p.pause()) || !p.inTime()) {
			p.timedOut(ctx)
		}
	}
}

// next begins a poll.
func (p *polling) next() {
	p.asked = time.Now()
	p.until = p.asked.Add(longPoll)
	if p.end.Before(p.until) {
		p.until = p.end
	}
}

// judge says whether a poll has brought the transaction's end.
func (p *polling) judge(ctx context.Context, resp *response, err error) {
	var out status
	if err == nil {
		err = decode(pollPath, resp, into{status: &out})
	}
	switch {
	case err == nil && (out.Result == "allow" || out.Result == "deny"):
		txid := p.result.Txid
		p.result, p.over = out.result(), true
		p.result.Txid = txid
	case err == nil && out.Result != "waiting":
		p.err, p.over = unknownResult(pollPath, out.Result), true
	case err != nil && ctx.Err() == nil && !pollAgain(err):
		p.err, p.over = err, true
	}
	switch {
	case limited(err):
		p.quick = slowestPoll
	case time.Since(p.asked) < time.Second:
		p.quick++
	default:
		p.quick = 0
	}
	p.last = err
}

func (p *polling) inTime() bool { return time.Now().Before(p.end) }

// slowestPoll is the number of quick polls after which the pause between them grows no more.
const slowestPoll = 10

// pause keeps polls that come back at once from becoming a storm. The first few are free: Duo has news at the start.
func (p *polling) pause() time.Duration {
	if p.quick <= 3 {
		return 0
	}
	pause := min(50*time.Millisecond<<(min(p.quick, slowestPoll)-4), 2*time.Second)
	return min(pause, time.Until(p.end))
}

// timedOut tells the end of the push timeout, which is an answer of its own, from an outage that lasted until then.
func (p *polling) timedOut(ctx context.Context) {
	p.over = true
	if err := ctx.Err(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		p.err = err
		return
	}
	var e *Error
	if errors.As(p.last, &e) && e.kind == unreachable && !errors.Is(p.last, context.DeadlineExceeded) {
		p.err = p.last
		return
	}
	p.result.Status = "timeout"
}

// pollAgain tells the errors after which the transaction may still be answered: none came back, or the poll had no
// news (40002 is how an empty long poll ends).
func pollAgain(err error) bool {
	var e *Error
	return errors.Is(err, policy.ErrUnavailable) || limited(err) || errors.As(err, &e) && e.Code == 40002
}

// limited reports a 429 that call could not wait for.
func limited(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == http.StatusTooManyRequests
}
