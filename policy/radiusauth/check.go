package radiusauth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// ServerCheck is what a server said to Status-Server.
type ServerCheck struct {
	Server string // as configured
	Addr   netip.AddrPort
	Took   time.Duration
	Err    error // nil: it answers, and the secret is right

	// Unclear says of an Err that the server may be well all the same: one that does not know Status-Server is silent, and
	// so is one that drops what a wrong secret signed.
	Unclear bool
}

// Check sends Status-Server to each server (RFC 5997), all at once, and waits for Config.Timeout at most. It rings no
// phone and counts as nobody's login. A server that does not know Status-Server is silent.
func (u *Upstream) Check(ctx context.Context) []ServerCheck {
	list := make([]ServerCheck, len(u.servers))
	if err := u.enter(); err != nil {
		for i, s := range u.servers {
			list[i] = ServerCheck{Server: s.name, Err: u.failed(err)}
		}
		return list
	}
	defer u.news.flush()
	defer u.leave()
	ctx, cancel := context.WithTimeout(ctx, u.config.Timeout)
	defer cancel()
	var wg sync.WaitGroup
	for i, s := range u.servers {
		wg.Go(func() { list[i] = s.check(ctx) })
	}
	wg.Wait()
	return list
}

// check asks with a new packet each time: a Status-Server is not repeated as it was (RFC 5997 §4.1).
func (s *server) check(ctx context.Context) (c ServerCheck) {
	c.Server = s.name
	begun := time.Now()
	c.Addr, c.Err = s.locate(ctx)
	for c.Err == nil {
		b := appendAttribute(begin(codeStatusServer), typeNASIdentifier, []byte("duoradiusd"))
		sent := time.Now()
		reply, err := s.exchange(ctx, c.Addr, b, true)
		switch {
		case err == nil && reply[0] == codeAccessAccept:
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
