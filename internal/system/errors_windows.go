package system

import (
	"errors"

	"golang.org/x/sys/windows"
)

// IsInUse reports whether err says that a socket can't be opened because another socket has its address.
func IsInUse(err error) bool { return errors.Is(err, windows.WSAEADDRINUSE) }

// IsNotOurs reports whether err says that a socket can't be opened because this machine has no such address.
func IsNotOurs(err error) bool { return errors.Is(err, windows.WSAEADDRNOTAVAIL) }

// IsRefused reports whether err says that no program listens at the other side. On a UDP socket, Windows reports this as a
// connection reset.
func IsRefused(err error) bool {
	return errors.Is(err, windows.WSAECONNREFUSED) || errors.Is(err, windows.WSAECONNRESET)
}
