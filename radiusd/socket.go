package radiusd

import (
	"net"
	"net/netip"
	"time"
)

// socket is a UDP socket that is listened on.
type socket interface {
	local() netip.AddrPort
	// batches is for one of those who read it, in turns.
	batches(wildcard bool) batchConn
	// send sends one datagram, from any goroutine.
	send(m message) error
	// SetReadDeadline is net.Conn's.
	SetReadDeadline(t time.Time) error
	// Close ends whoever reads.
	Close() error
}

var _ socket = watched{}

// watched is the socket that package net has, for systems that can't do several datagrams at once.
type watched struct{ *net.UDPConn }

func (w watched) local() netip.AddrPort { return w.LocalAddr().(*net.UDPAddr).AddrPort() }

func (w watched) batches(wildcard bool) batchConn {
	return &oneByOne{watched: w, room: emptyMessage(wildcard)}
}

func (w watched) send(m message) error {
	_, _, err := w.WriteMsgUDPAddrPort(m.b, m.oob, m.peer)
	return err
}

// oneByOne has batches of one datagram.
type oneByOne struct {
	watched
	room message
	last [1]message
}

func (o *oneByOne) read() ([]message, error) {
	n, nn, _, from, err := o.ReadMsgUDPAddrPort(o.room.b, o.room.oob)
	if err != nil {
		return nil, err
	}
	o.last[0] = message{o.room.b[:n], o.room.oob[:nn], from}
	return o.last[:], nil
}

func (o *oneByOne) write(list []message) (int, error) { return 1, o.send(list[0]) }
