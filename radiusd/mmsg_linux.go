package radiusd

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsg reads and writes with recvmmsg(2) and sendmmsg(2). The addresses of what is read and written cost no memory.
type mmsg struct {
	socket  *quiet
	in, out flight
	rooms   [atOnce]message
	list    [atOnce]message // what was read
	zone    zone            // of the last link-local address

	// Made once, for a closure costs memory too:
	receiving func(epoll uintptr) (done bool)
	reading   func(fd uintptr)
	writing   func(fd uintptr)
}

// flight is what one system call reads or writes.
type flight struct {
	headers [atOnce]unix.Mmsghdr
	vectors [atOnce]unix.Iovec
	peers   [atOnce]unix.RawSockaddrInet6 // or Inet4
	want, n int
	err     error
}

func newMMsg(q *quiet, wildcard bool) *mmsg {
	m := &mmsg{socket: q}
	m.in.want = atOnce
	for i := range m.rooms {
		m.rooms[i] = emptyMessage(wildcard)
		m.in.hold(i, &m.rooms[i])
	}
	m.receiving = m.receive
	m.reading = func(fd uintptr) { m.in.call(unix.SYS_RECVMMSG, fd) }
	m.writing = func(fd uintptr) {
		insist(fd, func() error { return m.out.call(unix.SYS_SENDMMSG, fd) })
	}
	return m
}

// hold has the i-th header lead to m's octets.
func (f *flight) hold(i int, m *message) {
	h, v := &f.headers[i].Hdr, &f.vectors[i]
	v.Base = unsafe.SliceData(m.b)
	v.SetLen(len(m.b))
	h.Iov = v
	h.SetIovlen(1)
	h.Control = unsafe.SliceData(m.oob)
	h.SetControllen(len(m.oob))
	h.Name = (*byte)(unsafe.Pointer(&f.peers[i]))
	h.Namelen = unix.SizeofSockaddrInet6
}

// call makes a system call that never waits, so the scheduler need not know of it.
func (f *flight) call(number, fd uintptr) error {
	n, _, errno := unix.RawSyscall6(number, fd, uintptr(unsafe.Pointer(&f.headers)), uintptr(f.want), unix.MSG_DONTWAIT, 0, 0)
	f.n, f.err = int(n), nil
	if errno != 0 {
		f.n, f.err = 0, errno
	}
	return f.err
}

// receive reports whether there was something to read. If not the bell will ring for it.
func (m *mmsg) receive(epoll uintptr) (done bool) {
	if m.socket.armed {
		m.socket.disarm(epoll)
	}
	if err := m.socket.fileConn.Control(m.reading); err != nil {
		m.in.err = err
		return true
	}
	if m.in.err == unix.EAGAIN {
		m.in.err = m.socket.arm(epoll, unix.EPOLL_CTL_MOD)
		return m.in.err != nil
	}
	m.in.err = os.NewSyscallError("recvmmsg", m.in.err)
	return true
}

func (m *mmsg) read() ([]message, error) {
	for i := range m.in.n { // what the last read has left there
		h := &m.in.headers[i].Hdr
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(len(m.rooms[i].oob))
	}
	m.in.n = 0
	err := m.socket.bellConn.Read(m.receiving)
	switch {
	case m.socket.closed.Load():
		return nil, net.ErrClosed // a file says so in another word
	case err != nil:
		return nil, err
	case m.in.err != nil:
		return nil, m.in.err
	}
	for i := range m.in.n {
		h, room := &m.in.headers[i], &m.rooms[i]
		m.list[i] = message{room.b[:h.Len], room.oob[:h.Hdr.Controllen], m.zone.peer(&m.in.peers[i])}
	}
	return m.list[:m.in.n], nil
}

func (m *mmsg) write(list []message) (int, error) {
	m.out.want = min(len(list), atOnce)
	for i := range m.out.want {
		m.out.hold(i, &list[i])
		m.out.headers[i].Hdr.Namelen = m.zone.put(&m.out.peers[i], list[i].peer)
	}
	if err := m.socket.fileConn.Control(m.writing); err != nil {
		return 0, err
	}
	return m.out.n, os.NewSyscallError("sendmmsg", m.out.err)
}

// zone is the last link-local zone that was met: its number for the system, its name for us.
type zone struct {
	id   uint32
	name string
}

// peer returns what stands in sa.
func (z *zone) peer(sa *unix.RawSockaddrInet6) netip.AddrPort {
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

// put writes peer into sa, in the form of its family, and returns its length.
func (z *zone) put(sa *unix.RawSockaddrInet6, peer netip.AddrPort) (length uint32) {
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
		return uint32(i.Index)
	}
	id, _ := strconv.ParseUint(name, 10, 32)
	return uint32(id)
}
