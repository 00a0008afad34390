package duo

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"duoradiusd/policy"
)

// longPoll bounds one auth_status call. Duo answers a poll without news after about half a minute.
const longPoll = 45 * time.Second

// poll asks for a transaction's answer until there is one or the push timeout has passed. If a connection breaks, it asks about
// the same transaction over another one, because the phone still rings.
func (c *Client) poll(ctx context.Context, txid string) (policy.AuthResult, error) {
	end := time.Now().Add(c.config.PushTimeout)
	quick := 0 // polls in a row that came back at once
	for {
		asked := time.Now()
		out, err := c.pollOnce(ctx, txid, min(longPoll, time.Until(end)))
		switch {
		case err == nil && (out.Result == "allow" || out.Result == "deny"):
			out.Txid = txid
			return out.result(), nil
		case err == nil && out.Result != "waiting":
			return policy.AuthResult{Txid: txid}, unknownResult(pollPath, out.Result)
		case err != nil && ctx.Err() == nil && !pollAgain(err):
			return policy.AuthResult{Txid: txid}, err
		}
		switch {
		case limited(err):
			quick = slowestPoll
		case time.Since(asked) < time.Second:
			quick++
		default:
			quick = 0
		}
		if !sleep(ctx, min(pause(quick), time.Until(end))) || !time.Now().Before(end) {
			return timedOut(ctx, txid, err)
		}
	}
}

func (c *Client) pollOnce(ctx context.Context, txid string, limit time.Duration) (*status, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return call[status](c, exchange{ctx: ctx}, http.MethodGet, pollPath, url.Values{"txid": {txid}})
}

// slowestPoll is the number of quick polls after which the pause no longer grows.
const slowestPoll = 10

// pause returns the pause after a number of quick polls, so that they do not load Duo. There is none after the first three,
// because Duo has news at the start of a push.
func pause(quick int) time.Duration {
	if quick <= 3 {
		return 0
	}
	return min(50*time.Millisecond<<(min(quick, slowestPoll)-4), 2*time.Second)
}

// timedOut returns the result of a poll whose time is over: "timeout", or an error if Duo could not be asked until the end.
func timedOut(ctx context.Context, txid string, last error) (policy.AuthResult, error) {
	if err := ctx.Err(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return policy.AuthResult{Txid: txid}, err
	}
	if errors.Is(last, policy.ErrOverloaded) || errors.Is(last, policy.ErrUnavailable) && !errors.Is(last, context.DeadlineExceeded) {
		return policy.AuthResult{Txid: txid}, last
	}
	return policy.AuthResult{Txid: txid, Status: "timeout"}, nil
}

// pollAgain reports whether the transaction may still be answered after an error: there was no answer, Duo was not asked, or
// there was no news (a long poll without news may end with code 40002).
func pollAgain(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return errors.Is(err, policy.ErrUnavailable) || errors.Is(err, policy.ErrOverloaded) || errors.Is(err, policy.ErrCutShort) ||
		limited(err) || ok && e.Code == 40002
}

// limited reports whether err is a 429 whose delay was too long for call.
func limited(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Status == http.StatusTooManyRequests
}
