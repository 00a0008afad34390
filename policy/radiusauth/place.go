package radiusauth

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

const (
	lookupEvery   = 30 * time.Second
	lookupAgain   = time.Second // the least between two, after a failure
	lookupTimeout = 5 * time.Second
)

// place is where a server is. A server that is given by its address has no name to look up.
type place struct {
	addr    netip.AddrPort
	err     error     // of the last lookup
	looked  time.Time // when
	next    time.Time // when to look again
	avoid   netip.Addr
	looking chan struct{} // closed when the lookup under way is done; nil: none is
}

// locate returns a server's address. It waits for the name service only where no address is known.
func (s *server) locate(ctx context.Context) (netip.AddrPort, error) {
	s.mu.Lock()
	s.look()
	addr, err, looking := s.place.addr, s.place.err, s.place.looking
	s.mu.Unlock()
	if !addr.IsValid() && looking != nil {
		select {
		case <-looking:
		case <-ctx.Done():
			return addr, fmt.Errorf("look up %s: %w", s.host, context.Cause(ctx))
		}
		s.mu.Lock()
		addr, err = s.place.addr, s.place.err
		s.mu.Unlock()
	}
	if !addr.IsValid() {
		return addr, fmt.Errorf("look up %s: %w", s.host, err)
	}
	return addr, nil
}

// look begins to look up the server's name where that is due. mu is held.
func (s *server) look() {
	p := &s.place
	if s.host == "" || s.closed || p.looking != nil || time.Now().Before(p.next) {
		return
	}
	p.looking = make(chan struct{})
	s.upstream.readers.Go(s.lookUp)
}

func (s *server) lookUp() {
	ctx, cancel := context.WithTimeout(s.upstream.ctx, lookupTimeout)
	defer cancel()
	found, err := s.upstream.lookup(ctx, s.host)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("no address")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &s.place
	defer func() {
		close(p.looking)
		p.looking = nil
	}()
	p.err, p.looked = err, time.Now()
	if err != nil {
		p.next = p.looked.Add(lookupAgain)
		return // an old address is better than none
	}
	p.next = p.looked.Add(lookupEvery)
	s.move(netip.AddrPortFrom(choose(found, p.addr.Addr(), p.avoid), s.port))
}

// choose stays with the address in use while the name has it, unless that one is to be avoided.
func choose(found []netip.Addr, current, avoid netip.Addr) netip.Addr {
	for i := range found {
		found[i] = found[i].Unmap()
	}
	if current != avoid && slices.Contains(found, current) {
		return current
	}
	for _, addr := range found {
		if addr != avoid {
			return addr
		}
	}
	return found[0]
}

// move takes a server's new address, of which nothing bad is known. mu is held.
func (s *server) move(addr netip.AddrPort) {
	if addr == s.place.addr {
		return
	}
	s.place.addr, s.place.avoid = addr, netip.Addr{}
	s.renew()
	s.health.until = time.Time{}
}

// mistrust looks for another address than the one that was silent. mu is held.
func (s *server) mistrust(addr netip.AddrPort) {
	if s.host == "" || addr != s.place.addr {
		return
	}
	s.place.avoid = addr.Addr()
	s.place.next = s.place.looked.Add(lookupAgain)
	s.look()
}
