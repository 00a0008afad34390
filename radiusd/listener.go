package radiusd

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// listener is one UDP socket and the goroutine that reads it.
type listener struct {
	address  netip.AddrPort // as configured
	socket   socket
	wildcard bool // bound to no address: each reply must name its source address
	v6       bool

	logins       sync.WaitGroup     // the logins that will reply through this socket
	late         lateReplies        // the replies of these logins
	retired      atomic.Bool        // the reader must end
	ended        chan struct{}      // closed when the reader has ended
	healthChecks chan chan struct{} // the reader closes each channel that it receives

	// Only the reader uses the fields below.
	datagram datagram  // the datagram that is being handled; its memory is used again for the next one
	replies  []message // the replies to the datagrams of one batch; they are sent together
	logLines []byte    // the lines of the logins that were decided at once; they are written together
}

// Listen makes the server listen on exactly these addresses. It opens a socket for each new address and keeps the sockets
// of the addresses that are already open. It closes every other socket when that socket's logins are answered. If one
// address can't be opened, Listen returns the error and changes nothing.
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

// retire makes l stop reading, and closes l's socket when all its logins are answered. The caller holds mu.
func (s *Server) retire(l *listener) {
	l.retired.Store(true)
	l.wakeReader()
	s.retired.Go(func() {
		<-l.ended
		l.logins.Wait()
		l.late.wait()
		l.socket.Close()
	})
}

// Addresses returns the addresses that the server listens on. A port that was configured as 0 is the port that the system
// chose.
func (s *Server) Addresses() (list []netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.listeners {
		list = append(list, l.socket.localAddress())
	}
	return list
}

// listen returns a new listener on a. It uses a socket from s.Sockets if one has this address; otherwise it opens a socket.
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

// read is the goroutine that reads l's socket. It ends after retire was called.
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
			s.log().Error("can't read from a listening socket", "address", l.socket.localAddress().String(), "error", err, "again_in", pause)
			time.Sleep(pause)
			continue
		}
		pause = 0
		s.receiveBatch(l, received)
	}
}

// receiveBatch handles the datagrams of one batch, then writes their log lines and sends their replies.
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

// sendReplies sends the replies of a batch. If one reply can't be sent, it is skipped and the later ones are still sent;
// the client will send its request again. If the system has no room for one reply, the rest of the batch is dropped too,
// because waiting for room would delay reading.
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

// send sends a reply from the address to which the request was sent. send ignores errors: if the reply is lost, the client
// sends its request again and gets the kept reply.
func (a asker) send(reply []byte) {
	a.listener.sendLate(message{b: reply, control: sourceControl(a.to), peer: a.from})
}

// lateReplies are the replies of logins that took longer than the batch of their request.
type lateReplies struct {
	mu      sync.Mutex // guards the fields below
	waiting []message
	sending bool      // a goroutine sends replies; it also has those sent that are added meanwhile
	spare   []message // memory for waiting
	idle    sync.Cond // signalled when nobody sends any more
}

// maxLateReplies bounds the replies that wait while the system has no room for them. No more are kept for copies either.
const maxLateReplies = maxKeptReplies

// sendLate sends a reply together with those of other logins that end now. It returns when the reply was sent, or when
// another goroutine will send it. DESIGN section 7, "approvals in Redis": a system call for each reply took an eighth of the
// daemon's time.
func (l *listener) sendLate(m message) {
	if l.late.add(m) {
		runtime.Gosched() // other logins that are ready add their replies
		l.sendWaiting()
	}
}

// sendWaiting sends the replies that wait. Those that are added meanwhile are left to a new goroutine: the caller has its own
// login to finish.
func (l *listener) sendWaiting() {
	list := l.late.take()
	defer func() { // also after a panic, because receive recovers it and the listener goes on
		if l.late.sent(list) {
			go l.sendWaiting()
		}
	}()
	l.socket.sendBatch(list)
}

// add adds a reply, and reports whether the caller must send. It drops the reply if too many wait.
func (q *lateReplies) add(m message) (send bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) >= maxLateReplies {
		return false
	}
	q.waiting = append(q.waiting, m)
	send = !q.sending
	q.sending = true
	return send
}

// take returns the replies that wait. Only the goroutine that sends may call it.
func (q *lateReplies) take() []message {
	q.mu.Lock()
	defer q.mu.Unlock()
	list := q.waiting
	q.waiting, q.spare = q.spare, nil
	return list
}

// sent is called when the replies that take returned were sent. It reports whether more wait; if not, nobody sends any more.
func (q *lateReplies) sent(list []message) (more bool) {
	clear(list)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.spare = list[:0]
	q.sending = len(q.waiting) > 0
	if !q.sending {
		q.idle.Broadcast()
	}
	return q.sending
}

// wait returns when nobody sends any more.
func (q *lateReplies) wait() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.idle.L = &q.mu
	for q.sending {
		q.idle.Wait()
	}
}
