package radiusauth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"duoradiusd/policy"
)

// unanswered is why a server did not answer; the next may be asked.
type unanswered struct{ error }

func (e unanswered) Unwrap() error { return e.error }

// candidates returns the servers that may be asked, in that order: those that were silent lately come last. The answer to
// a challenge goes to the server that issued it.
func (u *Upstream) candidates(t ticket) ([]*server, error) {
	if t.server != "" {
		if s := u.find(t.server); s != nil {
			return []*server{s}, nil
		}
		return nil, fmt.Errorf("a State of %s, which is asked no more", t.server)
	}
	var first, last []*server
	now := time.Now()
	for _, s := range u.servers {
		if s.turn(now, u.config.Timeout) {
			first = append(first, s)
		} else {
			last = append(last, s)
		}
	}
	return append(first, last...), nil
}

// askAll asks one server after the other until one answers, and notes in t which did.
func (u *Upstream) askAll(ctx context.Context, servers []*server, r policy.FirstRequest, t *ticket) (reply, error) {
	var all error
	for i, s := range servers {
		got, err := u.ask(ctx, s, r, t, len(servers)-i)
		if _, silent := errors.AsType[unanswered](err); err == nil || !silent {
			return got, err
		}
		if i == 0 {
			all = err
		} else {
			all = fmt.Errorf("%w; %w", all, err)
		}
		if ctx.Err() != nil {
			return reply{}, fmt.Errorf("%w: %w", all, context.Cause(ctx))
		}
	}
	return reply{}, all
}

// ask asks one server, left being how many there are still to ask, itself among them.
func (u *Upstream) ask(ctx context.Context, s *server, r policy.FirstRequest, t *ticket, left int) (reply, error) {
	b, err := u.request(r, t.state)
	if err != nil {
		return reply{}, err
	}
	begun := time.Now()
	mine, cancel := context.WithTimeout(ctx, u.share(ctx, left))
	defer cancel()
	addr := t.addr
	if t.server == "" {
		addr, err = s.locate(mine)
	}
	var got []byte
	if err == nil {
		got, err = s.exchange(mine, addr, b, left > 1)
	}
	if err == nil {
		t.server, t.addr = s.name, addr
		return sort(got, [16]byte(b[4:headerLength])), nil
	}
	took := time.Since(begun)
	err = fmt.Errorf("ask %s for %v: %w", s.name, took.Round(time.Millisecond), err)
	// Where the login ended before the server had its time, nothing is known of the server.
	if patient := took >= min(u.config.Timeout, firstWait); patient || ctx.Err() == nil && mine.Err() == nil {
		s.silent(addr, begun, err)
	}
	return reply{}, unanswered{err}
}

// share is a server's part of the time that there is, so that those after it get theirs.
func (u *Upstream) share(ctx context.Context, left int) time.Duration {
	end, ok := ctx.Deadline()
	if !ok {
		return u.config.Timeout
	}
	return min(u.config.Timeout, time.Until(end)/time.Duration(left))
}
