package radiusd

import (
	"errors"

	"golang.org/x/sys/windows"
)

// isDatagramError reports whether a read has failed because of one datagram only, and the next may succeed at once:
// Windows tells so that an earlier reply found nobody (ICMP port or host unreachable), and that a datagram was longer
// than what it is read into. Whoever sends such datagrams must not have the reader pause.
func isDatagramError(err error) bool {
	for _, one := range []error{windows.WSAECONNRESET, windows.WSAENETRESET, windows.WSAEMSGSIZE,
		windows.WSAEHOSTUNREACH, windows.WSAENETUNREACH, windows.ERROR_PORT_UNREACHABLE} {
		if errors.Is(err, one) {
			return true
		}
	}
	return false
}
