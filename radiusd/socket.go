package radiusd

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"duoradiusd/radiusd/wire"
)

// message is a datagram that was received or will be sent.
type message struct {
	b       []byte
	control []byte         // control messages
	peer    netip.AddrPort // the other side
}

// socket is a UDP socket of a listener. Only one goroutine may call readBatch and writeBatch, and only one at a time sendBatch.
// Any goroutine may call send.
type socket interface {
	localAddress() netip.AddrPort
	// readBatch waits for datagrams. The returned messages are valid until the next call.
	readBatch() ([]message, error)
	// writeBatch sends the first n messages of list. If it returns an error, it has sent none.
	writeBatch(list []message) (n int, err error)
	// sendBatch sends list. It waits for room if needed, and skips a message that can't be sent.
	sendBatch(list []message)
	send(m message) error
	SetReadDeadline(t time.Time) error
	Close() error
}

const receiveBuffer = 4 << 20 // in octets; holds the datagrams that arrive while the reader is busy

// singleSocket reads and writes one datagram at a time, on any system.
type singleSocket struct {
	*net.UDPConn
	buffer message
	last   [1]message
}

func newSingleSocket(conn *net.UDPConn, wildcard bool) *singleSocket {
	return &singleSocket{UDPConn: conn, buffer: newReceiveBuffer(wildcard)}
}

func (s *singleSocket) localAddress() netip.AddrPort {
	return s.LocalAddr().(*net.UDPAddr).AddrPort()
}

func (s *singleSocket) send(m message) error {
	_, _, err := s.WriteMsgUDPAddrPort(m.b, m.control, m.peer)
	return err
}

func (s *singleSocket) readBatch() ([]message, error) {
	n, controls, _, from, err := s.ReadMsgUDPAddrPort(s.buffer.b, s.buffer.control)
	if err != nil {
		return nil, err
	}
	s.last[0] = message{s.buffer.b[:n], s.buffer.control[:controls], from}
	return s.last[:], nil
}

func (s *singleSocket) sendBatch(list []message) {
	for _, m := range list {
		s.send(m)
	}
}

func (s *singleSocket) writeBatch(list []message) (int, error) { return 1, s.send(list[0]) }

// newReceiveBuffer returns a buffer that is one octet longer than the longest packet. So the reader can see that a datagram
// is too large.
func newReceiveBuffer(wildcard bool) message {
	m := message{b: make([]byte, wire.MaxLength+1)}
	if wildcard {
		m.control = make([]byte, 256)
	}
	return m
}

func openUDP(a netip.AddrPort) (*net.UDPConn, error) {
	network := "udp6"
	switch {
	case a.Addr().Is4():
		network = "udp4"
	case a.Addr() == netip.IPv6Unspecified():
		network = "udp" // receives IPv4 as well
	}
	conn, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(a))
	if network == "udp" && (errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL)) {
		conn, err = net.ListenUDP("udp4", &net.UDPAddr{Port: int(a.Port())}) // a host without IPv6
	}
	return conn, err
}

// inherited looks in files for a UDP socket on address a, and returns a copy of it; nil if there is none. The file itself
// stays open. So Listen can use the address again after it has closed the copy, even if this process has no right to open
// such a socket.
func inherited(files []*os.File, a netip.AddrPort) *net.UDPConn {
	for _, f := range files {
		c, err := net.FilePacketConn(f)
		if err != nil {
			continue // a socket of another kind
		}
		if conn, ok := c.(*net.UDPConn); ok && conn.LocalAddr().(*net.UDPAddr).AddrPort() == a {
			return conn
		}
		c.Close()
	}
	return nil
}

// tellDestination makes the system report the destination address of each datagram. Without it, a host with several
// addresses sends its reply from the address that routing prefers, and the client ignores a reply from an address that it
// did not ask.
func tellDestination(conn *net.UDPConn, v6 bool) error {
	if v6 {
		return ipv6.NewPacketConn(conn).SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface, true)
	}
	return ipv4.NewPacketConn(conn).SetControlMessage(ipv4.FlagDst, true)
}

// destination returns the address that a datagram was sent to, from its control messages.
func destination(control []byte, v6 bool) netip.Addr {
	if len(control) == 0 {
		return netip.Addr{}
	}
	var dst net.IP
	if v6 {
		var cm ipv6.ControlMessage
		if cm.Parse(control) == nil {
			dst = cm.Dst
		}
	} else {
		var cm ipv4.ControlMessage
		if cm.Parse(control) == nil {
			dst = cm.Dst
		}
	}
	addr, _ := netip.AddrFromSlice(dst)
	if addr.IsMulticast() {
		return netip.Addr{}
	}
	return addr
}

// sourceControl returns the control message that sets addr as the source address of a reply; nil if addr is invalid. A
// dual-stack socket also accepts the IPv4 form for an IPv4 address.
func sourceControl(addr netip.Addr) []byte {
	switch addr = addr.Unmap(); {
	case addr.Is4():
		return (&ipv4.ControlMessage{Src: addr.AsSlice()}).Marshal()
	case addr.Is6():
		return (&ipv6.ControlMessage{Src: addr.AsSlice()}).Marshal()
	}
	return nil
}
