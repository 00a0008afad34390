//go:build unix

package radiusd

import (
	"errors"
	"syscall"
)

// isDatagramError reports whether a read has failed because of one datagram only, and the next may succeed at once: an
// earlier reply found nobody (ICMP port or host unreachable).
func isDatagramError(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH)
}
