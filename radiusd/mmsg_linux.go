package radiusd

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsg reads and writes with recvmmsg(2) and sendmmsg(2). The addresses of what is read and written cost no memory.
type mmsg struct {
	raw     syscall.RawConn
	in, out flight
	rooms   [atOnce]message
	list    [atOnce]message // what was read
	zone    zone            // of the last link-local address

	reading, writing func(fd uintptr) (done bool) // in and out; made once, for a closure costs memory too
}

// flight is what one system call reads or writes.
type flight struct {
	headers [atOnce]unix.Mmsghdr
	vectors [atOnce]unix.Iovec
	peers   [atOnce]unix.RawSockaddrInet6 // or Inet4
	want, n int
	err     error
}

func newBatchConn(conn *net.UDPConn, wildcard bool) (batchConn, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	m := &mmsg{raw: raw}
	m.in.want = atOnce
	for i := range m.rooms {
		m.rooms[i] = emptyMessage(wildcard)
		m.in.hold(i, &m.rooms[i])
	}
	m.reading = func(fd uintptr) bool { return m.in.call(unix.SYS_RECVMMSG, fd) }
	m.writing = func(fd uintptr) bool { return m.out.call(unix.SYS_SENDMMSG, fd) }
	return m, nil
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

// call reports whether it has been made: not where it would have to wait. It never waits, so the scheduler need not know
// of it; whoever shares an inherited socket may have made it a blocking one.
func (f *flight) call(number, fd uintptr) bool {
	n, _, errno := unix.RawSyscall6(number, fd, uintptr(unsafe.Pointer(&f.headers)), uintptr(f.want), unix.MSG_DONTWAIT, 0, 0)
	switch errno {
	case 0:
		f.n, f.err = int(n), nil
	case unix.EAGAIN:
		return false
	default:
		f.n, f.err = 0, errno
	}
	return true
}

func (m *mmsg) read() ([]message, error) {
	for i := range m.in.n { // what the last read has left there
		h := &m.in.headers[i].Hdr
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(len(m.rooms[i].oob))
	}
	m.in.n = 0
	if err := m.raw.Read(m.reading); err != nil {
		return nil, err
	}
	if m.in.err != nil {
		return nil, os.NewSyscallError("recvmmsg", m.in.err)
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
	if err := m.raw.Write(m.writing); err != nil {
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
