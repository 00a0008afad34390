package radiusd

import (
	"errors"
	"net/netip"
	"syscall"
	"time"
)

// atOnce is how many datagrams one system call reads or writes: two thirds of what a remembered login costs the system
// is the price of a call, not of its datagram.
const atOnce = 32

// message is a datagram as it comes from the system, or goes to it.
type message struct {
	b    []byte
	oob  []byte // control messages
	peer netip.AddrPort
}

// batchConn reads and writes several datagrams at once, where the system can, and at least one.
type batchConn interface {
	// read waits for datagrams. They lie in list, up to the next read.
	read() (list []message, err error)
	// write sends as many of list as it returns, or none with an error.
	write(list []message) (n int, err error)
}

// batch is the datagrams that are read together, and the replies that are known at once, which leave together as their
// lines in the log do. It belongs to one of the listener's readers.
type batch struct {
	conn     batchConn
	listener *listener
	reads    bool     // it is this reader's turn
	turn     uint64   // of the last read
	datagram datagram // the one that is received; it is used again for the next
	out      []message
	lines    []byte // of the log, of the logins that were answered at once
}

func newBatch(l *listener) *batch { return &batch{conn: l.socket.batches(l.wildcard), listener: l} }

// many is how many datagrams are worth the price of waking another reader.
const many = 24

// read waits for datagrams. The listener's readers take turns: as long as little comes, one does it all, in order. Where
// much has come the next one reads on, and may overtake this one: so turns are counted, and it is known what came first.
func (b *batch) read() (received []message, err error) {
	if !b.reads {
		b.listener.turn.Lock()
		b.reads = true
	}
	received, err = b.conn.read()
	b.listener.turns++
	b.turn = b.listener.turns
	if err != nil || len(received) >= many {
		b.yield()
	}
	return received, err
}

// yield gives the turn to another reader.
func (b *batch) yield() {
	b.reads = false
	b.listener.turn.Unlock()
}

// answer has a reply leave to d's sender with the others.
func (b *batch) answer(d *datagram, reply []byte) {
	b.out = append(b.out, message{b: reply, oob: source(d.to), peer: d.from})
}

// flush sends the replies. One that can't be sent is lost, which is the protocol's business, and keeps none behind it; where
// the system has no room for one, it has none for the others, and waiting for each would hold up what is to be read.
func (b *batch) flush() {
	for left := b.out; len(left) > 0; {
		n, err := b.conn.write(left)
		if errors.Is(err, syscall.EAGAIN) {
			break
		}
		if err != nil {
			n = 1
		}
		left = left[max(n, 1):]
	}
	clear(b.out)
	b.out = b.out[:0]
}

// receiveAll takes in all that was read together.
func (s *Server) receiveAll(l *listener, b *batch, received []message) {
	now := time.Now()
	for i := range received {
		m := &received[i]
		b.datagram = datagram{listener: l, batch: b, from: m.peer, at: now, turn: b.turn}
		s.receive(&b.datagram, m.b, m.oob)
	}
	if s.Lines != nil {
		s.Lines.flush(b)
	}
	b.flush()
}

// emptyMessage is where what is received lies: one octet more than a packet has, to tell what is too large from what just fits.
func emptyMessage(wildcard bool) message {
	m := message{b: make([]byte, maxLength+1)}
	if wildcard {
		m.oob = make([]byte, 256)
	}
	return m
}
