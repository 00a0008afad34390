package radiusd

import (
	"encoding/binary"
	"os"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A train is a row of replies, all of one length and for one client, that goes through the system in one piece and is cut
// into its datagrams as late as can be (UDP_SEGMENT, udp(7)). When a gateway's users come all at once, the replies' way
// through the system is a fourth of what a remembered login costs.

// longestCar is the longest reply of a train, in octets. The system wants each to fit the network in one piece, and every
// network takes that (RFC 791 §3.1: 576 with the headers).
const longestCar = 512

// derails are the errors of a system, or of the way to a client, that has no trains: without checksums in hardware EIO,
// with IPsec too, on a network that takes less in one piece the others.
var derails = []error{unix.EIO, unix.EINVAL, unix.EMSGSIZE}

// runsTrains reports whether the system knows of trains. One that does not would send all in one datagram.
func runsTrains(socket syscall.RawConn) bool {
	var err error
	controlled := socket.Control(func(fd uintptr) {
		_, err = unix.GetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT)
	})
	return controlled == nil && err == nil
}

// train returns how many of list, from its first on, leave as one. A reply that is sent again leaves alone: should there be
// a network on which trains get lost, the client has its reply the second time.
func train(list []message) int {
	first, n := &list[0], 0
	for n < len(list) && !list[n].again && len(list[n].b) == len(first.b) && list[n].peer == first.peer && slices.Equal(list[n].oob, first.oob) {
		n++
	}
	if len(first.b) > longestCar {
		return 1
	}
	return max(n, 1)
}

// departure is what leaves with one system call.
type departure struct {
	flight
	cars     [atOnce]int    // replies that each header has
	controls [atOnce][]byte // control messages of the headers that have several
}

// write sends as many of list as it returns.
func (m *mmsg) write(list []message) (int, error) {
	list = list[:min(len(list), atOnce)]
	d := &m.out
	d.want = 0
	trains := m.socket.trains.Load()
	for at := 0; at < len(list); d.want++ {
		d.cars[d.want] = 1
		if trains {
			d.cars[d.want] = train(list[at:])
		}
		d.board(at, list[at:at+d.cars[d.want]])
		d.headers[d.want].Hdr.Namelen = m.zone.put(&d.peers[d.want], list[at].peer)
		at += d.cars[d.want]
	}
	if err := m.socket.fileConn.Control(m.writing); err != nil {
		return 0, err
	}
	if d.cars[0] > 1 && slices.Contains(derails, d.err) {
		m.socket.trains.Store(false)
		return m.write(list)
	}
	sent := 0
	for _, n := range d.cars[:d.n] {
		sent += n
	}
	return sent, os.NewSyscallError("sendmmsg", d.err)
}

// board puts replies into the next header; the first of them is the at-th of the list.
func (d *departure) board(at int, replies []message) {
	for i := range replies {
		d.vectors[at+i].Base = unsafe.SliceData(replies[i].b)
		d.vectors[at+i].SetLen(len(replies[i].b))
	}
	h, control := &d.headers[d.want].Hdr, replies[0].oob
	if len(replies) > 1 {
		control = appendSegment(append(d.controls[d.want][:0], control...), len(replies[0].b))
		d.controls[d.want] = control
	}
	h.Iov = &d.vectors[at]
	h.SetIovlen(len(replies))
	h.Control = unsafe.SliceData(control)
	h.SetControllen(len(control))
	h.Name = (*byte)(unsafe.Pointer(&d.peers[d.want]))
}

// appendSegment appends the control message that has the system cut what is sent into datagrams of size octets.
func appendSegment(b []byte, size int) []byte {
	at := len(b)
	b = append(b, make([]byte, unix.CmsgSpace(2))...)
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[at]))
	h.Level, h.Type = unix.SOL_UDP, unix.UDP_SEGMENT
	h.SetLen(unix.CmsgLen(2))
	binary.NativeEndian.PutUint16(b[at+unix.CmsgLen(0):], uint16(size))
	return b
}
