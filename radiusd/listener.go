package radiusd

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// listener is one UDP socket and the goroutine that reads it.
type listener struct {
	address  netip.AddrPort // as configured
	socket   socket
	wildcard bool // bound to no address: a reply must name the one that it leaves from
	v6       bool

	logins       sync.WaitGroup     // that will reply through this socket
	retired      atomic.Bool        // the reader is to end
	ended        chan struct{}      // closed when the reader has ended
	healthChecks chan chan struct{} // closed by the reader

	// Only the reader uses what follows.
	datagram datagram  // the one that is handled; it is used again for the next
	replies  []message // to the datagrams of one batch, sent together
	logLines []byte    // of the logins that were decided at once, written together
}

// Listen makes addresses the ones that are listened on: it opens those that are new, keeps those that are open, and
// closes the rest once their logins are answered. When one can't be opened nothing changes.
func (s *Server) Listen(addresses []netip.AddrPort) error {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	addresses, err := expandWildcards(addresses)
	if err != nil {
		return err
	}
	wanted := make(map[netip.AddrPort]*listener)
	var opened []*listener
	for _, a := range addresses {
		if l := s.listeners[a]; l != nil {
			wanted[a] = l
			continue
		}
		if wanted[a] != nil {
			continue
		}
		l, err := s.listen(a)
		if err != nil {
			for _, l := range opened {
				l.socket.Close()
			}
			return err
		}
		wanted[a] = l
		opened = append(opened, l)
	}
	for a, l := range s.listeners {
		if wanted[a] == nil {
			s.retire(l)
		}
	}
	s.listeners = wanted
	for _, l := range opened {
		go s.read(l)
	}
	return nil
}

// retire has l read no more, and closes it once its logins are answered. It is called with mu held.
func (s *Server) retire(l *listener) {
	l.retired.Store(true)
	l.wakeReader()
	s.retired.Go(func() {
		<-l.ended
		l.logins.Wait()
		l.socket.Close()
	})
}

// Addresses returns the addresses that are listened on, with the ports that the system chose.
func (s *Server) Addresses() (list []netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.listeners {
		list = append(list, l.socket.localAddress())
	}
	return list
}

// listen opens a socket, unless there is one on its address already.
func (s *Server) listen(a netip.AddrPort) (*listener, error) {
	conn := inherited(s.Sockets, a)
	if conn == nil {
		var err error
		if conn, err = openUDP(a); err != nil {
			return nil, err
		}
	}
	conn.SetReadBuffer(receiveBuffer) // as much as the system allows
	local := conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr()
	l := newListener(a, local.IsUnspecified(), local.Is6())
	if err := l.use(conn); err != nil {
		conn.Close()
		return nil, err
	}
	return l, nil
}

func newListener(a netip.AddrPort, wildcard, v6 bool) *listener {
	return &listener{
		address: a, wildcard: wildcard, v6: v6,
		ended: make(chan struct{}), healthChecks: make(chan chan struct{}, 1),
	}
}

func (l *listener) use(conn *net.UDPConn) (err error) {
	if l.wildcard {
		if err := tellDestination(conn, l.v6); err != nil {
			return err
		}
	}
	l.socket, err = newSocket(conn, l.wildcard)
	return err
}

// read is l's reader. It ends with retire.
func (s *Server) read(l *listener) {
	defer close(l.ended)
	pause := time.Duration(0)
	for {
		received, err := l.socket.readBatch()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded): // wakeReader
			l.socket.SetReadDeadline(time.Time{})
			if l.retired.Load() {
				return
			}
			l.passHealthChecks()
			continue
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil && isDatagramError(err):
			continue
		case err != nil:
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.log().Error("reading", "address", l.socket.localAddress().String(), "error", err, "again_in", pause)
			time.Sleep(pause)
			continue
		}
		pause = 0
		s.receiveBatch(l, received)
	}
}

// receiveBatch handles all that was read together.
func (s *Server) receiveBatch(l *listener, received []message) {
	now := time.Now()
	for i := range received {
		m := &received[i]
		l.datagram = datagram{asker: asker{listener: l, from: m.peer}, inBatch: true, received: now}
		s.receive(&l.datagram, m.b, m.control)
	}
	if s.LoginLog != nil && len(l.logLines) > 0 {
		s.LoginLog.To.Write(l.logLines)
		l.logLines = l.logLines[:0]
	}
	l.sendReplies()
}

// sendReplies sends the replies of a batch. One that can't be sent is lost, which is the protocol's business, and must not
// hold up those behind it. Where the system has no room for one it has none for the others, and to wait for each would hold
// up reading.
func (l *listener) sendReplies() {
	for left := l.replies; len(left) > 0; {
		n, err := l.socket.writeBatch(left)
		if errors.Is(err, syscall.EAGAIN) {
			break
		}
		if err != nil {
			n = 1
		}
		left = left[max(n, 1):]
	}
	clear(l.replies)
	l.replies = l.replies[:0]
}

// send sends a reply from the address that was asked. That it may be lost is the protocol's business: the client asks
// again and gets it again.
func (a asker) send(reply []byte) {
	a.listener.socket.send(message{b: reply, control: sourceControl(a.to), peer: a.from})
}
