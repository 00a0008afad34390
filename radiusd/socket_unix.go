//go:build unix

package radiusd

import (
	"errors"
	"syscall"
)

// isDatagramError reports whether a read error is about one datagram only, so that the next read may succeed at once. Such
// an error says that an earlier reply did not reach its client (ICMP port or host unreachable).
func isDatagramError(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH)
}
