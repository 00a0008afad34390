package radiusd

import (
	"context"
	"fmt"
	"net/netip"
	"time"
)

// Alive checks the parts of the Server that every login needs: the locks of its tables and the reader of every socket. It
// returns nil if each of them answers. If one of them has not answered when ctx ends, the error names it.
func (s *Server) Alive(ctx context.Context) error {
	s.init()
	var listeners []*listener
	locks := after(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, l := range s.listeners {
			listeners = append(listeners, l)
		}
		for _, t := range s.traffic {
			t.ratchets.required(netip.Addr{})
		}
		s.duplicates.load()
		s.Outcomes()
	})
	select {
	case <-locks:
	case <-ctx.Done():
		return fmt.Errorf("radiusd: the tables of logins do not answer: %w", ctx.Err())
	}
	for _, l := range listeners {
		if err := l.alive(ctx); err != nil {
			return err
		}
	}
	return nil
}

// alive returns nil if l's reader answers, or if the reader has ended because l is retired.
func (l *listener) alive(ctx context.Context) error {
	passed, checks := make(chan struct{}), l.healthChecks
	for {
		select {
		case checks <- passed:
			checks = nil
			l.wakeReader()
		case <-passed:
			return nil
		case <-l.ended:
			if l.retired.Load() {
				return nil
			}
			return fmt.Errorf("radiusd: the reader of %s has ended", l.socket.localAddress())
		case <-ctx.Done():
			return fmt.Errorf("radiusd: the reader of %s does not answer: %w", l.socket.localAddress(), ctx.Err())
		}
	}
}

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// wakeReader makes the reader check retired and healthChecks. No datagram is lost: those that have arrived stay in the
// socket's buffer.
func (l *listener) wakeReader() { l.socket.SetReadDeadline(past) }

// passHealthChecks closes the channel of each waiting health check. The reader has reset its deadline before this call, so
// that a later check wakes the reader again.
func (l *listener) passHealthChecks() {
	for {
		select {
		case passed := <-l.healthChecks:
			close(passed)
		default:
			return
		}
	}
}
