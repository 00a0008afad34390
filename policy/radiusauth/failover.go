package radiusauth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"duoradiusd/policy"
)

// unanswered says why a server did not answer. The next server may be asked.
type unanswered struct{ error }

func (e unanswered) Unwrap() error { return e.error }

// candidates returns the servers to ask, in order. Servers that were silent lately come last. The answer to a challenge goes
// only to the server that sent the challenge.
func (u *Upstream) candidates(t conversation) ([]*server, error) {
	if t.server != "" {
		if s := u.find(t.server); s != nil {
			return []*server{s}, nil
		}
		return nil, fmt.Errorf("a State of %s, which is asked no more", t.server)
	}
	var first, last []*server
	now := time.Now()
	for _, s := range u.servers {
		if s.isDue(now, u.config.Timeout) {
			first = append(first, s)
		} else {
			last = append(last, s)
		}
	}
	return append(first, last...), nil
}

// askAll asks one server after the other until one answers, and notes in t which one did.
func (u *Upstream) askAll(ctx context.Context, servers []*server, r policy.FirstRequest, t *conversation) (reply, error) {
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

// ask asks one server. left counts the servers that are still to be asked, this one included.
func (u *Upstream) ask(ctx context.Context, s *server, r policy.FirstRequest, t *conversation, left int) (reply, error) {
	b, err := u.request(r, t.state)
	if err != nil {
		return reply{}, err
	}
	begun := time.Now()
	mine, cancel := context.WithTimeout(ctx, u.timeShare(ctx, left))
	defer cancel()
	addr := t.addr
	if t.server == "" {
		addr, err = s.resolve(mine)
	}
	var got []byte
	if err == nil {
		got, err = s.exchange(mine, addr, b, left > 1)
	}
	if err == nil {
		t.server, t.addr = s.name, addr
		return parseReply(got, [16]byte(b[4:headerLength])), nil
	}
	took := time.Since(begun)
	err = fmt.Errorf("ask %s for %v: %w", s.name, took.Round(time.Millisecond), err)
	// If the login ended before the server had its time, its silence says nothing about the server.
	if patient := took >= min(u.config.Timeout, initialWait); patient || ctx.Err() == nil && mine.Err() == nil {
		s.unanswered(addr, begun, err)
	}
	return reply{}, unanswered{err}
}

// timeShare is how long one server may take, so that the servers after it get their share of the login's time.
func (u *Upstream) timeShare(ctx context.Context, left int) time.Duration {
	end, ok := ctx.Deadline()
	if !ok {
		return u.config.Timeout
	}
	return min(u.config.Timeout, time.Until(end)/time.Duration(left))
}
