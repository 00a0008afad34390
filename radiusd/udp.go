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

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// listener is one UDP socket.
type listener struct {
	number   int
	socket   socket
	wildcard bool // the reply must name the address to leave from
	v6       bool

	turn    sync.Mutex // held by the reader that reads; guards turns
	turns   uint64
	readers []*reader
	reading sync.WaitGroup // of the readers' loops
	logins  sync.WaitGroup // that will reply through this socket
	retired atomic.Bool    // the loops are to end
}

// maxReaders is how many read one socket, at most: one a processor, up to this.
const maxReaders = 4

const receiveBuffer = 4 << 20 // octets: what comes in while the loop is busy

// Listen makes addresses the ones that are listened on: it opens those that are new, keeps those that are open, and
// closes the rest once their logins are answered. When one can't be opened nothing changes.
func (s *Server) Listen(addresses []netip.AddrPort) error {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
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
		s.sockets++
		l.number = s.sockets
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
		for _, r := range l.readers {
			l.reading.Go(func() { s.read(l, r) })
		}
	}
	return nil
}

// retire has l read no more, and closes it once its logins are answered. It is called with mu held.
func (s *Server) retire(l *listener) {
	l.retired.Store(true)
	l.socket.SetReadDeadline(past)
	s.retired.Go(func() {
		l.reading.Wait()
		l.logins.Wait()
		l.socket.Close()
	})
}

// Addresses returns the addresses that are listened on, with the ports that the system chose.
func (s *Server) Addresses() (list []netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.listeners {
		list = append(list, l.socket.local())
	}
	return list
}

// listen opens a socket, unless there is one on its address already.
func (s *Server) listen(a netip.AddrPort) (*listener, error) {
	conn := s.inherited(a)
	if conn == nil {
		var err error
		if conn, err = open(a); err != nil {
			return nil, err
		}
	}
	conn.SetReadBuffer(receiveBuffer) // as much as the system allows
	local := conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr()
	l := &listener{wildcard: local.IsUnspecified(), v6: local.Is6()}
	if err := l.takeOver(conn); err != nil {
		conn.Close()
		return nil, err
	}
	for range min(runtime.GOMAXPROCS(0), maxReaders) {
		l.readers = append(l.readers, newReader(newBatch(l)))
	}
	return l, nil
}

// takeOver makes conn's socket l's; conn itself is closed then.
func (l *listener) takeOver(conn *net.UDPConn) (err error) {
	if l.wildcard {
		if err := l.askDestination(conn); err != nil {
			return err
		}
	}
	l.socket, err = newSocket(conn)
	return err
}

func open(a netip.AddrPort) (*net.UDPConn, error) {
	network := "udp6"
	switch {
	case a.Addr().Is4():
		network = "udp4"
	case a.Addr() == netip.IPv6Unspecified():
		network = "udp" // takes IPv4 too
	}
	conn, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(a))
	if network == "udp" && (errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL)) {
		conn, err = net.ListenUDP("udp4", &net.UDPAddr{Port: int(a.Port())}) // a host without IPv6
	}
	return conn, err
}

// askDestination has the system tell with each datagram which address it was sent to. On a host with several
// addresses a reply would otherwise leave from the one that routing prefers, and the client would not know it.
func (l *listener) askDestination(conn *net.UDPConn) error {
	if l.v6 {
		return ipv6.NewPacketConn(conn).SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface, true)
	}
	return ipv4.NewPacketConn(conn).SetControlMessage(ipv4.FlagDst, true)
}

func (l *listener) destination(oob []byte) netip.Addr {
	if !l.wildcard || len(oob) == 0 {
		return netip.Addr{}
	}
	var dst net.IP
	if l.v6 {
		var cm ipv6.ControlMessage
		if cm.Parse(oob) == nil {
			dst = cm.Dst
		}
	} else {
		var cm ipv4.ControlMessage
		if cm.Parse(oob) == nil {
			dst = cm.Dst
		}
	}
	addr, _ := netip.AddrFromSlice(dst)
	if addr.IsMulticast() {
		return netip.Addr{}
	}
	return addr
}

// source is the control message that has a reply leave from addr. A dual-stack socket takes the IPv4 form for IPv4.
func source(addr netip.Addr) []byte {
	switch addr = addr.Unmap(); {
	case addr.Is4():
		return (&ipv4.ControlMessage{Src: addr.AsSlice()}).Marshal()
	case addr.Is6():
		return (&ipv6.ControlMessage{Src: addr.AsSlice()}).Marshal()
	}
	return nil
}

// send sends a reply from the address that was asked. That it may be lost is the protocol's business: the client asks
// again and gets it again.
func (l *listener) send(b []byte, to netip.AddrPort, from netip.Addr) {
	l.socket.send(message{b: b, oob: source(from), peer: to})
}

// read is the loop of one of the listener's readers; it ends with retire.
func (s *Server) read(l *listener, r *reader) {
	defer close(r.ended)
	pause := time.Duration(0)
	for {
		received, err := r.batch.read()
		r.comeRound()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			if !l.goesOn() {
				return
			}
			continue
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.log().Error("reading", "address", l.socket.local().String(), "error", err, "again_in", pause)
			time.Sleep(pause)
			continue
		}
		pause = 0
		s.receiveAll(l, r.batch, received)
	}
}
