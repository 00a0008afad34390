//go:build unix

package system

import (
	"errors"
	"syscall"
)

// IsInUse reports whether a socket can't be opened because another one has its address.
func IsInUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }

// IsNotOurs reports whether a socket can't be opened because this machine has no such address.
func IsNotOurs(err error) bool { return errors.Is(err, syscall.EADDRNOTAVAIL) }

// IsRefused reports whether the other side says that nobody listens there.
func IsRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
