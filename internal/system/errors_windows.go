package system

import (
	"errors"

	"golang.org/x/sys/windows"
)

// IsInUse reports whether a socket can't be opened because another one has its address.
func IsInUse(err error) bool { return errors.Is(err, windows.WSAEADDRINUSE) }

// IsNotOurs reports whether a socket can't be opened because this machine has no such address.
func IsNotOurs(err error) bool { return errors.Is(err, windows.WSAEADDRNOTAVAIL) }

// IsRefused reports whether the other side says that nobody listens there. Where an earlier datagram found nobody Windows
// calls that a reset.
func IsRefused(err error) bool {
	return errors.Is(err, windows.WSAECONNREFUSED) || errors.Is(err, windows.WSAECONNRESET)
}
