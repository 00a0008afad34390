package radiusd

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batchSize is how many datagrams one system call reads or writes. DESIGN.md section 7, "remembered login": the system
// spends most of its time for such a login on the system calls. With one datagram per call (socket_other.go) this row
// measured 1.3 to 2.2 times FreeRADIUS with rlm_cache, and 3.1 to 3.7 times the CPU of the bare loop. With 32 datagrams per
// call it measured 3.3 to 4.2 times and 1.5 to 2.2 times. Both were measured in turn on one busy machine with two cores.
const batchSize = 32

// sendPatience is how long a batch of replies waits for room in the socket's send buffer.
const sendPatience = 10 * time.Millisecond

// batchSocket reads and writes with recvmmsg(2) and sendmmsg(2). golang.org/x/net has these calls as well, but it allocates
// a net.UDPAddr for each datagram.
type batchSocket struct {
	*singleSocket
	raw     syscall.RawConn
	in      batch
	buffers [batchSize]message
	list    [batchSize]message // what was read
	zone    zone               // only the reader uses it

	receiving func(fd uintptr) (done bool) // made once, because making a closure allocates memory

	replies, late batchWriter // for writeBatch and sendBatch
}

// batchWriter writes datagrams to a socket. Only one goroutine at a time may use it.
type batchWriter struct {
	batch
	raw     syscall.RawConn
	zone    *zone // of the goroutine that uses the batchWriter
	sending func(fd uintptr)
}

// batch holds the arguments and the results of one system call that reads or writes datagrams.
type batch struct {
	headers [batchSize]unix.Mmsghdr
	vectors [batchSize]unix.Iovec
	peers   [batchSize]unix.RawSockaddrInet6 // or RawSockaddrInet4
	want, n int
	err     error
}

func newSocket(conn *net.UDPConn, wildcard bool) (socket, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &batchSocket{singleSocket: newSingleSocket(conn, false), raw: raw}
	s.in.want = batchSize
	for i := range s.buffers {
		s.buffers[i] = newReceiveBuffer(wildcard)
		s.in.pointTo(i, &s.buffers[i])
	}
	s.receiving = func(fd uintptr) bool { return s.in.call(unix.SYS_RECVMMSG, fd) != unix.EAGAIN }
	s.replies.init(raw, &s.zone)
	s.late.init(raw, new(zone))
	return s, nil
}

func (w *batchWriter) init(raw syscall.RawConn, z *zone) {
	w.raw, w.zone = raw, z
	w.sending = func(fd uintptr) {
		tryTwice(fd, func() error { return w.call(unix.SYS_SENDMMSG, fd) })
	}
}

// pointTo makes the i-th header point to m's octets.
func (b *batch) pointTo(i int, m *message) {
	h, v := &b.headers[i].Hdr, &b.vectors[i]
	v.Base = unsafe.SliceData(m.b)
	v.SetLen(len(m.b))
	h.Iov = v
	h.SetIovlen(1)
	h.Control = unsafe.SliceData(m.control)
	h.SetControllen(len(m.control))
	h.Name = (*byte)(unsafe.Pointer(&b.peers[i]))
	h.Namelen = unix.SizeofSockaddrInet6
}

// call makes a system call that never waits. So it can use RawSyscall6, which does not tell the scheduler.
func (b *batch) call(number, fd uintptr) error {
	n, _, errno := unix.RawSyscall6(number, fd, uintptr(unsafe.Pointer(&b.headers)), uintptr(b.want), unix.MSG_DONTWAIT, 0, 0)
	b.n, b.err = int(n), nil
	if errno != 0 {
		b.n, b.err = 0, errno
	}
	return b.err
}

// tryTwice calls send. If there was no room, it waits for room, at most sendPatience, and calls send once more.
func tryTwice(fd uintptr, send func() error) error {
	err := send()
	if err != unix.EAGAIN {
		return err
	}
	unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, int(sendPatience.Milliseconds()))
	return send()
}

func (s *batchSocket) readBatch() ([]message, error) {
	for i := range s.in.n { // the last read has changed these fields
		h := &s.in.headers[i].Hdr
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(len(s.buffers[i].control))
	}
	s.in.n = 0
	if err := s.raw.Read(s.receiving); err != nil {
		return nil, err
	}
	if s.in.err != nil {
		return nil, os.NewSyscallError("recvmmsg", s.in.err)
	}
	for i := range s.in.n {
		h, buffer := &s.in.headers[i], &s.buffers[i]
		s.list[i] = message{buffer.b[:h.Len], buffer.control[:h.Hdr.Controllen], s.zone.addressOf(&s.in.peers[i])}
	}
	return s.list[:s.in.n], nil
}

func (s *batchSocket) writeBatch(list []message) (int, error) { return s.replies.write(list) }

func (s *batchSocket) sendBatch(list []message) {
	*s.late.zone = zone{} // an interface that was made anew has another number, which only the reader gets to know
	for len(list) > 0 {
		n := 0
		if len(list) > 1 {
			n, _ = s.late.write(list)
		}
		if n == 0 {
			s.send(list[0])
			n = 1
		}
		list = list[n:]
	}
}

// write sends the first n messages of list. If it returns an error, it has sent none.
func (w *batchWriter) write(list []message) (n int, err error) {
	w.want = min(len(list), batchSize)
	for i := range w.want {
		w.pointTo(i, &list[i])
		w.headers[i].Hdr.Namelen = w.zone.fill(&w.peers[i], list[i].peer)
	}
	if err := w.raw.Control(w.sending); err != nil {
		return 0, err
	}
	return w.n, os.NewSyscallError("sendmmsg", w.err)
}

// zone is the last IPv6 zone that was looked up: the system's interface number and its name in netip.Addr.
type zone struct {
	id   uint32
	name string
}

// addressOf returns the address and port in sa.
func (z *zone) addressOf(sa *unix.RawSockaddrInet6) netip.AddrPort {
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&sa.Port))[:])
	if sa.Family == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(sa)).Addr), port)
	}
	addr := netip.AddrFrom16(sa.Addr)
	if sa.Scope_id != 0 {
		addr = addr.WithZone(z.nameOf(sa.Scope_id))
	}
	return netip.AddrPortFrom(addr, port)
}

// fill writes peer into sa in the form of peer's address family. It returns the length of this form.
func (z *zone) fill(sa *unix.RawSockaddrInet6, peer netip.AddrPort) (length uint32) {
	addr := peer.Addr()
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&sa.Port))[:], peer.Port())
	if addr.Is4() {
		sa.Family = unix.AF_INET
		(*unix.RawSockaddrInet4)(unsafe.Pointer(sa)).Addr = addr.As4()
		return unix.SizeofSockaddrInet4
	}
	sa.Family, sa.Flowinfo, sa.Addr, sa.Scope_id = unix.AF_INET6, 0, addr.As16(), z.idOf(addr.Zone())
	return unix.SizeofSockaddrInet6
}

func (z *zone) nameOf(id uint32) string {
	if id != z.id {
		z.id, z.name = id, strconv.FormatUint(uint64(id), 10)
		if i, err := net.InterfaceByIndex(int(id)); err == nil {
			z.name = i.Name
		}
	}
	return z.name
}

func (z *zone) idOf(name string) uint32 {
	switch {
	case name == "":
		return 0
	case name == z.name:
		return z.id
	}
	if i, err := net.InterfaceByName(name); err == nil {
		z.id, z.name = uint32(i.Index), name
		return z.id
	}
	id, _ := strconv.ParseUint(name, 10, 32)
	return uint32(id)
}
