package radiusd

import (
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

var _ socket = (*quiet)(nil)

// quiet is a socket that wakes nobody while it is read. Of one that package net watches the runtime learns of each datagram
// anew, however busy its readers are: under load that was three wake-ups for each batch that was read.
type quiet struct {
	bell  *os.File // an epoll(7) that rings once for a datagram, after it was armed; the runtime watches this
	armed bool     // belongs to the reader whose turn it is
	file  *os.File // the socket, which the runtime does not watch

	bellConn, fileConn syscall.RawConn
	addr               netip.AddrPort
	closed             atomic.Bool
}

// newSocket takes conn over, and closes it.
func newSocket(conn *net.UDPConn) (socket, error) {
	defer conn.Close()
	file, err := unwatched(conn)
	if err != nil {
		return nil, err
	}
	q := &quiet{file: file, addr: watched{conn}.local()}
	if q.fileConn, err = file.SyscallConn(); err == nil {
		err = q.hangBell()
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return q, nil
}

// unwatched returns another descriptor of conn's socket. Package os has the runtime watch one that does not block; no call
// here depends on that.
func unwatched(conn *net.UDPConn) (file *os.File, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	controlled := raw.Control(func(fd uintptr) {
		var own int
		if own, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); err != nil {
			err = os.NewSyscallError("fcntl", err)
			return
		}
		unix.SetNonblock(own, false)
		file = os.NewFile(uintptr(own), "socket")
		unix.SetNonblock(own, true) // for who has inherited it too
	})
	if controlled != nil {
		return nil, controlled
	}
	return file, err
}

// hangBell makes the bell.
func (q *quiet) hangBell() error {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	unix.SetNonblock(epoll, true) // so that the runtime watches it
	q.bell = os.NewFile(uintptr(epoll), "epoll")
	if q.bellConn, err = q.bell.SyscallConn(); err == nil {
		err = q.bell.SetReadDeadline(time.Time{}) // which fails where the runtime does not watch it
	}
	if err == nil {
		err = q.arm(uintptr(epoll), unix.EPOLL_CTL_ADD)
	}
	if err != nil {
		q.bell.Close()
	}
	return err
}

// arm has the bell ring for the next datagram, or at once if there is one.
func (q *quiet) arm(epoll uintptr, operation int) (err error) {
	controlled := q.fileConn.Control(func(fd uintptr) {
		e := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT}
		err = os.NewSyscallError("epoll_ctl", unix.EpollCtl(int(epoll), operation, int(fd), &e))
	})
	q.armed = true
	if controlled != nil {
		return controlled
	}
	return err
}

// disarm takes in the ring, if there was one: with it the bell is disarmed (EPOLLONESHOT), and not before.
func (q *quiet) disarm(epoll uintptr) {
	var rung [1]unix.EpollEvent
	n, _ := unix.EpollWait(int(epoll), rung[:], 0)
	q.armed = n == 0
}

func (q *quiet) local() netip.AddrPort { return q.addr }

func (q *quiet) batches(wildcard bool) batchConn { return newMMsg(q, wildcard) }

func (q *quiet) send(m message) (err error) {
	to := sockaddr(m.peer)
	controlled := q.fileConn.Control(func(fd uintptr) {
		err = insist(fd, func() error {
			_, err := unix.SendmsgN(int(fd), m.b, m.oob, to, unix.MSG_DONTWAIT)
			return err
		})
	})
	if controlled != nil {
		return controlled
	}
	return os.NewSyscallError("sendmsg", err)
}

func sockaddr(peer netip.AddrPort) unix.Sockaddr {
	addr := peer.Addr()
	if addr.Is4() {
		return &unix.SockaddrInet4{Port: int(peer.Port()), Addr: addr.As4()}
	}
	var z zone
	return &unix.SockaddrInet6{Port: int(peer.Port()), ZoneId: z.idOf(addr.Zone()), Addr: addr.As16()}
}

// crowded is how long a reply waits for room in what the system has to send.
const crowded = 10 * time.Millisecond

// insist has send try once more when there is room, where there was none.
func insist(fd uintptr, send func() error) error {
	err := send()
	if err != unix.EAGAIN {
		return err
	}
	unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, int(crowded.Milliseconds()))
	return send()
}

func (q *quiet) SetReadDeadline(t time.Time) error { return q.bell.SetReadDeadline(t) }

func (q *quiet) Close() error {
	q.closed.Store(true)
	q.bell.Close()
	return q.file.Close()
}
