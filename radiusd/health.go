package radiusd

import (
	"context"
	"fmt"
	"net/netip"
	"time"
)

// Alive returns nil when everything that a login needs in the Server has answered: the locks of its tables and the reader
// of every socket. When one of them hangs it says which, at the end of ctx.
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
		return fmt.Errorf("radiusd: the tables of logins: %w", ctx.Err())
	}
	for _, l := range listeners {
		if err := l.alive(ctx); err != nil {
			return err
		}
	}
	return nil
}

// alive returns nil when l's reader has answered, or has ended because l is retired.
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
			return fmt.Errorf("radiusd: reading from %s: %w", l.socket.localAddress(), ctx.Err())
		}
	}
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

// wakeReader has the reader look at retired and healthChecks. What has come in stays where it is.
func (l *listener) wakeReader() { l.socket.SetReadDeadline(past) }

// passHealthChecks answers those who asked. The reader has reset its deadline before: who asks after this wakes it again.
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
