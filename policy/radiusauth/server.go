package radiusauth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// server is one upstream server.
type server struct {
	upstream *Upstream
	name     string // host:port, as configured
	host     string
	port     uint16

	requests, retransmissions, replies, silences atomic.Uint64
	discarded                                    [flaws]atomic.Uint64

	mu      sync.Mutex // guards all below
	place   place
	sockets []*socket // to the address in use
	closed  bool
	health  health
}

func (s *server) discard(why flaw) { s.discarded[why].Add(1) }

// join gives a call an Identifier of a socket to addr, a new one when all are taken.
func (s *server) join(addr netip.AddrPort, c *call) (*socket, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	for _, k := range s.sockets {
		if k.addr == addr && k.begin(c) {
			return k, nil
		}
	}
	conn, err := s.upstream.dial(addr)
	if err != nil {
		return nil, err
	}
	k := newSocket(s, addr, conn)
	k.begin(c)
	if addr == s.place.addr {
		s.sockets = append(s.sockets, k)
	} else {
		k.retire() // the server has moved since; this is for one that a State leads back
	}
	s.upstream.readers.Go(k.read)
	return k, nil
}

// drop is told that a socket reads no more.
func (s *server) drop(k *socket) {
	k.retire()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, other := range s.sockets {
		if other == k {
			s.sockets = append(s.sockets[:i:i], s.sockets[i+1:]...)
		}
	}
}

// renew makes new sockets for the requests from now on: the old ones may be bound to an address of ours that is gone. mu
// is held.
func (s *server) renew() {
	for _, k := range s.sockets {
		k.retire()
	}
	s.sockets = nil
}

func (s *server) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.renew()
}

// errSilent is in the error when nothing came that could be taken.
var errSilent = errors.New("no answer")

// exchange sends a packet to addr, again and again as RFC 5080 §2.2.1 has it, and returns the reply. It ends with ctx; and
// where moveOn is true, as soon as the system says that nobody is there: it may be wrong, or a forger, so that it does not
// end the wait where there is nobody else to ask.
func (s *server) exchange(ctx context.Context, addr netip.AddrPort, packet []byte, moveOn bool) ([]byte, error) {
	c := newCall(packet)
	k, err := s.join(addr, c)
	if err != nil {
		return nil, err
	}
	defer k.end(c)
	s.upstream.secret.seal(c.packet)
	s.requests.Add(1)
	k.send(c)
	times := schedule{rand: s.upstream.jitter}
	wait, _ := times.next()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	var nobody error
	for {
		select {
		case b := <-c.reply:
			s.replies.Add(1)
			return b, nil
		case nobody = <-c.unreachable:
			if moveOn {
				return nil, nobody
			}
		case <-ctx.Done():
			return nil, c.silence(nobody)
		case <-timer.C:
			if packet[0] == codeStatusServer {
				return nil, c.silence(nobody) // is not repeated as it is (RFC 5997 §4.1)
			}
			s.retransmissions.Add(1)
			k.send(c)
			if wait, again := times.next(); again {
				timer.Reset(wait)
			}
		}
	}
}

// silence says why nothing came, as far as is known.
func (c *call) silence(nobody error) error {
	switch why := flaw(c.flaw.Load()); {
	case why != sound:
		return fmt.Errorf("%w; there came %v", errSilent, why)
	case nobody != nil:
		return fmt.Errorf("%w: %w", errSilent, nobody)
	}
	return errSilent
}
