package radiusauth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

const (
	lookupInterval = 30 * time.Second
	lookupRetry    = time.Second // the shortest pause between two lookups after a failure
	lookupTimeout  = 5 * time.Second
)

// resolution is the address of a server and the state of its lookups. A server that is configured by its address is never
// looked up.
type resolution struct {
	addr       netip.AddrPort
	err        error     // the error of the last lookup
	lastLookup time.Time // when the last lookup ended
	nextLookup time.Time // when to look again
	avoid      netip.Addr
	running    chan struct{} // closed when the current lookup is done; nil means that none is running
}

// resolve returns a server's address. It waits for the name service only if no address is known yet.
func (s *server) resolve(ctx context.Context) (netip.AddrPort, error) {
	s.mu.Lock()
	s.startLookup()
	addr, err, looking := s.resolution.addr, s.resolution.err, s.resolution.running
	s.mu.Unlock()
	if !addr.IsValid() && looking != nil {
		select {
		case <-looking:
		case <-ctx.Done():
			return addr, fmt.Errorf("look up %s: %w", s.host, context.Cause(ctx))
		}
		s.mu.Lock()
		addr, err = s.resolution.addr, s.resolution.err
		s.mu.Unlock()
	}
	if !addr.IsValid() {
		return addr, fmt.Errorf("look up %s: %w", s.host, err)
	}
	return addr, nil
}

// startLookup starts a lookup of the server's name if one is due. The caller holds mu.
func (s *server) startLookup() {
	p := &s.resolution
	if s.host == "" || s.closed || p.running != nil || time.Now().Before(p.nextLookup) {
		return
	}
	p.running = make(chan struct{})
	s.upstream.readers.Go(s.lookup)
}

func (s *server) lookup() {
	ctx, cancel := context.WithTimeout(s.upstream.ctx, lookupTimeout)
	defer cancel()
	found, err := s.upstream.lookup(ctx, s.host)
	if err == nil && len(found) == 0 {
		err = errors.New("the name has no address")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &s.resolution
	defer func() {
		close(p.running)
		p.running = nil
	}()
	p.err, p.lastLookup = err, time.Now()
	if err != nil {
		p.nextLookup = p.lastLookup.Add(lookupRetry)
		return // an old address is better than none
	}
	p.nextLookup = p.lastLookup.Add(lookupInterval)
	s.setAddress(netip.AddrPortFrom(chooseAddress(found, p.addr.Addr(), p.avoid), s.port))
}

// chooseAddress keeps the current address as long as the name resolves to it, unless that address is to be avoided.
func chooseAddress(found []netip.Addr, current, avoid netip.Addr) netip.Addr {
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

// setAddress gives the server a new address, and clears the failures of the old one. The caller holds mu.
func (s *server) setAddress(addr netip.AddrPort) {
	if addr == s.resolution.addr {
		return
	}
	s.resolution.addr, s.resolution.avoid = addr, netip.Addr{}
	s.replaceSockets()
	s.upstream.group.Retry(s.number)
}

// avoidAddress starts a lookup for an address other than addr, which did not answer. The caller holds mu.
func (s *server) avoidAddress(addr netip.AddrPort) {
	if s.host == "" || addr != s.resolution.addr {
		return
	}
	s.resolution.avoid = addr.Addr()
	s.resolution.nextLookup = s.resolution.lastLookup.Add(lookupRetry)
	s.startLookup()
}
