package radiusd

import (
	"errors"

	"golang.org/x/sys/windows"
)

// isDatagramError reports whether a read error is about one datagram only, so that the next read may succeed at once. With
// such an error Windows says that an earlier reply did not reach its client (ICMP port or host unreachable), or that a
// datagram was longer than the buffer. The reader must not pause after such an error, because then a sender of such
// datagrams could slow it down.
func isDatagramError(err error) bool {
	for _, one := range []error{windows.WSAECONNRESET, windows.WSAENETRESET, windows.WSAEMSGSIZE,
		windows.WSAEHOSTUNREACH, windows.WSAENETUNREACH, windows.ERROR_PORT_UNREACHABLE} {
		if errors.Is(err, one) {
			return true
		}
	}
	return false
}
