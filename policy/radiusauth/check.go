package radiusauth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"duoradiusd/radiusd/wire"
)

// ServerCheck is a server's answer to Status-Server.
type ServerCheck struct {
	Server string // as configured
	Addr   netip.AddrPort
	Took   time.Duration
	Err    error // nil means that the server answers and that the secret is right

	// Unclear says that the server may work in spite of Err. A server that does not know Status-Server stays silent, as
	// does a server that drops requests signed with a wrong secret.
	Unclear bool
}

// Check sends Status-Server (RFC 5997) to all servers at the same time and waits at most Config.Timeout. It rings no phone
// and counts as no login. A server that does not know Status-Server stays silent.
func (u *Upstream) Check(ctx context.Context) []ServerCheck {
	list := make([]ServerCheck, len(u.servers))
	if err := u.startRequest(); err != nil {
		for i, s := range u.servers {
			list[i] = ServerCheck{Server: s.name, Err: u.failed(err)}
		}
		return list
	}
	defer u.group.Flush()
	defer u.endRequest()
	ctx, cancel := context.WithTimeout(ctx, u.config.Timeout)
	defer cancel()
	var wg sync.WaitGroup
	for i, s := range u.servers {
		wg.Go(func() { list[i] = s.check(ctx) })
	}
	wg.Wait()
	return list
}

// check builds a new packet for each try, because a Status-Server must not be retransmitted unchanged (RFC 5997 §4.1).
func (s *server) check(ctx context.Context) (c ServerCheck) {
	c.Server = s.name
	begun := time.Now()
	c.Addr, c.Err = s.resolve(ctx)
	for c.Err == nil {
		b := wire.Append(newRequest(wire.StatusServer), wire.NASIdentifier, "duoradiusd")
		sent := time.Now()
		reply, err := s.exchange(ctx, c.Addr, b, true)
		switch {
		case err == nil && reply[0] == wire.AccessAccept:
			c.Took = time.Since(sent)
			return c
		case err == nil:
			c.Unclear = true
			err = errors.New("it answers, and the secret is right, but its answer to Status-Server is Access-Reject")
		case ctx.Err() == nil && errors.Is(err, errSilent):
			continue
		case err == errSilent:
			c.Unclear = true
			err = fmt.Errorf("%w to Status-Server, which not every server knows (RFC 5997)", err)
		}
		c.Err = err
	}
	c.Took = time.Since(begun)
	c.Err = s.upstream.failed(fmt.Errorf("check %s: %w", s.name, c.Err))
	return c
}
