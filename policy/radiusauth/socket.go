package radiusauth

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"duoradiusd/internal/system"
	"duoradiusd/radiusd/wire"
)

// call is a request that waits for its reply.
type call struct {
	packet        []byte
	authenticator [16]byte
	reply         chan []byte  // has room for one, because a call gets at most one reply
	unreachable   chan error   // has room for one: the system reports that nothing listens there
	invalid       atomic.Int32 // the replyStatus of the last reply that was ignored
}

func newCall(packet []byte) *call {
	return &call{packet: packet, authenticator: [16]byte(packet[4:wire.HeaderLength]), reply: make(chan []byte, 1),
		unreachable: make(chan error, 1)}
}

func (c *call) unreachableBy(err error) {
	select {
	case c.unreachable <- err:
	default:
	}
}

// socket is one local UDP port that talks to one address of a server. It carries at most 256 requests at once, one for each
// Identifier (RFC 2865 §3). The socket is connected, so that the system drops datagrams from other hosts and reports if
// nothing listens there.
type socket struct {
	server *server
	addr   netip.AddrPort
	conn   net.Conn

	mu        sync.Mutex // guards the fields below
	slots     [256]slot
	free      [256]byte // a ring of Identifiers; the one that was released first is used first
	firstFree int       // the index of the first one in free
	freeCount int       // the number of Identifiers in free
	retired   bool      // takes no more requests and closes after its last one
}

// slot is the state of one Identifier.
type slot struct {
	call     *call
	previous [16]byte // the authenticator of the previous request, whose reply may come late
}

func newSocket(s *server, addr netip.AddrPort, conn net.Conn) *socket {
	k := &socket{server: s, addr: addr, conn: conn, freeCount: 256}
	for i := range k.free {
		k.free[i] = byte(i)
	}
	return k
}

// assign gives a call an Identifier. It returns false if none is free.
func (k *socket) assign(c *call) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.retired || k.freeCount == 0 {
		return false
	}
	identifier := k.free[k.firstFree]
	k.firstFree = (k.firstFree + 1) % len(k.free)
	k.freeCount--
	k.slots[identifier].call = c
	c.packet[1] = identifier
	return true
}

// release frees the Identifier of a call.
func (k *socket) release(c *call) {
	k.mu.Lock()
	defer k.mu.Unlock()
	identifier := c.packet[1]
	k.slots[identifier] = slot{previous: c.authenticator}
	k.free[(k.firstFree+k.freeCount)%len(k.free)] = identifier
	k.freeCount++
	k.closeIfDone()
}

// retire closes the socket when all requests that it carries have ended.
func (k *socket) retire() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.retired = true
	k.closeIfDone()
}

func (k *socket) closeIfDone() {
	if k.retired && k.freeCount == len(k.free) {
		k.conn.Close()
	}
}

// send sends a call's packet. The system may report an error here that an earlier datagram caused. In that case send tells
// the other calls and sends the packet once more.
func (k *socket) send(c *call) {
	_, err := k.conn.Write(c.packet)
	if system.IsRefused(err) {
		k.reportUnreachable(err, c)
		_, err = k.conn.Write(c.packet)
	}
	if err != nil {
		c.unreachableBy(err)
	}
}

// reportUnreachable tells all calls except but that nothing listens at the server's address.
func (k *socket) reportUnreachable(err error, but *call) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.slots {
		if c := k.slots[i].call; c != nil && c != but {
			c.unreachableBy(err)
		}
	}
}

// readReplies reads datagrams until the socket is closed or has failed too often.
func (k *socket) readReplies() {
	defer k.server.removeSocket(k)
	buffer := make([]byte, wire.MaxLength+1) // one octet more than the maximum, to notice a reply that is too long
	for failures := 0; failures < 100; {
		n, err := k.conn.Read(buffer)
		switch {
		case errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, io.EOF):
			return
		case err != nil:
			failures++
			k.reportUnreachable(err, nil)
		default:
			failures = 0
			k.receive(buffer[:n])
		}
	}
}

// receive gives a reply to the call that it answers. Any other datagram is counted and ignored (RFC 2865 §3).
func (k *socket) receive(datagram []byte) {
	b, ok := wire.Packet(datagram)
	var list []wire.Attribute
	if ok {
		list, ok = wire.Attributes(b[wire.HeaderLength:])
	}
	if !ok {
		k.server.discard(replyMalformed)
		return
	}
	k.mu.Lock()
	at := k.slots[b[1]]
	k.mu.Unlock()
	c := at.call
	if c == nil {
		k.server.discard(replyUnexpected)
		return
	}
	u := k.server.upstream
	why := validate(u.secret, b, list, c.packet[0], c.authenticator, u.config.RequireMessageAuthenticator)
	if why == replyWrongAuthenticator && u.secret.Answers(b, at.previous) {
		why = replyUnexpected
	}
	if why != replyValid {
		k.server.discard(why)
		if why != replyUnexpected {
			c.invalid.Store(int32(why))
		}
		return
	}
	if k.claim(b[1], c) {
		u.group.Answered(k.server.number)
		c.reply <- append([]byte(nil), b...)
	} else {
		k.server.discard(replyUnexpected)
	}
}

// claim reports whether this is the first reply for a call. Later replies are ignored.
func (k *socket) claim(identifier byte, c *call) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.slots[identifier].call != c {
		return false
	}
	k.slots[identifier].call = nil
	return true
}
