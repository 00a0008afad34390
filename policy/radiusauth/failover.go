package radiusauth

import (
	"context"
	"fmt"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/failover"
	"duoradiusd/radiusd/wire"
)

// avoidFor is how long a server that did not answer is asked only after all others.
const avoidFor = time.Minute

func (u *Upstream) newGroup() *failover.Group {
	return failover.New(failover.Config{
		Servers: u.config.Servers, Timeout: u.config.Timeout, Avoid: avoidFor, OnHealth: u.config.OnHealth,
		// A request that was sent only once may simply be lost.
		Patience: min(u.config.Timeout, initialWait),
	})
}

// askAll asks one server after the other until one answers, and records in t which one did. The answer to a challenge goes
// only to the server that sent the challenge.
func (u *Upstream) askAll(ctx context.Context, r policy.FirstRequest, t *conversation) (got reply, err error) {
	only := failover.Any
	if t.server != "" {
		if only = u.find(t.server); only < 0 {
			return reply{}, fmt.Errorf("a State of %s, which is no longer among servers", t.server)
		}
	}
	err = u.group.Each(ctx, only, func(ctx context.Context, turn *failover.Turn) (done bool, err error) {
		got, done, err = u.ask(ctx, turn, r, t)
		return done, err
	})
	return got, err
}

// ask asks one server. done is false if it did not answer.
func (u *Upstream) ask(ctx context.Context, turn *failover.Turn, r policy.FirstRequest, t *conversation) (got reply, done bool, err error) {
	b, err := u.request(r, t.state)
	if err != nil {
		return reply{}, true, err
	}
	s := u.servers[turn.Server]
	begun := time.Now()
	addr := t.addr
	if t.server == "" {
		addr, err = s.resolve(ctx)
	}
	var raw []byte
	if err == nil {
		raw, err = s.exchange(ctx, addr, b, turn.More)
	}
	if err != nil {
		turn.OnBlame = func() { s.wasSilent(addr) }
		return reply{}, false, fmt.Errorf("ask %s for %v: %w", s.name, time.Since(begun).Round(time.Millisecond), err)
	}
	t.server, t.addr = s.name, addr
	return parseReply(raw, [16]byte(b[4:wire.HeaderLength])), true, nil
}
