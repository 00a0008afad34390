package radiusd

import (
	"net"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// atOnce is how many datagrams one system call reads or writes: two thirds of what a remembered login costs the system
// is the price of a call, not of its datagram.
const atOnce = 32

// batchConn is an ipv4.PacketConn or an ipv6.PacketConn. Where a system can't do several at once, it does one.
type batchConn interface {
	ReadBatch(list []ipv4.Message, flags int) (int, error)
	WriteBatch(list []ipv4.Message, flags int) (int, error)
}

// batch is the datagrams that are read together, and the replies that are known at once, which leave together. It
// belongs to the read loop.
type batch struct {
	conn batchConn
	in   []ipv4.Message
	out  []ipv4.Message
}

func newBatch(l *listener) *batch {
	b := &batch{conn: ipv4.NewPacketConn(l.conn), in: make([]ipv4.Message, atOnce)}
	if l.v6 {
		b.conn = ipv6.NewPacketConn(l.conn)
	}
	for i := range b.in {
		// One octet more, to tell a datagram that is too large from one that just fits.
		b.in[i].Buffers = [][]byte{make([]byte, maxLength+1)}
		if l.wildcard {
			b.in[i].OOB = make([]byte, 256)
		}
	}
	return b
}

// read waits for datagrams.
func (b *batch) read() (received []ipv4.Message, err error) {
	n, err := b.conn.ReadBatch(b.in, 0)
	if err != nil {
		return nil, err
	}
	return b.in[:n], nil
}

// answer has a reply leave to d's sender with the others.
func (b *batch) answer(d *datagram, reply []byte) {
	b.out = append(b.out, ipv4.Message{Buffers: [][]byte{reply}, OOB: source(d.to), Addr: d.sender})
}

// flush sends the replies. One that can't be sent is lost, which is the protocol's business, and keeps none behind it.
func (b *batch) flush() {
	for left := b.out; len(left) > 0; {
		n, err := b.conn.WriteBatch(left, 0)
		if err != nil {
			n = 1
		}
		left = left[max(n, 1):]
	}
	clear(b.out)
	b.out = b.out[:0]
}

// receiveAll takes in all that was read together.
func (s *Server) receiveAll(l *listener, b *batch, received []ipv4.Message) {
	now := time.Now()
	for i := range received {
		m := &received[i]
		from, ok := m.Addr.(*net.UDPAddr)
		if !ok {
			continue
		}
		d := datagram{listener: l, batch: b, sender: from, from: from.AddrPort(), at: now}
		s.receive(&d, m.Buffers[0][:m.N], m.OOB[:m.NN])
	}
	b.flush()
}
