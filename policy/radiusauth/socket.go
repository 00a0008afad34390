package radiusauth

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
)

// call is a request on its way to its reply.
type call struct {
	packet        []byte
	authenticator [16]byte
	reply         chan []byte  // of room for the one
	unreachable   chan error   // the same: the system says that nobody is there
	flaw          atomic.Int32 // of the last reply that was discarded
}

func newCall(packet []byte) *call {
	return &call{packet: packet, authenticator: [16]byte(packet[4:headerLength]), reply: make(chan []byte, 1),
		unreachable: make(chan error, 1)}
}

func (c *call) refuse(err error) {
	select {
	case c.unreachable <- err:
	default:
	}
}

// socket is one port of ours towards one server's address, with a request for each of its 256 Identifiers (RFC 2865 §3)
// at most. It is connected, so that the system takes datagrams from that server alone, and tells when nobody is there.
type socket struct {
	server *server
	addr   netip.AddrPort
	conn   net.Conn

	mu      sync.Mutex // guards all below
	slots   [256]slot
	free    [256]byte // a ring of Identifiers, that which rested longest first
	first   int       // of free
	resting int       // Identifiers in free
	retired bool      // takes no more requests, closes with its last
}

// slot is what an Identifier stands for.
type slot struct {
	call    *call
	earlier [16]byte // authenticator of the request before, whose reply may come late
}

func newSocket(s *server, addr netip.AddrPort, conn net.Conn) *socket {
	k := &socket{server: s, addr: addr, conn: conn, resting: 256}
	for i := range k.free {
		k.free[i] = byte(i)
	}
	return k
}

// begin gives a call an Identifier, and reports false when there is none.
func (k *socket) begin(c *call) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.retired || k.resting == 0 {
		return false
	}
	identifier := k.free[k.first]
	k.first = (k.first + 1) % len(k.free)
	k.resting--
	k.slots[identifier].call = c
	c.packet[1] = identifier
	return true
}

// end takes the Identifier back.
func (k *socket) end(c *call) {
	k.mu.Lock()
	defer k.mu.Unlock()
	identifier := c.packet[1]
	k.slots[identifier] = slot{earlier: c.authenticator}
	k.free[(k.first+k.resting)%len(k.free)] = identifier
	k.resting++
	k.closeIfDone()
}

// retire lets the socket end with the requests that it has.
func (k *socket) retire() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.retired = true
	k.closeIfDone()
}

func (k *socket) closeIfDone() {
	if k.retired && k.resting == len(k.free) {
		k.conn.Close()
	}
}

// send sends a call's packet. An error that an earlier datagram brought about is told to the others, and this one sent.
func (k *socket) send(c *call) {
	_, err := k.conn.Write(c.packet)
	if errors.Is(err, syscall.ECONNREFUSED) {
		k.refuse(err, c)
		_, err = k.conn.Write(c.packet)
	}
	if err != nil {
		c.refuse(err)
	}
}

// refuse tells all calls but one that nobody is there.
func (k *socket) refuse(err error, but *call) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.slots {
		if c := k.slots[i].call; c != nil && c != but {
			c.refuse(err)
		}
	}
}

// read takes datagrams until the socket is closed, or good for nothing.
func (k *socket) read() {
	defer k.server.drop(k)
	buffer := make([]byte, maxLength+1) // so that too long a reply is seen to be
	for failures := 0; failures < 100; {
		n, err := k.conn.Read(buffer)
		switch {
		case errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, io.EOF):
			return
		case err != nil:
			failures++
			k.refuse(err, nil)
		default:
			failures = 0
			k.take(buffer[:n])
		}
	}
}

// take hands a reply to the call that it answers. Whatever else comes is counted, and changes nothing (RFC 2865 §3).
func (k *socket) take(datagram []byte) {
	b, list, ok := packet(datagram)
	if !ok {
		k.server.discard(malformed)
		return
	}
	k.mu.Lock()
	at := k.slots[b[1]]
	k.mu.Unlock()
	c := at.call
	if c == nil {
		k.server.discard(unexpected)
		return
	}
	u := k.server.upstream
	why := u.secret.judge(b, list, c.packet[0], c.authenticator, u.config.RequireMessageAuthenticator)
	if why == wrongAuthenticator && u.secret.answers(b, at.earlier) {
		why = unexpected
	}
	if why != sound {
		k.server.discard(why)
		if why != unexpected {
			c.flaw.Store(int32(why))
		}
		return
	}
	if k.answer(b[1], c) {
		k.server.alive()
		c.reply <- append([]byte(nil), b...)
	} else {
		k.server.discard(unexpected)
	}
}

// answer reports whether this is the first reply that a call gets: the last, too.
func (k *socket) answer(identifier byte, c *call) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.slots[identifier].call != c {
		return false
	}
	k.slots[identifier].call = nil
	return true
}
