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

// message is a datagram that is received or sent.
type message struct {
	b       []byte
	control []byte         // control messages
	peer    netip.AddrPort // the other side
}

// socket is a UDP socket that is listened on. One goroutine reads it and writes batches; any may send.
type socket interface {
	localAddress() netip.AddrPort
	// readBatch waits for datagrams. They are valid until the next call.
	readBatch() ([]message, error)
	// writeBatch sends as many of list as it returns, or none with an error.
	writeBatch(list []message) (n int, err error)
	send(m message) error
	SetReadDeadline(t time.Time) error
	Close() error
}

const receiveBuffer = 4 << 20 // octets, for what comes in while the reader is busy

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

func (s *singleSocket) writeBatch(list []message) (int, error) { return 1, s.send(list[0]) }

// newReceiveBuffer has one octet more than a packet, to tell a datagram that is too large from one that just fits.
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
		network = "udp" // takes IPv4 too
	}
	conn, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(a))
	if network == "udp" && (errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL)) {
		conn, err = net.ListenUDP("udp4", &net.UDPAddr{Port: int(a.Port())}) // a host without IPv6
	}
	return conn, err
}

// inherited returns the one of files that is a UDP socket on a; nil where there is none. It is a copy, so that a may be
// listened on again after it was given up: nobody but the owner of the files could open it anew.
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

// tellDestination has the system tell with each datagram which address it was sent to. On a host with several addresses a
// reply would otherwise leave from the one that routing prefers, and the client would not know it.
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

// sourceControl is the control message that has a reply leave from addr; nil where addr is invalid. A dual-stack socket
// takes the IPv4 form for IPv4.
func sourceControl(addr netip.Addr) []byte {
	switch addr = addr.Unmap(); {
	case addr.Is4():
		return (&ipv4.ControlMessage{Src: addr.AsSlice()}).Marshal()
	case addr.Is6():
		return (&ipv6.ControlMessage{Src: addr.AsSlice()}).Marshal()
	}
	return nil
}
