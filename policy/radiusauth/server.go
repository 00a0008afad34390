package radiusauth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"duoradiusd/radiusd/wire"
)

// server is one upstream server.
type server struct {
	upstream *Upstream
	number   int    // the position in the configuration
	name     string // host:port, as configured
	host     string
	port     uint16

	requests, retransmissions, replies, silences atomic.Uint64
	discarded                                    [replyStatuses]atomic.Uint64

	mu         sync.Mutex // guards the fields below
	resolution resolution
	sockets    []*socket // the sockets to the address in use
	closed     bool
}

func (s *server) discard(why replyStatus) { s.discarded[why].Add(1) }

// assign gives a call an Identifier on a socket to addr. It opens a new socket if all Identifiers are in use.
func (s *server) assign(addr netip.AddrPort, c *call) (*socket, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	for _, k := range s.sockets {
		if k.addr == addr && k.assign(c) {
			return k, nil
		}
	}
	conn, err := s.upstream.dial(addr)
	if err != nil {
		return nil, err
	}
	k := newSocket(s, addr, conn)
	k.assign(c)
	if addr == s.resolution.addr {
		s.sockets = append(s.sockets, k)
	} else {
		k.retire() // the server has a new address; this socket carries only the answer to an old challenge
	}
	s.upstream.readers.Go(k.readReplies)
	return k, nil
}

// removeSocket removes a socket that no longer reads.
func (s *server) removeSocket(k *socket) {
	k.retire()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, other := range s.sockets {
		if other == k {
			s.sockets = append(s.sockets[:i:i], s.sockets[i+1:]...)
		}
	}
}

// replaceSockets makes later requests use new sockets, because the old ones may be bound to a local address that no longer
// exists. The caller holds mu.
func (s *server) replaceSockets() {
	for _, k := range s.sockets {
		k.retire()
	}
	s.sockets = nil
}

func (s *server) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.replaceSockets()
}

// errSilent says that no valid reply arrived.
var errSilent = errors.New("no answer")

// exchange sends a packet to addr, retransmits it as RFC 5080 §2.2.1 says, and returns the reply. It ends with ctx. If
// moveOn is true it also ends as soon as the system reports that nothing listens there (ICMP). Such a report may be wrong or
// forged, so it does not end the wait when there is no other server to ask.
func (s *server) exchange(ctx context.Context, addr netip.AddrPort, packet []byte, moveOn bool) ([]byte, error) {
	c := newCall(packet)
	k, err := s.assign(addr, c)
	if err != nil {
		return nil, err
	}
	defer k.release(c)
	s.upstream.secret.SignRequest(c.packet)
	s.requests.Add(1)
	k.send(c)
	times := retransmission{rand: s.upstream.jitter}
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
			if packet[0] == wire.StatusServer {
				return nil, c.silence(nobody) // RFC 5997 §4.1: it must not be retransmitted unchanged
			}
			s.retransmissions.Add(1)
			k.send(c)
			if wait, again := times.next(); again {
				timer.Reset(wait)
			}
		}
	}
}

// silence returns an error that says why no valid reply arrived, if that is known.
func (c *call) silence(nobody error) error {
	switch why := replyStatus(c.invalid.Load()); {
	case why != replyValid:
		return fmt.Errorf("%w, only %v", errSilent, why)
	case nobody != nil:
		return fmt.Errorf("%w: %w", errSilent, nobody)
	}
	return errSilent
}
